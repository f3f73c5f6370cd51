import fc from 'fast-check';
import { expect, test } from 'vitest';

import { minimise } from './lbfgs.ts';

test('the bottom of any bowl is found, however stretched', async () => {
  const bowl = fc.array(fc.record({ at: fc.double({ min: -5, max: 5, noNaN: true }), steep: fc.double({ min: 0.01, max: 100, noNaN: true }) }), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(bowl, async (axes) => {
      const point = new Float64Array(axes.length);
      const found = await minimise(
        (x, gradient) =>
          axes.reduce((sum, { at, steep }, axis) => {
            const away = (x[axis] ?? 0) - at;
            gradient[axis] = steep * away;
            return sum + (steep / 2) * away * away;
          }, 0),
        point,
        { iterationsMax: 500, tolerance: 1e-9 },
      );
      expect(found.value).toBeLessThan(1e-6);
      axes.forEach(({ at }, axis) => expect(point[axis]).toBeCloseTo(at, 2));
    }),
  );
});

test('the valley of Rosenbrock is followed to its end', async () => {
  const point = Float64Array.of(-1.2, 1);
  await minimise(
    ([x = 0, y = 0], gradient) => {
      gradient[0] = -400 * x * (y - x * x) - 2 * (1 - x);
      gradient[1] = 200 * (y - x * x);
      return 100 * (y - x * x) ** 2 + (1 - x) ** 2;
    },
    point,
    { iterationsMax: 200, tolerance: 1e-10 },
  );
  expect(point[0]).toBeCloseTo(1, 5);
  expect(point[1]).toBeCloseTo(1, 5);
});
