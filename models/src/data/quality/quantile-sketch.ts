/**
 * Quantiles of any finite numbers in some 3 k of them (KLL: Karnin, Lang, Liberty 2016): exact up to k values, then the rank
 * of an answer is wrong by at most `rankErrorMax` in 99 of 100 sketches. Sketches of parts merge. Which of two neighbours
 * survives is drawn from a generator inside, so the same values in the same order give the same sketch. Plain data.
 */
export interface QuantileSketch {
  /** levels[i] holds values that stand for 2^i each; only the first `sizes[i]` of the array. */
  levels: Float64Array[];
  sizes: number[];
  count: number;
  coin: number;
}

const k = 1024;
const shrink = 2 / 3;
const leastCapacity = 64;

export const rankErrorMax = 0.005;

export const emptySketch = (): QuantileSketch => ({ levels: [new Float64Array(k)], sizes: [0], count: 0, coin: 0x2545f491 });

export const isSketchExact = (sketch: QuantileSketch): boolean => sketch.levels.length === 1;

/** The lowest level is always whole, because small sorts are what takes time. */
const capacityOf = (level: number, levels: number): number =>
  level === 0 ? k : Math.max(leastCapacity, 2 * Math.floor((k * shrink ** (levels - 1 - level)) / 2));

export function addValue(sketch: QuantileSketch, value: number): void {
  const size = sketch.sizes[0] as number;
  (sketch.levels[0] as Float64Array)[size] = value;
  sketch.sizes[0] = size + 1;
  sketch.count += 1;
  if (size + 1 === k) compact(sketch);
}

function toss(sketch: QuantileSketch): number {
  let state = sketch.coin;
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  sketch.coin = state;
  return (state >>> 7) & 1;
}

/** Halves every level that is full, from the lowest. */
function compact(sketch: QuantileSketch): void {
  for (let level = 0; level < sketch.levels.length; level += 1) {
    if ((sketch.sizes[level] as number) < capacityOf(level, sketch.levels.length)) continue;
    const size = sketch.sizes[level] as number;
    const values = (sketch.levels[level] as Float64Array).subarray(0, size).sort();
    const even = size - (size % 2);
    if (level + 1 === sketch.levels.length) {
      sketch.levels.push(new Float64Array(leastCapacity));
      sketch.sizes.push(0);
    }
    const first = toss(sketch);
    const half = even / 2;
    const room = reserve(sketch, level + 1, half);
    const begin = sketch.sizes[level + 1] as number;
    for (let at = 0; at < half; at += 1) room[begin + at] = values[2 * at + first] as number;
    sketch.sizes[level + 1] = begin + half;
    if (even < size) values[0] = values[size - 1] as number;
    sketch.sizes[level] = size - even;
  }
}

function reserve(sketch: QuantileSketch, level: number, more: number): Float64Array {
  const room = sketch.levels[level] as Float64Array;
  const need = (sketch.sizes[level] as number) + more;
  if (need <= room.length) return room;
  const larger = new Float64Array(Math.max(need, room.length * 2));
  larger.set(room);
  sketch.levels[level] = larger;
  return larger;
}

export function mergeSketches(one: QuantileSketch, other: QuantileSketch): QuantileSketch {
  const merged: QuantileSketch = { levels: [], sizes: [], count: one.count + other.count, coin: one.coin ^ Math.imul(other.coin, 31) || 1 };
  for (let level = 0; level < Math.max(one.levels.length, other.levels.length); level += 1) {
    const parts = [one, other].map((sketch) => (sketch.levels[level] ?? new Float64Array()).subarray(0, sketch.sizes[level] ?? 0));
    const size = parts.reduce((total, part) => total + part.length, 0);
    const values = new Float64Array(Math.max(k, size));
    values.set(parts[0] as Float64Array);
    values.set(parts[1] as Float64Array, parts[0]?.length ?? 0);
    merged.levels.push(values);
    merged.sizes.push(size);
  }
  compact(merged);
  return merged;
}

export interface Weighted {
  /** Ascending. */
  readonly values: Float64Array;
  /** How many numbers are as large as the value at the same place, or smaller; the last is the count. */
  readonly upTo: Float64Array;
}

/** Of the sketch and of numbers that were counted beside it. */
export function weightedValues(sketch: QuantileSketch, counted: Iterable<{ readonly number: number; readonly count: number }> = []): Weighted {
  const pairs: [number, number][] = [];
  for (const { number, count } of counted) if (!Number.isNaN(number)) pairs.push([number, count]);
  sketch.levels.forEach((values, level) => {
    for (let at = 0; at < (sketch.sizes[level] as number); at += 1) pairs.push([values[at] as number, 2 ** level]);
  });
  pairs.sort((one, other) => one[0] - other[0]);
  const values = new Float64Array(pairs.length);
  const upTo = new Float64Array(pairs.length);
  let total = 0;
  pairs.forEach(([value, weight], at) => {
    total += weight;
    values[at] = value;
    upTo[at] = total;
  });
  return { values, upTo };
}

/** The value at a share of 0..1 of all; NaN when there is none. */
export function quantileOf({ values, upTo }: Weighted, share: number): number {
  if (values.length === 0) return Number.NaN;
  const rank = share * (upTo.at(-1) as number);
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((upTo[middle] as number) < rank) low = middle + 1;
    else high = middle;
  }
  return values[low] as number;
}

/** How many numbers are as large as `limit` or smaller. */
export function rankOf({ values, upTo }: Weighted, limit: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : (upTo[low - 1] as number);
}
