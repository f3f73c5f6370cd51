import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chiSquare, correctedPsi, framesForPsi, hellinger, jensenShannon, kolmogorovSmirnov, psi } from './distances.ts';
import { countInto, emptyCounts, equalMassEdges } from './histogram.ts';
import { drawNormal, seededRandom } from './seeded-random.ts';

const reference = [100, 200, 300, 250, 150];
const window = [120, 180, 280, 260, 160];

test('the distances of the published vectors', () => {
  expect(psi(reference, window)).toBeCloseTo(0.0081711, 7);
  expect(jensenShannon(reference, window)).toBeCloseTo(0.0319466, 7);
  expect(jensenShannon(reference, window, '2')).toBeCloseTo(0.0383717, 7);
  expect(hellinger(reference, window)).toBeCloseTo(0.0319528, 7);
  const chi = chiSquare(reference, window);
  expect(chi.statistic).toBeCloseTo(8.4, 9);
  expect(chi.degrees).toBe(4);
  expect(chi.pValue).toBeCloseTo(0.077977, 6);
  expect(kolmogorovSmirnov(reference, window)).toBeCloseTo(0.02, 12);
});

const pair = fc
  .integer({ min: 1, max: 40 })
  .chain((cells) => {
    const counts = fc.array(fc.nat(1000), { minLength: cells, maxLength: cells });
    return fc.tuple(counts, counts);
  })
  .filter(([a, b]) => a.some((n) => n > 0) && b.some((n) => n > 0));

test('distances are never negative, zero to oneself, and within their bounds', () => {
  fc.assert(
    fc.property(pair, ([a, b]) => {
      for (const distance of [psi, jensenShannon, hellinger, kolmogorovSmirnov]) {
        expect(distance(a, b)).toBeGreaterThanOrEqual(0);
        expect(distance(a, a)).toBeCloseTo(0, 7);
        expect(distance(a, b)).toBeCloseTo(distance(b, a), 9);
      }
      expect(jensenShannon(a, b, '2')).toBeLessThanOrEqual(1 + 1e-12);
      expect(hellinger(a, b)).toBeLessThanOrEqual(1 + 1e-12);
      expect(kolmogorovSmirnov(a, b)).toBeLessThanOrEqual(1 + 1e-12);
      const { pValue } = chiSquare(a, b);
      expect(pValue).toBeGreaterThanOrEqual(0);
      expect(pValue).toBeLessThanOrEqual(1);
    }),
  );
});

test('a window without frames has no distance: never a pass, never an alarm', () => {
  const empty = [0, 0, 0, 0, 0];
  for (const distance of [psi, correctedPsi, jensenShannon, hellinger, kolmogorovSmirnov]) {
    expect(distance(reference, empty)).toBeNaN();
  }
  expect(chiSquare(reference, empty).pValue).toBeNaN();
});

test('windows of other cells are refused', () => {
  expect(() => psi([1, 2], [1, 2, 3])).toThrow(RangeError);
});

test('values outside the reference raise the index even though the reference has no share there', () => {
  expect(correctedPsi([0, 500, 500, 0, 0], [0, 400, 400, 200, 0])).toBeGreaterThan(1);
});

function sample(random: () => number, edges: number[], frames: number, shift: number): number[] {
  const counts = emptyCounts(edges);
  for (let i = 0; i < frames; i++) countInto(counts, edges, drawNormal(random) + shift);
  return counts;
}

test('without drift the corrected index averages zero (1,000 windows of 15 frames a bin), and a shift of one sigma does not', () => {
  const random = seededRandom(11);
  const edges = equalMassEdges(
    Array.from({ length: 20_000 }, () => drawNormal(random)),
    32,
  );
  const base = sample(random, edges, 20_000, 0);
  const frames = framesForPsi(base);
  let plain = 0;
  let corrected = 0;
  for (let i = 0; i < 1000; i++) {
    const drawn = sample(random, edges, frames, 0);
    plain += psi(base, drawn) / 1000;
    corrected += correctedPsi(base, drawn) / 1000;
  }
  expect(plain).toBeGreaterThan(0.05);
  expect(Math.abs(corrected)).toBeLessThan(0.01);
  expect(correctedPsi(base, sample(random, edges, frames, 1))).toBeGreaterThan(0.5);
});
