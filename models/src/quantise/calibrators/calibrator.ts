import type { ValueRange } from '../parameters.ts';
import { entropyRange } from './entropy.ts';
import { createHistogram } from './histogram.ts';
import { leastErrorRange } from './least-error.ts';
import { percentileRange } from './percentile.ts';

export const calibratorNames = ['mse', 'percentile', 'entropy', 'min-max', 'moving-average'] as const;
export type CalibratorName = (typeof calibratorNames)[number];

/** Learns of one value, batch by batch, what each calibrator chooses its range by. */
export interface Calibrator {
  /** Some of the values of a batch, and the extremes of all of them. */
  add(values: Float32Array, min: number, max: number): void;
  range(name: CalibratorName): ValueRange;
}

/** What a new batch weighs against those before. */
const newShare = 0.01;

export const needsCounts = (name: CalibratorName): boolean => name !== 'min-max' && name !== 'moving-average';

/** `counting`: the values are counted too, which some calibrators do without. `keep`: what percentile keeps inside the range. */
export function createCalibrator(keep: number, counting: boolean): Calibrator {
  const histogram = createHistogram();
  let [min, max] = [Infinity, -Infinity];
  let average: ValueRange | undefined;

  const decide = (name: CalibratorName): ValueRange => {
    switch (name) {
      case 'min-max':
        return { min, max };
      case 'moving-average':
        return average ?? { min: 0, max: 0 };
      case 'percentile':
        return percentileRange(histogram.finish(), keep);
      case 'entropy':
        return entropyRange(histogram.finish());
      case 'mse':
        return leastErrorRange(histogram.finish());
      default:
        return name satisfies never;
    }
  };

  return {
    add: (values, low, high) => {
      if (counting) histogram.add(values, low, high);
      [min, max] = [Math.min(min, low), Math.max(max, high)];
      // A single odd batch moves this by little.
      average =
        average === undefined
          ? { min: low, max: high }
          : { min: average.min + newShare * (low - average.min), max: average.max + newShare * (high - average.max) };
    },
    range: (name) => {
      if (!needsCounts(name)) return decide(name);
      if (min >= max) return { min, max };
      const range = decide(name);
      // Zero is in the stored range anyway, and was in what the range was chosen by.
      return { min: Math.min(0, range.min), max: Math.max(0, range.max) };
    },
  };
}
