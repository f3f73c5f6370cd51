import fc from 'fast-check';
import { expect, test } from 'vitest';

import { designLight } from '@serin/inference/bin-scene/parameters';
import { seededRandom } from '@serin/inference/random';
import type { DetectedFrame } from '../../evaluate/detection-schemes.ts';
import { renderBins } from './data.ts';
import { calibrateScores, fitScale, reliabilityOf } from './scores.ts';

const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));

/** Answers to bins: parts where they are, and things that are not there, each with a logit whose true meaning is `means`. */
function framesThat(means: (logit: number) => number, count: number, seed = 1): DetectedFrame[] {
  const random = seededRandom(seed);
  return renderBins(random.fork('bins'), designLight, count).map(({ parts }) => {
    const detections = parts.map(({ label, x, y, angle }) => {
      const logit = random.between(-2, 3);
      const isThere = random.uniform() < sigmoid(means(logit));
      return { label, x: isThere ? x : x + 400, y, angle, score: sigmoid(logit) };
    });
    return { parts, detections };
  });
}

test('a scale finds out what logits mean', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.5, max: 4, noNaN: true }), fc.double({ min: -1.5, max: 1.5, noNaN: true }), fc.integer(), (slope, shift, seed) => {
      const random = seededRandom(seed);
      const scored = Array.from({ length: 6000 }, () => {
        const logit = random.between(-2.5, 2.5);
        return { logit, hit: random.uniform() < sigmoid(slope * logit + shift) ? (1 as const) : (0 as const) };
      });
      const found = fitScale(scored);
      expect(Math.abs(1 / found.temperature - slope)).toBeLessThan(0.1 + 0.12 * slope);
      expect(Math.abs(found.shift - shift)).toBeLessThan(0.3);
    }),
    { numRuns: 30 },
  );
});

test('scores that are all right, and none at all, give a scale that is finite', () => {
  for (const scored of [
    [],
    [{ logit: 1, hit: 1 as const }],
    Array.from({ length: 9 }, (_, at) => ({ logit: at - 4, hit: at > 4 ? (1 as const) : (0 as const) })),
  ]) {
    const { temperature, shift } = fitScale(scored);
    expect(temperature).toBeGreaterThan(0);
    expect(Number.isFinite(temperature + shift)).toBe(true);
  }
});

test('scores that are too modest are made honest, and honest ones are left as they are', () => {
  const found = calibrateScores(framesThat((logit) => 3 * logit + 1, 90));
  expect(found?.temperature).toBeCloseTo(1 / 3, 1);
  expect(found?.after).toBeLessThan(0.5 * (found?.before ?? 0));
  expect(calibrateScores(framesThat((logit) => logit, 90))).toBeUndefined();
  expect(calibrateScores(framesThat((logit) => 3 * logit + 1, 6))).toBeUndefined();
});

test('reliability counts those that are sure enough, by tenths', () => {
  const bins = reliabilityOf(
    framesThat(() => 50, 30),
    0.3,
  );
  expect(bins.every(({ right }) => right === 1)).toBe(true);
  expect(bins).toHaveLength(7);
  const [first] = bins;
  expect(first?.confidence).toBeGreaterThan(0.3);
  expect(first?.confidence).toBeLessThan(0.4);
});
