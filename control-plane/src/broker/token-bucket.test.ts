import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBuckets, createTokenBucket } from './token-bucket.ts';

test('never lets through more than its burst and its rate', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2_000), fc.integer({ min: 1, max: 5 })), { maxLength: 100 }), (takes) => {
      const bucket = createTokenBucket({ perSecond: 10, burst: 20 }, 0);
      let nowMs = 0;
      let taken = 0;
      for (const [stepMs, amount] of takes) {
        nowMs += stepMs;
        if (bucket.tryTake(amount, nowMs)) taken += amount;
      }
      expect(taken).toBeLessThanOrEqual(20 + nowMs / 100 + 1e-9);
    }),
  );
});

test('a debt is waited for, and a clock that steps back gives nothing', () => {
  const bucket = createTokenBucket({ perSecond: 10, burst: 10 }, 1_000);
  expect(bucket.takeLater(10, 1_000)).toBe(0);
  expect(bucket.takeLater(5, 1_000)).toBe(500);
  expect(bucket.takeLater(0, 0)).toBe(500);
  expect(bucket.takeLater(0, 500)).toBe(0);
});

test('names that are at rest are forgotten, busy ones are not', () => {
  const buckets = createBuckets({ perSecond: 1, burst: 1 }, 2);
  expect(buckets.tryTake('a', 1, 0)).toBe(true);
  expect(buckets.tryTake('b', 1, 900)).toBe(true);
  expect(buckets.tryTake('c', 1, 1_000)).toBe(true);
  expect(buckets.tryTake('b', 1, 1_000)).toBe(false);
});
