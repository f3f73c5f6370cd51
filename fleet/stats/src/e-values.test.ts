import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eValue, installFailureE, lnBlocksE, lnShareE, projectOntoGap, type Block, type GapNull } from './e-values.ts';
import { lnBeta } from './special-functions.ts';
import { drawBinomial, seededRandom } from './seeded-random.ts';

test('install failures abort at 3 of 5, 4 of 10, 6 of 20, 9 of 50, 14 of 100, and not one earlier', () => {
  for (const [failures, installs] of [
    [3, 4],
    [3, 5],
    [4, 10],
    [6, 20],
    [9, 50],
    [14, 100],
  ] as const) {
    expect(installFailureE(failures, installs, 0.05)).toBeGreaterThanOrEqual(20);
    expect(installFailureE(failures - 1, installs, 0.05)).toBeLessThan(20);
  }
  expect(installFailureE(0, 0, 0.05)).toBe(1);
});

test('one more failure raises the install e-value, one more success lowers it', () => {
  const rate = fc.double({ min: 0.001, max: 0.5, noNaN: true });
  fc.assert(
    fc.property(fc.nat(40), fc.nat(40), rate, (failures, successes, p0) => {
      const e = installFailureE(failures, failures + successes, p0);
      fc.pre(e < 1e11);
      expect(installFailureE(failures + 1, failures + successes + 1, p0)).toBeGreaterThan(e);
      expect(installFailureE(failures, failures + successes + 1, p0)).toBeLessThan(e);
    }),
  );
});

test('healthy installs (5 %) looked at one by one are aborted in at most 5 % of 2,000 fleets of 100', () => {
  const random = seededRandom(21);
  let aborted = 0;
  for (let fleet = 0; fleet < 2000; fleet++) {
    let failures = 0;
    for (let installs = 1; installs <= 100; installs++) {
      if (random() < 0.05) failures++;
      if (installFailureE(failures, installs, 0.05) >= 20) {
        aborted++;
        break;
      }
    }
  }
  expect(aborted / 2000).toBeLessThanOrEqual(0.05);
});

test('the share test of the published vectors', () => {
  expect(lnShareE(15, 5, 0.5)).toBeCloseTo(0.877326, 6);
  expect(lnShareE(30, 10, 0.5)).toBeCloseTo(3.154614, 6);
  expect(lnShareE(8, 40, 0.1)).toBeCloseTo(-1.16121, 6);
});

test('the share test averages one under its null', () => {
  const trials = 12;
  fc.assert(
    fc.property(fc.double({ min: 0.05, max: 0.95, noNaN: true }), (share) => {
      let mean = 0;
      for (let k = 0; k <= trials; k++) mean += binomial(trials, k, share) * Math.exp(lnShareE(k, trials - k, share));
      expect(mean).toBeCloseTo(1, 9);
    }),
  );
});

function binomial(n: number, k: number, p: number): number {
  const lnChoose = -Math.log(n + 1) - lnBeta(n - k + 1, k + 1);
  return Math.exp(lnChoose) * p ** k * (1 - p) ** (n - k);
}

test('without a gap the projection is the pooled rate', () => {
  expect(projectOntoGap(0.1, 0.4, 200, 100, 0)).toBeCloseTo(0.2, 12);
});

const rate = fc.double({ min: 0.01, max: 0.99, noNaN: true });

/** The e-variable of a second block, given plug-ins made by the first, averaged over all its outcomes. */
function meanBlockE(past: Block, sizes: { treated: number; control: number }, bet: GapNull, treatedRate: number, controlRate: number): number {
  let mean = 0;
  for (let x = 0; x <= sizes.treated; x++) {
    for (let y = 0; y <= sizes.control; y++) {
      const block = { treated: { n: sizes.treated, bad: x }, control: { n: sizes.control, bad: y } };
      const [before, after] = lnBlocksE([past, block], bet, 0.1);
      mean += binomial(sizes.treated, x, treatedRate) * binomial(sizes.control, y, controlRate) * Math.exp(after! - before!);
    }
  }
  return mean;
}

test('no point of the null can expect to win a block: the mean of the e-variable, computed exactly, is at most one', () => {
  const arm = fc.integer({ min: 0, max: 400 }).chain((n) => fc.record({ n: fc.constant(n), bad: fc.nat(n) }));
  const past = fc.record({ treated: arm, control: arm });
  const sizes = fc.record({ treated: fc.integer({ min: 1, max: 8 }), control: fc.integer({ min: 1, max: 8 }) });
  const bet = fc.record({ side: fc.constantFrom('at most' as const, 'at least' as const), gap: fc.constantFrom(0, 0.01, 0.1, 0.3) });
  fc.assert(
    fc.property(past, sizes, bet, rate, rate, (before, size, null_, a, b) => {
      const inNull = null_.side === 'at most' ? a - b <= null_.gap : a - b >= null_.gap;
      fc.pre(inNull);
      expect(meanBlockE(before, size, null_, a, b)).toBeLessThanOrEqual(1 + 1e-9);
    }),
    { numRuns: 300 },
  );
});

test('plug-ins come from the past only: the first block of equal expectations decides nothing', () => {
  const block = { treated: { n: 100, bad: 100 }, control: { n: 100, bad: 0 } };
  expect(lnBlocksE([block], { side: 'at most', gap: 0 }, 0.01)).toEqual([0]);
  expect(lnBlocksE([block, block], { side: 'at most', gap: 0 }, 0.01)[1]).toBeGreaterThan(20);
});

function firstCrossing(random: () => number, treatedRate: number, bet: GapNull): number {
  const blocks = Array.from({ length: 60 }, () => ({
    treated: { n: 100, bad: drawBinomial(random, 100, treatedRate) },
    control: { n: 400, bad: drawBinomial(random, 400, 0.01) },
  }));
  const at = lnBlocksE(blocks, bet, 0.01).findIndex((lnE) => eValue(lnE) >= 20);
  return at < 0 ? Infinity : at + 1;
}

function runs(treatedRate: number, bet: GapNull): { share: number; median: number } {
  const random = seededRandom(Math.round(treatedRate * 1000));
  const crossings = Array.from({ length: 300 }, () => firstCrossing(random, treatedRate, bet)).toSorted((a, b) => a - b);
  return { share: crossings.filter((at) => at < Infinity).length / 300, median: crossings[150]! };
}

const worse: GapNull = { side: 'at most', gap: 0 };
const worseByAPoint: GapNull = { side: 'at least', gap: 0.01 };

test('equal versions (1 %, 60 windows of 400/100 frames) are called worse in at most 5 % of runs, and promoted in a median of 13 windows', () => {
  expect(runs(0.01, worse).share).toBeLessThanOrEqual(0.05);
  const promoted = runs(0.01, worseByAPoint);
  expect(promoted.share).toBeGreaterThan(0.95);
  expect(promoted.median).toBeGreaterThanOrEqual(11);
  expect(promoted.median).toBeLessThanOrEqual(15);
});

test('a version worse by the whole margin is promoted in at most 5 % of runs', () => {
  expect(runs(0.02, worseByAPoint).share).toBeLessThanOrEqual(0.05);
});

test('2 % bad frames against 1 % are caught in about 14 windows, 3 % in about 6, 5 % in about 3', () => {
  expect(Math.abs(runs(0.02, worse).median - 14)).toBeLessThanOrEqual(2);
  expect(Math.abs(runs(0.03, worse).median - 6)).toBeLessThanOrEqual(1);
  expect(Math.abs(runs(0.05, worse).median - 3)).toBeLessThanOrEqual(1);
});
