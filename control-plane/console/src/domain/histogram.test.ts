import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coarsenBars, histogramBars, histogramMedian } from './histogram.ts';

const print = (value: number): string => String(value);
const edges = [0, 1, 2, 3, 4];
const someCounts = fc.array(fc.nat(1000), { minLength: 7, maxLength: 7 });

describe('bars', () => {
  test('are shares: each side adds up to one, whatever its size', () => {
    fc.assert(
      fc.property(someCounts, someCounts, (reference, live) => {
        const bars = histogramBars(reference, live, edges, print);
        for (const [side, counts] of [
          ['reference', reference],
          ['live', live],
        ] as const) {
          const total = bars.reduce((sum, bar) => sum + bar[side], 0);
          expect(total).toBeCloseTo(counts.some((count) => count > 0) ? 1 : 0, 9);
        }
      }),
    );
  });

  test('show tails and NaN only where something fell into them', () => {
    expect(histogramBars([0, 1, 1, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0, 0], edges, print).map(({ label }) => label)).toEqual([
      '0 to 1',
      '1 to 2',
      '2 to 3',
      '3 to 4',
    ]);
    expect(histogramBars([1, 1, 1, 1, 1, 0, 0], [0, 1, 0, 0, 0, 2, 1], edges, print).map(({ label }) => label)).toEqual([
      'below 0',
      '0 to 1',
      '1 to 2',
      '2 to 3',
      '3 to 4',
      '4 and above',
      'not a number',
    ]);
  });

  test('survive counts that do not fit their edges', () => {
    expect(histogramBars([], [], edges, print)).toHaveLength(4);
    expect(histogramBars([], [], [], print)).toEqual([]);
    expect(histogramBars([1, 2, 3], [1], [5], print).every(({ reference }) => Number.isFinite(reference))).toBe(true);
  });

  test('keep their sum when neighbours are merged, and fit', () => {
    fc.assert(
      fc.property(someCounts, fc.integer({ min: 1, max: 9 }), (counts, most) => {
        const bars = histogramBars(counts, counts, edges, print);
        const merged = coarsenBars(bars, most);
        expect(merged.length).toBeLessThanOrEqual(most);
        expect(merged.reduce((sum, bar) => sum + bar.live, 0)).toBeCloseTo(
          bars.reduce((sum, bar) => sum + bar.live, 0),
          9,
        );
      }),
    );
  });

  test('name the span of what was merged', () => {
    expect(coarsenBars(histogramBars([0, 1, 1, 1, 1, 0, 0], [], edges, print), 2).map(({ label }) => label)).toEqual(['0 to 2', '2 to 4']);
  });
});

describe('the median', () => {
  test('lies where half of the counts are', () => {
    expect(histogramMedian([0, 0, 10, 0, 0, 0, 0], edges)).toBe(1.5);
    expect(histogramMedian([0, 5, 0, 0, 5, 0, 0], edges)).toBe(1);
    expect(histogramMedian([0, 0, 0, 0, 0, 0, 9], edges)).toBeNull();
  });

  test('never leaves the edges', () => {
    fc.assert(
      fc.property(someCounts, (counts) => {
        const median = histogramMedian(counts, edges);
        return median === null || (median >= 0 && median <= 4);
      }),
    );
  });
});
