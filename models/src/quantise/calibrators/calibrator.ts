import type { ValueRange } from '../parameters.ts';
import { entropyRange } from './entropy.ts';
import { createHistogram, type Histogram } from './histogram.ts';
import { leastErrorRange } from './least-error.ts';
import { percentileRange } from './percentile.ts';

export type CalibratorName = 'min-max' | 'moving-average' | 'percentile' | 'entropy' | 'mse';

/** Learns the range of one value, batch by batch. */
export interface Calibrator {
  /** Some of the values of a batch, and the extremes of all of them. */
  add(values: Float32Array, min: number, max: number): void;
  range(): ValueRange;
}

/** What a new batch weighs against those before. */
const newShare = 0.01;

function minMax(): Calibrator {
  let [low, high] = [Infinity, -Infinity];
  return {
    add: (_, min, max) => {
      low = Math.min(low, min);
      high = Math.max(high, max);
    },
    range: () => ({ min: low, max: high }),
  };
}

/** A single odd batch moves the range by little. */
function movingAverage(): Calibrator {
  let range: ValueRange | undefined;
  return {
    add: (_, min, max) => {
      range = range === undefined ? { min, max } : { min: range.min + newShare * (min - range.min), max: range.max + newShare * (max - range.max) };
    },
    range: () => range ?? { min: 0, max: 0 },
  };
}

function histogram(decide: (counts: Histogram) => ValueRange): Calibrator {
  const builder = createHistogram();
  return {
    add: builder.add,
    range: () => {
      const counts = builder.finish();
      if (counts.min >= counts.max) return { min: counts.min, max: counts.max };
      const { min, max } = decide(counts);
      // Zero is in the stored range anyway, and was in what the range was chosen by.
      return { min: Math.min(0, min), max: Math.max(0, max) };
    },
  };
}

export function createCalibrator(name: CalibratorName, keep: number): Calibrator {
  switch (name) {
    case 'min-max':
      return minMax();
    case 'moving-average':
      return movingAverage();
    case 'percentile':
      return histogram((counts) => percentileRange(counts, keep));
    case 'entropy':
      return histogram(entropyRange);
    case 'mse':
      return histogram(leastErrorRange);
    default:
      return name satisfies never;
  }
}
