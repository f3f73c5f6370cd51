import { isFiniteRow } from './random-features.ts';

/**
 * How a window of embeddings is distributed, in one vector: sums of their random Fourier features z. Two windows are as
 * far apart as their mean features (the maximum mean discrepancy, MMD), and windows merge by adding. Sums are of floats,
 * so merging is exact up to rounding: adding n features in any order and grouping changes a sum by at most
 * 2 n 2^-53 times the sum of their sizes.
 */
export interface Moments {
  /** How many embeddings. */
  count: number;
  /** Sum of z, feature by feature. */
  sum: number[];
  /** Sum of |z|^2. */
  squares: number;
}

export const emptyMoments = (width: number): Moments => ({ count: 0, sum: Array.from({ length: width }, () => 0), squares: 0 });

/** Adds one row of features in place; one that is too short or not finite is left out and answered with false. */
export function addFeatures(into: Moments, z: ArrayLike<number>, offset = 0): boolean {
  const { sum } = into;
  const width = sum.length;
  if (!isFiniteRow(z, offset, width)) return false;
  let squares = 0;
  for (let i = 0; i < width; i++) {
    const value = z[offset + i]!;
    sum[i] = sum[i]! + value;
    squares += value * value;
  }
  into.squares += squares;
  into.count++;
  return true;
}

export function addMoments(into: Moments, from: Readonly<Moments>): void {
  requireSameWidth(into, from);
  for (let i = 0; i < into.sum.length; i++) into.sum[i] = into.sum[i]! + from.sum[i]!;
  into.squares += from.squares;
  into.count += from.count;
}

/**
 * Whether there can be embeddings with these moments: by Cauchy and Schwarz |S|^2 <= n Q. What comes over a wire is asked
 * first, so that one message cannot spoil a sum.
 */
export function areMoments({ count, sum, squares }: Readonly<Moments>): boolean {
  if (!Number.isSafeInteger(count) || count < 0 || !(squares >= 0 && squares < Infinity)) return false;
  const length = dot(sum, sum);
  return length <= count * squares * (1 + 1e-9);
}

/**
 * The squared MMD of two windows, without bias: around zero, negative too, where both come from one distribution. NaN
 * where either has fewer than two embeddings. Assumes that both used the same W and b; that frames are independent is
 * not assumed here but where the distance is judged, against those of reference windows.
 */
export function mmd2(reference: Readonly<Moments>, window: Readonly<Moments>): number {
  requireSameWidth(reference, window);
  const [n, m] = [reference.count, window.count];
  if (n < 2 || m < 2) return Number.NaN;
  return likeness(reference) + likeness(window) - (2 * dot(reference.sum, window.sum)) / (n * m);
}

/** Mean kernel over the pairs of different embeddings. */
const likeness = ({ count, sum, squares }: Readonly<Moments>): number => (dot(sum, sum) - squares) / (count * (count - 1));

function dot(left: readonly number[], right: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += left[i]! * right[i]!;
  return sum;
}

function requireSameWidth(left: Readonly<Moments>, right: Readonly<Moments>): void {
  if (left.sum.length !== right.sum.length) throw new RangeError(`moments of ${left.sum.length} features do not fit moments of ${right.sum.length}`);
}
