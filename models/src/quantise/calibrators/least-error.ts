import type { ValueRange } from '../parameters.ts';
import { binCount, centreOf, type Histogram } from './histogram.ts';

const levels = 255;
/** Candidates of an end: every so many bins, then every one around the best. */
const stride = 16;
const roundsMax = 4;

/**
 * The range with the least mean squared error. Inside, rounding adds a twelfth of a step squared; outside, values move to
 * the end. With sums of counts, values and squares up to every bin, each candidate is a handful of operations.
 */
export function leastErrorRange(histogram: Histogram): ValueRange {
  const { counts, first, width, min, max } = histogram;
  // Sums over the bins before each.
  const [ones, sums, squares] = [new Float64Array(binCount + 1), new Float64Array(binCount + 1), new Float64Array(binCount + 1)];
  for (let bin = 0; bin < binCount; bin += 1) {
    const [count, centre] = [counts[bin] as number, centreOf(histogram, bin)];
    ones[bin + 1] = (ones[bin] as number) + count;
    sums[bin + 1] = (sums[bin] as number) + count * centre;
    squares[bin + 1] = (squares[bin] as number) + count * centre * centre;
  }
  const between = (all: Float64Array, from: number, to: number): number => (all[to] as number) - (all[from] as number);
  const clipped = (from: number, to: number, end: number): number =>
    between(squares, from, to) - 2 * end * between(sums, from, to) + end * end * between(ones, from, to);
  /** Of the range from the lower border of bin `low` to that of bin `high`. */
  const errorOf = (low: number, high: number): number => {
    const [bottom, top] = [Math.max(min, (first + low) * width), Math.min(max, (first + high) * width)];
    const step = (Math.max(0, top) - Math.min(0, bottom)) / levels;
    return (between(ones, low, high) * step * step) / 12 + clipped(0, low, bottom) + clipped(high, binCount, top);
  };

  const zero = Math.min(binCount, Math.max(0, -first));
  const lowest = Math.min(zero, Math.max(0, Math.floor(min / width) - first));
  const highest = Math.max(zero, Math.min(binCount, Math.floor(max / width) - first + 1));
  let [low, high] = [lowest, highest];
  const best = (from: number, to: number, error: (bin: number) => number): number => {
    let [found, least] = [from, Infinity];
    const look = (bin: number): void => {
      const value = error(bin);
      if (value < least) [found, least] = [bin, value];
    };
    for (let bin = from; bin <= to; bin += stride) look(bin);
    look(to);
    for (let bin = Math.max(from, found - stride), end = Math.min(to, found + stride); bin <= end; bin += 1) look(bin);
    return found;
  };
  for (let round = 0; round < roundsMax; round += 1) {
    const [before, after] = [low, high];
    if (highest > zero) high = best(zero, highest, (bin) => errorOf(low, bin));
    if (lowest < zero) low = best(lowest, zero, (bin) => errorOf(bin, high));
    if (low === before && high === after) break;
  }
  return { min: Math.max(min, (first + low) * width), max: Math.min(max, (first + high) * width) };
}
