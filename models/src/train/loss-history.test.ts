import fc from 'fast-check';
import { expect, test } from 'vitest';

import { addLoss, emptyHistory, lossPoints } from './loss-history.ts';

test('however long the run, its points are few, in order, and their weighted mean is that of all losses', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.nat(), (steps, seed) => {
      const history = emptyHistory();
      const losses = Array.from({ length: steps }, (_, index) => (index * 7919 + seed) % 101);
      losses.forEach((loss, index) => addLoss(history, index + 1, loss));
      const points = lossPoints(history, steps);
      expect(points.length).toBeLessThanOrEqual(401);
      expect(points.at(-1)?.step).toBe(steps);
      let before = 0;
      let sum = 0;
      for (const { step, loss } of points) {
        expect(step).toBeGreaterThan(before);
        sum += loss * (step - before);
        before = step;
      }
      expect(sum / steps).toBeCloseTo(losses.reduce((total, loss) => total + loss, 0) / steps, 6);
    }),
    { numRuns: 50 },
  ));
