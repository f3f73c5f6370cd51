import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { domainFromZero, linePath, linearScale, nearestIndex, niceTicks, valueDomain } from './scale.ts';

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });

test('ticks lie inside, ascend, and are few', () => {
  fc.assert(
    fc.property(finite, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), fc.integer({ min: 1, max: 12 }), (low, span, count) => {
      const ticks = niceTicks(low, low + span, count);
      expect(ticks.length).toBeLessThanOrEqual(count + 1);
      for (const [index, tick] of ticks.entries()) {
        expect(tick).toBeGreaterThanOrEqual(low - span * 1e-6);
        expect(tick).toBeLessThanOrEqual(low + span * (1 + 1e-6));
        if (index > 0) expect(tick).toBeGreaterThan(ticks[index - 1] ?? Number.POSITIVE_INFINITY);
      }
    }),
  );
  expect(niceTicks(-0.023, 0.023, 4)).toEqual([-0.02, 0, 0.02]);
});

test('a scale maps ends to ends, and an empty domain to the middle', () => {
  expect([0, 5, 10].map(linearScale([0, 10], [100, 0]))).toEqual([100, 50, 0]);
  expect(linearScale([3, 3], [0, 10])(3)).toBe(5);
});

test('a domain begins at zero and holds every value', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }))), (values) => {
      const [low, high] = domainFromZero(values);
      return low === 0 && high > 0 && values.every((value) => value === null || value <= high);
    }),
  );
});

describe('a line', () => {
  test('breaks where data is missing and where time jumps', () => {
    const points = [
      { x: 0, y: 1 },
      { x: 1, y: 2 },
      { x: 2, y: null },
      { x: 3, y: 3 },
      { x: 20, y: 4 },
    ];
    expect(linePath(points, 5)).toBe('M0.0 1.0L1.0 2.0M3.0 3.0M20.0 4.0');
  });
});

test('the nearest value is nearest', () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 1 }), finite, (values, target) => {
      const sorted = values.toSorted((one, other) => one - other);
      const found = sorted[nearestIndex(sorted, target)] ?? Number.NaN;
      expect(Math.abs(found - target)).toBe(Math.min(...sorted.map((value) => Math.abs(value - target))));
    }),
  );
});

test('a domain holds every finite value, is never empty, and begins at zero where that is near', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(finite, fc.constantFrom(Number.NaN, Infinity))), (values) => {
      const [low, high] = valueDomain(values);
      expect(high).toBeGreaterThan(low);
      for (const value of values.filter(Number.isFinite)) expect(low <= value && value <= high).toBe(true);
    }),
  );
  expect(valueDomain([0.01, 0.9])[0]).toBe(0);
  expect(valueDomain([0.8, 0.9])[0]).toBeGreaterThan(0.7);
});
