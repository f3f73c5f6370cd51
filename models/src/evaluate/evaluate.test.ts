import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { binomialCdf, comparePaired, shareInterval } from './compare.ts';
import { evaluate } from './metrics.ts';

test('accuracy, confusion, confidence and calibration of a known table', () => {
  const rows = [0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.5, 0.5];
  const result = evaluate(rows, [0, 1, 1, 0], 2);
  expect(result.accuracy).toBe(0.75);
  expect(result.confusion).toEqual([
    [2, 0],
    [1, 1],
  ]);
  expect([...result.correct]).toEqual([1, 1, 0, 1]);
  expect(result.meanConfidence).toBeCloseTo(0.7);
  // |.9-1| + |.8-1| + |.6-0| + |.5-1|, each alone in its bin, over 4
  expect(result.ece).toBeCloseTo(0.35);
});

test('an answer that is not finite is wrong and without confidence', () => {
  const result = evaluate([Number.NaN, 1, 0, 1], [1, 1], 2);
  expect(result.accuracy).toBe(0.5);
  expect(result.confusion[1]).toEqual([0, 1]);
});

test('the binomial and its interval agree with known values', () => {
  expect(binomialCdf(2, 10, 0.5)).toBeCloseTo(56 / 1024, 10);
  const [low, high] = shareInterval(5, 10, 0.05);
  expect(low).toBeCloseTo(0.18709, 4);
  expect(high).toBeCloseTo(0.81291, 4);
  expect(shareInterval(0, 10, 0.05)[1]).toBeCloseTo(1 - 0.025 ** 0.1, 6);
});

test('a paired comparison counts only what the two disagree on', () => {
  const result = comparePaired([1, 1, 1, 0, 1], [1, 0, 0, 1, 1]);
  expect(result).toMatchObject({ count: 5, wins: 2, losses: 1 });
  expect(result.pValue).toBeCloseTo(1, 10);
  expect(result.difference).toBeCloseTo(0.2);
  expect(comparePaired(Array(20).fill(1), Array(20).fill(0)).pValue).toBeCloseTo(2 ** -19, 10);
  expect(() => comparePaired([1], [1, 0])).toThrow(RangeError);
});

test('the interval holds its difference, and mirrors when the two are exchanged', () => {
  const answers = fc.array(fc.tuple(fc.nat(1), fc.nat(1)), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(answers, (pairs) => {
      const [left, right] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
      const { interval, difference } = comparePaired(left, right);
      expect(interval[0]).toBeLessThanOrEqual(difference);
      expect(interval[1]).toBeGreaterThanOrEqual(difference);
      const mirrored = comparePaired(right, left).interval;
      expect(mirrored[0]).toBeCloseTo(-interval[1], 8);
      expect(mirrored[1]).toBeCloseTo(-interval[0], 8);
    }),
  );
});

test('the interval misses the true difference no oftener than stated', () => {
  const random = seededRandom(11);
  const [win, lose, runs] = [0.12, 0.05, 400];
  let missed = 0;
  for (let run = 0; run < runs; run += 1) {
    const draws = Array.from({ length: 80 }, () => random.uniform());
    const { interval } = comparePaired(
      draws.map((draw) => (draw < win ? 1 : 0)),
      draws.map((draw) => (draw >= win && draw < win + lose ? 1 : 0)),
    );
    if (interval[0] > win - lose || interval[1] < win - lose) missed += 1;
  }
  expect(missed / runs).toBeLessThanOrEqual(0.05);
});
