import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { gapAtLeast } from './distribution-gap.ts';
import { exceeds, gapByChance, lnChanceOfNew, lnFewer, lnMoreThanPoisson, lnSameLevels, shareAtMost } from './evidence.ts';
import { addValue, emptySketch, rankOf, weightedValues } from './quantile-sketch.ts';
import type { Distribution } from './summary.ts';

test('the chance that a level is new is that of drawing it now and never before', () => {
  expect(lnChanceOfNew(1, 100, 100)).toBeCloseTo(Math.log(0.5));
  expect(lnChanceOfNew(2, 3, 1)).toBeCloseTo(Math.log(3 / 6));
  expect(lnChanceOfNew(5, 4, 10)).toBe(Number.NEGATIVE_INFINITY);
});

test('tails of counts are sums of their chances', () => {
  expect(lnFewer(0, 10, 0.05)).toBeCloseTo(10 * Math.log(0.95));
  expect(lnFewer(1, 2, 0.5)).toBeCloseTo(Math.log(0.75));
  expect(lnFewer(10, 10, 0.3)).toBeCloseTo(0);
  expect(lnMoreThanPoisson(3, 5)).toBe(0);
  expect(lnMoreThanPoisson(1, 0)).toBe(Number.NEGATIVE_INFINITY);
  expect(lnMoreThanPoisson(20, 2)).toBeLessThan(-20);
});

test('a share is exceeded only beyond chance, at the first where none may be', () => {
  expect(exceeds(1, 1_000_000, 0, 1e-6)).toBe(true);
  expect(exceeds(6, 100, 0.05, 1e-3)).toBe(false);
  expect(exceeds(30, 100, 0.05, 1e-3)).toBe(true);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (total, share) => {
      const count = Math.floor(share * total);
      const most = shareAtMost(count, total, 1e-4);
      expect(most).toBeGreaterThanOrEqual(count / total);
      expect(exceeds(count, total, most + 1e-9, 1e-4)).toBe(false);
    }),
  );
});

const distributionOf = (values: readonly number[], every: number): Distribution => {
  const sketch = emptySketch();
  for (const value of values) addValue(sketch, value);
  const weighted = weightedValues(sketch);
  const at = [...new Set(values.toSorted((one, other) => one - other).filter((_, place) => place % every === 0))];
  return { at, upTo: at.map((value) => rankOf(weighted, value) / values.length), error: 0, complete: at.length === new Set(values).size };
};

test('the gap of two distributions is never more than that of all their values, and equal when all points are known', () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(numbers, numbers, fc.integer({ min: 1, max: 9 }), (one, other, every) => {
      const share = (values: readonly number[], limit: number): number => values.filter((value) => value <= limit).length / values.length;
      const gap = Math.max(...Array.from({ length: 13 }, (_, limit) => Math.abs(share(one, limit) - share(other, limit))));
      expect(gapAtLeast(distributionOf(one, every), distributionOf(other, every))).toBeLessThanOrEqual(gap + 1e-12);
      expect(gapAtLeast(distributionOf(one, 1), distributionOf(other, 1))).toBeCloseTo(gap);
    }),
  );
});

test('equal distributions are called different less often than promised, at every size', () => {
  const alpha = 0.02;
  for (const [n, m] of [
    [20, 20],
    [50, 400],
    [800, 800],
  ] as const) {
    let [gaps, levels] = [0, 0];
    const rounds = 400;
    for (let round = 0; round < rounds; round += 1) {
      const random = seededRandom(`equal/${n}/${m}/${round}`);
      const draw = (count: number): number[] => Array.from({ length: count }, () => Math.round(random.normal() * 2));
      const [one, other] = [draw(n), draw(m)];
      if (gapAtLeast(distributionOf(one, 1), distributionOf(other, 1)) > gapByChance(n, m, alpha)) gaps += 1;
      const counts = (values: readonly number[]): number[] => Array.from({ length: 21 }, (_, level) => values.filter((value) => value + 10 === level).length);
      if (lnSameLevels(counts(one), counts(other)) < Math.log(alpha)) levels += 1;
    }
    expect(gaps).toBeLessThanOrEqual(rounds * alpha);
    // An approximation, so a little more is let pass: three deviations.
    expect(levels).toBeLessThanOrEqual(rounds * alpha + 3 * Math.sqrt(rounds * alpha));
  }
});
