/** Places of a feature in a histogram; the last bin may be the one for what is missing. */
export const binPlaces = 256;
/** Features whose histograms are made in one pass over rows: together they stay in the processor's first cache. */
export const groupFeatures = 12;

/**
 * Adds the packed sums of rows to the histograms of up to `groupFeatures` features. `words` holds four bins each, a row of
 * them every `stride` words; the first feature's is the first byte.
 */
export function addRows(
  rows: Int32Array,
  from: number,
  to: number,
  words: Int32Array,
  stride: number,
  packed: Float64Array,
  sums: Float64Array,
  features: number,
): void {
  // Written out: a loop over features takes half as long again.
  for (let at = from; at < to; at += 1) {
    const row = rows[at] as number;
    const sum = packed[row] as number;
    const first = Math.imul(row, stride);
    let word = words[first] as number;
    let place = word & 255;
    sums[place] = (sums[place] as number) + sum;
    if (features > 1) {
      place = 256 | ((word >>> 8) & 255);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features > 2) {
      place = 512 | ((word >>> 16) & 255);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features > 3) {
      place = 768 | (word >>> 24);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features <= 4) continue;
    word = words[first + 1] as number;
    place = 1024 | (word & 255);
    sums[place] = (sums[place] as number) + sum;
    if (features > 5) {
      place = 1280 | ((word >>> 8) & 255);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features > 6) {
      place = 1536 | ((word >>> 16) & 255);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features > 7) {
      place = 1792 | (word >>> 24);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features <= 8) continue;
    word = words[first + 2] as number;
    place = 2048 | (word & 255);
    sums[place] = (sums[place] as number) + sum;
    if (features > 9) {
      place = 2304 | ((word >>> 8) & 255);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features > 10) {
      place = 2560 | ((word >>> 16) & 255);
      sums[place] = (sums[place] as number) + sum;
    }
    if (features > 11) {
      place = 2816 | (word >>> 24);
      sums[place] = (sums[place] as number) + sum;
    }
  }
}

/** Leaves of `sums` what is not in `part`. */
export function subtract(sums: Float64Array, part: Float64Array): void {
  for (let at = 0; at < sums.length; at += 1) sums[at] = (sums[at] as number) - (part[at] as number);
}

/** How many rows lie in each bin, where their number must be known exactly. */
export function countRows(
  rows: Int32Array,
  from: number,
  to: number,
  bins: Uint8Array,
  begin: number,
  stride: number,
  counts: Int32Array,
  features: number,
): void {
  counts.fill(0);
  for (let at = from; at < to; at += 1) {
    const first = begin + (rows[at] as number) * stride;
    for (let feature = 0; feature < features; feature += 1) {
      const place = feature * binPlaces + (bins[first + feature] as number);
      counts[place] = (counts[place] as number) + 1;
    }
  }
}

/** How many rows have a bin that goes left. The feature's bins begin at `begin`. */
export function countLeft(rows: Int32Array, from: number, to: number, bins: Uint8Array, begin: number, isLeft: Int32Array): number {
  let count = 0;
  for (let at = from; at < to; at += 1) count = (count + (isLeft[bins[begin + (rows[at] as number)] as number] as number)) | 0;
  return count;
}

/** Puts the rows whose bin goes left before the others, both in the order they had; returns where the others begin. */
export function partition(rows: Int32Array, from: number, to: number, bins: Uint8Array, begin: number, isLeft: Int32Array, spare: Int32Array): number {
  let left = from;
  for (let at = from; at < to; at += 1) {
    const row = rows[at] as number;
    // Both are written and one of them counts: nobody can guess where a row goes, least of all the processor.
    rows[left] = row;
    spare[at - left] = row;
    left = (left + (isLeft[bins[begin + row] as number] as number)) | 0;
  }
  rows.set(spare.subarray(0, to - left), left);
  return left;
}
