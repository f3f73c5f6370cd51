import type { Estimate } from '@serin/protocol/api/runs';

import { binomialCdf } from './compare.ts';

const confidence = 0.95;

/**
 * The smallest value that at least this share do not exceed; null where too few are there to know: unless it is certain at 95 %
 * that one of them lies beyond the true quantile, the largest seen says nothing about it. The 99th percentile takes 299, the 90th 29.
 */
export function knownQuantile(sorted: ArrayLike<number>, share: number): number | null {
  if (1 - share ** sorted.length < confidence) return null;
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

/** Median with the interval between two of the values that holds the true one with at least 95 %, whatever their distribution. */
export function medianEstimate(values: readonly number[]): Estimate | null {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  /** How many of the smallest, and of the largest, can be left out. */
  let outside = 0;
  for (let [low, high] = [0, Math.floor(count / 2)]; low < high;) {
    const middle = Math.ceil((low + high) / 2);
    if (binomialCdf(middle - 1, count, 0.5) <= (1 - confidence) / 2) low = middle;
    else high = middle - 1;
    outside = low;
  }
  if (outside === 0) return null;
  const [low, high] = [sorted[outside - 1] as number, sorted[count - outside] as number];
  const middle = ((sorted[Math.floor((count - 1) / 2)] as number) + (sorted[Math.floor(count / 2)] as number)) / 2;
  return { value: middle, low, high };
}
