import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom, shuffle } from '@serin/inference/random';

import { gradientOf, hessianOf, packRows, scalesFor } from './packed-sums.ts';

const pack = (gradients: Float32Array, hessians: Float32Array) => {
  const total = (values: Float32Array): number => values.reduce((sum, value) => sum + Math.abs(value), 0);
  const scales = scalesFor(gradients.length, total(gradients), total(hessians), Math.max(...hessians), Math.min(...hessians));
  const packed = new Float64Array(gradients.length);
  packRows(gradients, hessians, scales, packed, 0, packed.length);
  return { scales, packed };
};

test('sums of packed numbers are the same in any order, and those of both parts', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 5000 }), fc.boolean(), (seed, rows, constant) => {
      const random = seededRandom(seed);
      const gradients = Float32Array.from({ length: rows }, () => random.normal() * 10 ** random.integer(4));
      const hessians = Float32Array.from({ length: rows }, () => (constant ? 0.3 : random.uniform()));
      const { scales, packed } = pack(gradients, hessians);
      const sum = packed.reduce((total, each) => total + each, 0);
      const order = shuffle(random, Int32Array.from(packed.keys()));
      expect(order.reduce((total, row) => total + (packed[row] as number), 0)).toBe(sum);
      const exact = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
      // Rounding up and down evens out: far less is lost than half a unit a row.
      const lost = 4 + 3 * Math.sqrt(rows);
      expect(Math.abs(gradientOf(sum) - exact(gradients) * scales.gradient)).toBeLessThan(lost);
      expect(Math.abs(hessianOf(sum) - exact(hessians) * scales.hessian)).toBeLessThan(lost + rows * 0.002);
      for (const each of packed) expect(hessianOf(each)).toBeLessThanOrEqual(scales.rowHessianMax);
      if (constant) expect(hessianOf(sum)).toBe(rows * scales.rowHessianMax);
    }),
    { numRuns: 60 },
  );
});
