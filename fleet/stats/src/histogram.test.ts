import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addCounts, cellOf, countInto, emptyCounts, equalMassEdges, totalCount } from './histogram.ts';

const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const anyDouble = fc.double();

function histogramOf(edges: number[], values: number[]): number[] {
  const counts = emptyCounts(edges);
  for (const value of values) countInto(counts, edges, value);
  return counts;
}

test('distinct values fall into bins of equal mass', () => {
  fc.assert(
    fc.property(fc.uniqueArray(finite, { minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 40 }), (values, bins) => {
      fc.pre(values.length >= bins);
      const edges = equalMassEdges(values, bins);
      expect(edges).toHaveLength(bins + 1);
      const inside = histogramOf(edges, values).slice(1, bins + 1);
      expect(Math.max(...inside) - Math.min(...inside)).toBeLessThanOrEqual(1);
      expect(inside.reduce((a, b) => a + b)).toBe(values.length);
    }),
  );
});

test('edges never decrease and run from the smallest to the largest value, ties or not', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1 }), fc.integer({ min: 1, max: 32 }), (values, bins) => {
      const edges = equalMassEdges(values, bins);
      for (let i = 1; i < edges.length; i++) expect(edges[i]!).toBeGreaterThanOrEqual(edges[i - 1]!);
      expect(edges[0]).toBe(Math.min(...values) + 0);
      expect(edges[bins]).toBe(Math.max(...values) + 0);
      const counts = histogramOf(edges, values);
      expect(counts[0]! + counts[bins + 1]! + counts[bins + 2]!).toBe(0);
    }),
  );
});

test('every value is counted in the one cell that its place says', () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 32 }), anyDouble, (values, bins, value) => {
      const edges = equalMassEdges(values, bins);
      const cell = cellOf(edges, value);
      if (Number.isNaN(value)) expect(cell).toBe(bins + 2);
      else if (value < edges[0]!) expect(cell).toBe(0);
      else if (value > edges[bins]!) expect(cell).toBe(bins + 1);
      else {
        expect(edges[cell - 1]!).toBeLessThanOrEqual(value);
        if (cell < bins) expect(value).toBeLessThan(edges[cell]!);
      }
    }),
  );
});

test('merging windows equals counting their values together', () => {
  const edges = equalMassEdges([0, 1, 2, 3, 4, 5, 6, 7], 4);
  fc.assert(
    fc.property(fc.array(anyDouble), fc.array(anyDouble), (left, right) => {
      const merged = histogramOf(edges, left);
      addCounts(merged, histogramOf(edges, right));
      expect(merged).toEqual(histogramOf(edges, [...left, ...right]));
      expect(totalCount(merged)).toBe(left.length + right.length);
    }),
  );
});

test('windows merge in any order and grouping to the same one', () => {
  const edges = equalMassEdges([0, 1, 2, 3, 4, 5, 6, 7], 4);
  const some = fc.array(anyDouble, { maxLength: 40 });
  fc.assert(
    fc.property(some, some, some, (a, b, c) => {
      const [first, second, third] = [a, b, c].map((values) => histogramOf(edges, values)) as [number[], number[], number[]];
      const together = (...parts: readonly number[][]): number[] => {
        const all = emptyCounts(edges);
        for (const part of parts) addCounts(all, part);
        return all;
      };
      const one = together(together(first, second), third);
      expect(together(third, together(second, first))).toEqual(one);
      expect(JSON.parse(JSON.stringify(one))).toEqual(one);
    }),
  );
});

test('typed arrays count like plain ones', () => {
  const edges = Float64Array.from([0, 1, 2]);
  const counts = new Uint32Array(5);
  for (const value of [-1, 0, 1, 2, 3, Number.NaN, Infinity, -Infinity]) countInto(counts, edges, value);
  expect([...counts]).toEqual([2, 1, 2, 2, 1]);
});

test('histograms of other edges and useless references are refused', () => {
  expect(() => addCounts([0, 0, 0, 0], [1, 1, 1])).toThrow(RangeError);
  expect(() => equalMassEdges([], 4)).toThrow(/no finite value/);
  expect(() => equalMassEdges([Number.NaN], 4)).toThrow(/no finite value/);
  expect(() => equalMassEdges([1], 0)).toThrow(/positive integer/);
});
