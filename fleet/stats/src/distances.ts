import { totalCount } from './histogram.ts';
import { lnGammaQ } from './special-functions.ts';

/**
 * Distances between two histograms of the same cells, given as counts. A histogram without a single count has no
 * distribution: every distance to it is NaN, which compares false with any threshold and so never passes or alarms.
 *
 * Shared assumption: each count vector is a multinomial sample, that is, frames are exchangeable. Frames of a
 * camera are not independent, so a distance of one window is a description; whether it is surprising is judged
 * against the distances of reference windows (drift-detector.ts), never against a textbook null.
 */
type Counts = ArrayLike<number>;

const SHARE_FLOOR = 1e-4;

function shares(counts: Counts): Float64Array {
  const total = totalCount(counts);
  return Float64Array.from(counts, (count) => count / total);
}

function sumCells(reference: Counts, window: Counts, term: (p: number, q: number) => number): number {
  if (reference.length !== window.length) {
    throw new RangeError(`a window of ${window.length} cells has no distance to ${reference.length} cells`);
  }
  const p = shares(reference);
  const q = shares(window);
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += term(p[i]!, q[i]!);
  return sum;
}

/** Population stability index; shares below 1e-4 count as 1e-4, so empty cells stay finite. */
export function psi(reference: Counts, window: Counts): number {
  return sumCells(reference, window, (p, q) => {
    const expected = Math.max(p, SHARE_FLOOR);
    const seen = Math.max(q, SHARE_FLOOR);
    return (seen - expected) * Math.log(seen / expected);
  });
}

function occupiedCells(counts: Counts): number {
  let occupied = 0;
  for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) occupied++;
  return occupied;
}

/**
 * PSI less its mean under no drift, (B-1)(1/n+1/m), where B counts the cells the reference ever fills. Around
 * zero (negative too) under no drift. Assumes cells filled well enough: ask for `framesForPsi(reference)` frames.
 */
export function correctedPsi(reference: Counts, window: Counts): number {
  const bias = (occupiedCells(reference) - 1) * (1 / totalCount(reference) + 1 / totalCount(window));
  return psi(reference, window) - bias;
}

/** Frames a window needs before its corrected PSI means anything: 15 a cell. */
export function framesForPsi(reference: Counts): number {
  return 15 * occupiedCells(reference);
}

/** Jensen-Shannon distance (the square root of the divergence), in nats unless base 2 is asked for; at most sqrt(ln 2), or 1. */
export function jensenShannon(reference: Counts, window: Counts, base: 'e' | '2' = 'e'): number {
  const divergence = sumCells(reference, window, (p, q) => {
    const middle = (p + q) / 2;
    return (klTerm(p, middle) + klTerm(q, middle)) / 2;
  });
  return Math.sqrt(atLeastZero(divergence) / (base === '2' ? Math.LN2 : 1));
}

function klTerm(p: number, q: number): number {
  return p === 0 ? 0 : p * Math.log(p / q);
}

/** Rounding can leave a sum of squares just below zero; NaN passes through. */
function atLeastZero(value: number): number {
  return value < 0 ? 0 : value;
}

/** Hellinger distance, between 0 and 1. */
export function hellinger(reference: Counts, window: Counts): number {
  return Math.sqrt(sumCells(reference, window, (p, q) => (Math.sqrt(p) - Math.sqrt(q)) ** 2) / 2);
}

export interface ChiSquare {
  statistic: number;
  degrees: number;
  pValue: number;
}

/**
 * Pearson's goodness of fit of a window to the shares of the reference. Assumes the reference far larger than the
 * window (its own sampling error is ignored), expected counts of about 5 a cell, and independent frames.
 */
export function chiSquare(reference: Counts, window: Counts): ChiSquare {
  const total = totalCount(window);
  let cells = 0;
  const perFrame = sumCells(reference, window, (p, q) => {
    if (p === 0 && q === 0) return 0;
    cells++;
    const expected = Math.max(p, SHARE_FLOOR);
    return (q - expected) ** 2 / expected;
  });
  const statistic = total * perFrame;
  const degrees = Math.max(cells - 1, 0);
  const pValue = degrees === 0 ? 1 : Math.exp(lnGammaQ(degrees / 2, statistic / 2));
  return { statistic, degrees, pValue: Number.isNaN(statistic) ? Number.NaN : pValue };
}

/** Kolmogorov-Smirnov distance on the cells in order: a lower bound of the distance of the raw values. */
export function kolmogorovSmirnov(reference: Counts, window: Counts): number {
  let gap = 0;
  let largest = 0;
  const sum = sumCells(reference, window, (p, q) => {
    gap += p - q;
    largest = Math.max(largest, Math.abs(gap));
    return p + q;
  });
  return Number.isNaN(sum) ? Number.NaN : largest;
}
