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
  const sums = sumsOf(counts);
  let [best, least] = [{ low: lowest, high: highest }, Infinity];
  for (let candidate = 0; candidate < candidates; candidate += 1) {
    const share = 1 - ((1 - shareMin) * candidate) / (candidates - 1);
    const low = Math.max(0, Math.floor(zero + (lowest - zero) * share));
    const high = Math.min(binCount, Math.ceil(zero + (highest - zero) * share));
    if (high - low < levels) break;
    const divergence = divergenceOf(counts, sums, low, high);
    if (divergence < least) [best, least] = [{ low, high }, divergence];
  }
  return { min: Math.max(min, (first + best.low) * width), max: Math.min(max, (first + best.high) * width) };
}

/** Up to each bin: how many values, how many bins with any, and the sum of count times its logarithm. */
function sumsOf(counts: Float64Array): Record<'values' | 'filled' | 'weighted', Float64Array> {
  const [values, filled, weighted] = [new Float64Array(binCount + 1), new Float64Array(binCount + 1), new Float64Array(binCount + 1)];
  for (let bin = 0; bin < binCount; bin += 1) {
    const count = counts[bin] as number;
    values[bin + 1] = (values[bin] as number) + count;
    filled[bin + 1] = (filled[bin] as number) + (count > 0 ? 1 : 0);
    weighted[bin + 1] = (weighted[bin] as number) + byLog(count, count);
  }
  return { values, filled, weighted };
}

const byLog = (factor: number, value: number): number => (factor > 0 ? factor * Math.log(Math.max(value, floor)) : 0);

function divergenceOf(counts: Float64Array, { values, filled, weighted }: ReturnType<typeof sumsOf>, low: number, high: number): number {
  const between = (all: Float64Array, from: number, to: number): number => (all[to] as number) - (all[from] as number);
  const [total, below, above] = [values[binCount] as number, values[low] as number, between(values, high, binCount)];
  const [first, last] = [counts[low] as number, counts[high - 1] as number];
  // What lies outside is seen in the outermost bins.
  let sum = between(weighted, low, high) - byLog(first, first) - byLog(last, last) + byLog(first + below, first + below) + byLog(last + above, last + above);
  const size = high - low;
  for (let level = 0, from = low; level < levels; level += 1) {
    const to = low + Math.round((size * (level + 1)) / levels);
    // A level spreads what it holds over the bins in it that are not empty.
    const held = between(values, from, to);
    const told = held > 0 ? held / between(filled, from, to) : 0;
    sum -= byLog(held, told);
    if (level === 0) sum -= byLog(below, first > 0 ? told : 0);
    if (level === levels - 1) sum -= byLog(above, last > 0 ? told : 0);
    from = to;
  }
  const inside = (total - below - above) / total;
  return inside > 0 ? sum / total + Math.log(inside) : Infinity;
}
