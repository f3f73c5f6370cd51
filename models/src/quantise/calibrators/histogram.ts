/**
 * Counts of a value in bins of equal width over a range that grows with what comes: the width doubles, and bins that meet
 * add up exactly, so one pass over the data is enough. Zero is always a border of bins, and zeros are counted apart: they
 * are exact in 8 bits whatever the range.
 */
export interface Histogram {
  readonly counts: Float64Array;
  /** Of bin 0, in widths. */
  readonly first: number;
  readonly width: number;
  readonly zeros: number;
  /** Of all values, not only of those counted. */
  readonly min: number;
  readonly max: number;
}

export const binCount = 4096;
export interface HistogramBuilder {
  /** Adds finite values, whose extremes may lie further out than any of them. */
  add(values: Float32Array, min: number, max: number): void;
  finish(): Histogram;
}

export function createHistogram(): HistogramBuilder {
  let counts = new Float64Array(binCount);
  let width = 0;
  let first = 0;
  let zeros = 0;
  let min = Infinity;
  let max = -Infinity;

  const cover = (low: number, high: number): void => {
    if (width === 0) {
      const span = Math.max(high, 0) - Math.min(low, 0);
      if (span === 0) return;
      width = 2 ** Math.ceil(Math.log2(span / (binCount - 2)));
      first = Math.floor(Math.min(low, 0) / width);
    }
    while (Math.floor(low / width) < first || Math.floor(high / width) >= first + binCount) {
      // Where there is room at the other end, the window only moves.
      const [from, to] = [Math.floor(Math.min(low, min, 0) / width), Math.floor(Math.max(high, max, 0) / width)];
      if (to - from < binCount) {
        const moved = new Float64Array(binCount);
        for (let bin = 0; bin < binCount; bin += 1) {
          const target = bin + first - from;
          if (target >= 0 && target < binCount) moved[target] = counts[bin] as number;
        }
        counts = moved;
        first = from;
        continue;
      }
      const merged = new Float64Array(binCount);
      const start = Math.floor(first / 2);
      for (let bin = 0; bin < binCount; bin += 1) {
        const target = Math.floor((bin + first) / 2) - start;
        merged[target] = (merged[target] as number) + (counts[bin] as number);
      }
      counts = merged;
      first = start;
      width *= 2;
    }
  };

  return {
    add: (values, low, high) => {
      cover(low, high);
      min = Math.min(min, low);
      max = Math.max(max, high);
      const scale = width === 0 ? 0 : 1 / width;
      const [bins, from] = [counts, first];
      let zero = 0;
      for (let index = 0; index < values.length; index += 1) {
        const value = values[index] as number;
        if (value === 0) zero += 1;
        else (bins[Math.floor(value * scale) - from] as number) += 1;
      }
      zeros += zero;
    },
    finish: () => ({ counts, first, width, zeros, min, max }),
  };
}

/** The values of a bin lie around this. */
export const centreOf = ({ first, width }: Histogram, bin: number): number => (first + bin + 0.5) * width;
