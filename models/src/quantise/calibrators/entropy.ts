import type { ValueRange } from '../parameters.ts';
import { binCount, type Histogram } from './histogram.ts';

const levels = 256;
/** Shares of the whole range that are tried. */
const candidates = 96;
const shareMin = 0.05;
/** What a level that holds nothing is taken for. */
const floor = 1e-9;

/**
 * The range whose 256 levels tell the least different a story: Kullback and Leibler's divergence of the values, those
 * outside moved to the ends, from what the levels make of them. Both ends come in together.
 */
export function entropyRange({ counts, first, width, min, max }: Histogram): ValueRange {
  const zero = -first;
  const lowest = Math.min(zero, Math.floor(min / width) - first);
  const highest = Math.max(zero, Math.floor(max / width) - first + 1);
  let [best, least] = [{ low: lowest, high: highest }, Infinity];
  for (let candidate = 0; candidate < candidates; candidate += 1) {
    const share = 1 - ((1 - shareMin) * candidate) / (candidates - 1);
    const low = Math.max(0, Math.floor(zero + (lowest - zero) * share));
    const high = Math.min(binCount, Math.ceil(zero + (highest - zero) * share));
    if (high - low < levels) break;
    const divergence = divergenceOf(counts, low, high);
    if (divergence < least) [best, least] = [{ low, high }, divergence];
  }
  return { min: Math.max(min, (first + best.low) * width), max: Math.min(max, (first + best.high) * width) };
}

function divergenceOf(counts: Float64Array, low: number, high: number): number {
  let [below, above, total] = [0, 0, 0];
  for (let bin = 0; bin < binCount; bin += 1) {
    const count = counts[bin] as number;
    total += count;
    if (bin < low) below += count;
    else if (bin >= high) above += count;
  }
  const size = high - low;
  let divergence = 0;
  for (let level = 0, from = low; level < levels; level += 1) {
    const to = low + Math.round((size * (level + 1)) / levels);
    // A level spreads what it holds over the bins in it that are not empty.
    let [held, filled] = [0, 0];
    for (let bin = from; bin < to; bin += 1) {
      const count = counts[bin] as number;
      held += count;
      if (count > 0) filled += 1;
    }
    for (let bin = from; bin < to; bin += 1) {
      const count = counts[bin] as number;
      const seen = count + (bin === low ? below : 0) + (bin === high - 1 ? above : 0);
      if (seen === 0) continue;
      const told = count > 0 ? held / filled : floor;
      divergence += (seen / total) * Math.log(seen / Math.max(told, floor));
    }
    from = to;
  }
  const inside = (total - below - above) / total;
  return inside > 0 ? divergence + Math.log(inside) : Infinity;
}
