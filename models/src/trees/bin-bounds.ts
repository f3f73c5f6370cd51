/** The most bins a feature may have beside the one for what is missing: a bin is a byte. */
export const binsLimit = 255;
/** More rows than these say little more about where bounds should lie. */
const sampleMax = 2 ** 15;

/** Numbers, smallest first, and how many are equal to each. */
interface Distinct {
  readonly values: Float32Array;
  readonly counts: Int32Array;
}

/**
 * Upper bounds of a feature's bins but the last: bin b holds what is above bound b - 1 and at most bound b. Values lie
 * strictly apart in single precision, so a bound parts training rows and what a deployed graph sees in the same way.
 */
export function boundsOf(column: Float32Array, binsMax: number): Float32Array {
  const { values, counts } = distinct(sampleOf(column));
  if (values.length <= 1) return new Float32Array();
  const lasts = values.length <= binsMax ? Array.from({ length: values.length - 1 }, (_, at) => at) : evenBins(counts, binsMax);
  return Float32Array.from(lasts, (last) => between(values[last] as number, values[last + 1] as number));
}

/** A number from `low` on and below `high`, near the middle. */
function between(low: number, high: number): number {
  const middle = Math.fround(low + (high - low) / 2);
  return middle >= low && middle < high ? middle : low;
}

/** The last distinct value of each bin but the last; bins hold about as many rows each, and a value that is as frequent as a bin gets its own. */
function evenBins(counts: Int32Array, binsMax: number): number[] {
  let [rowsLeft, binsLeft] = [0, binsMax];
  for (const count of counts) rowsLeft += count;
  const large = counts.map((count) => (count * binsMax >= rowsLeft ? 1 : 0));
  counts.forEach((count, at) => {
    if (large[at] !== 1) return;
    rowsLeft -= count;
    binsLeft -= 1;
  });
  const lasts: number[] = [];
  let wanted = rowsLeft / Math.max(1, binsLeft);
  for (let at = 0, inBin = 0; at + 1 < counts.length && lasts.length + 1 < binsMax; at += 1) {
    const [isLarge, isNextLarge] = [large[at] === 1, large[at + 1] === 1];
    inBin += counts[at] as number;
    if (!isLarge) rowsLeft -= counts[at] as number;
    if (!isLarge && inBin < (isNextLarge ? wanted / 2 : wanted)) continue;
    lasts.push(at);
    if (!isLarge) binsLeft -= 1;
    wanted = rowsLeft / Math.max(1, binsLeft);
    inBin = 0;
  }
  return lasts;
}

function sampleOf(column: Float32Array): Float32Array {
  const step = Math.max(1, column.length / sampleMax);
  const sample = new Float32Array(Math.ceil(column.length / step));
  let count = 0;
  for (let at = 0; at < column.length; at += step) {
    const value = column[Math.floor(at)] as number;
    if (Number.isNaN(value)) continue;
    // There are two zeros, and they are equal.
    sample[count] = value + 0;
    count += 1;
  }
  return sample.subarray(0, count);
}

function distinct(sample: Float32Array): Distinct {
  const sorted = sortFloats(sample);
  const counts = new Int32Array(sorted.length);
  let found = 0;
  for (let at = 0; at < sorted.length; at += 1) {
    const value = sorted[at] as number;
    if (found === 0 || value !== sorted[found - 1]) {
      sorted[found] = value;
      found += 1;
    }
    counts[found - 1] = (counts[found - 1] as number) + 1;
  }
  return { values: sorted.subarray(0, found), counts: counts.subarray(0, found) };
}

const digitBits = 11;
const digits = 1 << digitBits;

/** By digits of their bits, which are in the order of the numbers once the sign is dealt with. */
function sortFloats(values: Float32Array): Float32Array {
  let keys = new Uint32Array(values.length);
  let others = new Uint32Array(values.length);
  const bits = new Uint32Array(values.slice().buffer);
  for (let at = 0; at < keys.length; at += 1) {
    const bit = bits[at] as number;
    keys[at] = bit >>> 31 === 1 ? ~bit : bit | 0x80000000;
  }
  const starts = new Int32Array(digits);
  for (let shift = 0; shift < 32; shift += digitBits) {
    starts.fill(0);
    for (let at = 0; at < keys.length; at += 1) {
      const digit = ((keys[at] as number) >>> shift) & (digits - 1);
      starts[digit] = (starts[digit] as number) + 1;
    }
    for (let digit = 0, start = 0; digit < digits; digit += 1) {
      const count = starts[digit] as number;
      starts[digit] = start;
      start += count;
    }
    for (let at = 0; at < keys.length; at += 1) {
      const key = keys[at] as number;
      const digit = (key >>> shift) & (digits - 1);
      const place = starts[digit] as number;
      others[place] = key;
      starts[digit] = place + 1;
    }
    [keys, others] = [others, keys];
  }
  for (let at = 0; at < keys.length; at += 1) {
    const key = keys[at] as number;
    keys[at] = key >>> 31 === 1 ? key & 0x7fffffff : ~key;
  }
  return new Float32Array(keys.buffer);
}

/** Writes the bin of every value; what is missing gets the bin behind the last. */
export function binNumbers(column: Float32Array, bounds: Float32Array, into: Uint8Array): void {
  const padded = new Float32Array(256).fill(Infinity);
  padded.set(bounds);
  const missing = bounds.length + 1;
  for (let row = 0; row < column.length; row += 1) {
    const value = column[row] as number;
    let bin = 0;
    for (let half = 128; half > 0; half >>>= 1) if (value > (padded[bin + half - 1] as number)) bin += half;
    into[row] = Number.isNaN(value) ? missing : bin;
  }
}

/** The levels that get bins of their own, the most frequent ones if there are too many; the others count as missing. */
export function binnedLevels(column: Float32Array, levels: number, binsMax: number): Int32Array {
  const counts = new Int32Array(levels);
  for (const value of column) if (value >= 0 && value < levels) counts[Math.trunc(value)] = (counts[Math.trunc(value)] as number) + 1;
  const seen = Array.from(counts.keys()).filter((level) => (counts[level] as number) > 0);
  if (seen.length > binsMax) seen.sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b).length = binsMax;
  return Int32Array.from(seen).sort();
}

export function binCategories(column: Float32Array, levels: number, binned: Int32Array, into: Uint8Array): void {
  const missing = binned.length;
  const binOf = new Uint8Array(levels).fill(missing);
  binned.forEach((level, bin) => (binOf[level] = bin));
  for (let row = 0; row < column.length; row += 1) {
    const value = column[row] as number;
    into[row] = value >= 0 && value < levels ? (binOf[Math.trunc(value)] as number) : missing;
  }
}
