import type { Estimate } from '@serin/protocol/api/runs';

import type { PairedComparison } from './compare.ts';

/*
 * What measuring a model comes to, as plain data: the same for a classifier, a regression and a detector, so that gates and
 * reports need not know the task.
 */

/** How a figure is shown: shares as per cent or points, pixels and degrees as they are, values in the unit of the data. */
export type MetricUnit = 'share' | 'nats' | 'pixels' | 'degrees' | 'value' | 'cost';

export interface MetricKind {
  readonly better: 'higher' | 'lower';
  readonly unit: MetricUnit;
}

/** A figure on some of the examples; null where they do not define it, or are too few. */
export interface SliceFigure {
  /** `light`, `parts`, `class`, or a column of the data. */
  readonly column: string;
  readonly value: string;
  /** Examples in it; of a detector's class, the truths of that class. */
  readonly count: number;
  readonly estimate: Estimate | null;
  /** Of the main metric of one model: minus that of all other examples, by intervals that hold for all slices at once. */
  readonly difference?: Estimate | null;
}

export interface MeasuredMetric extends MetricKind {
  readonly name: string;
  /** On all examples; null where they do not define it. */
  readonly estimate: Estimate | null;
  /** Intervals of slices stand alone, each at the stated level. */
  readonly slices: readonly SliceFigure[];
}

/** Rows are the truth, columns what was said. A detector has `background` among the rows and `missed` among the columns. */
export interface Confusion {
  readonly truths: readonly string[];
  readonly answers: readonly string[];
  readonly counts: readonly (readonly number[])[];
}

/** One model on one set of examples. */
export interface Measured {
  /** Examples: records, pictures or frames. */
  readonly count: number;
  /** What is drawn together in a resample: examples, or groups of them. */
  readonly units: number;
  /** Of the metrics, the one to judge by. */
  readonly main: string;
  readonly metrics: readonly MeasuredMetric[];
  readonly confusion: Confusion | null;
  readonly repeats: number;
  /** 0.05 for intervals of 95 %. */
  readonly alpha: number;
  /** What was left out, and why, in words. */
  readonly notes: readonly string[];
}

export interface ComparedMetric extends MetricKind {
  readonly name: string;
  readonly challenger: number;
  readonly champion: number;
  /** How much better the challenger is in the direction of the metric: below 0 is worse, whatever the metric. */
  readonly gain: Estimate | null;
  /** Gains on slices; these intervals hold all at once. */
  readonly slices: readonly SliceFigure[];
}

/** Two models on the same examples, by the same resamples. */
export interface Compared {
  readonly count: number;
  readonly units: number;
  readonly main: string;
  readonly metrics: readonly ComparedMetric[];
  /** Right or wrong, example by example, with the exact test of McNemar; null where an answer is neither. */
  readonly right: PairedComparison | null;
  /** The same by slice; the intervals hold all at once (Bonferroni). */
  readonly rightSlices: readonly { readonly column: string; readonly value: string; readonly comparison: PairedComparison }[];
  readonly repeats: number;
  readonly alpha: number;
  readonly notes: readonly string[];
}

export type Severity = 1 | 2 | 3;

/** What was done to the examples, and what it did to the metric. */
export interface PerturbedFigure {
  /** `brighter`, `darker`, `contrast`, `blur`, `noise`, `salt-pepper`, `occlusion`, `jpeg`, `fgsm`; of records `missing`, `jitter`, `typos`, `dropped-words`. */
  readonly kind: string;
  readonly severity: Severity;
  /** Such as `1.5 times as bright`. */
  readonly words: string;
  readonly estimate: Estimate | null;
  /** How much worse than on the same examples as they are, in the direction of the metric: above 0 is worse. */
  readonly drop: Estimate | null;
}

export interface Robustness extends MetricKind {
  readonly metric: string;
  /** Examples looked at, a seeded draw where there are more. */
  readonly count: number;
  readonly clean: Estimate | null;
  readonly perturbed: readonly PerturbedFigure[];
  /** What was not measured, and why. */
  readonly left: readonly { readonly kind: string; readonly severity: Severity; readonly why: string }[];
  readonly repeats: number;
  readonly alpha: number;
}

/** Of one model on this machine: queries one after the other, as soon as the last one is answered. */
export interface Latency {
  readonly name: string;
  /** Null where too few queries were made to know it: see `queries`. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  readonly queries: number;
  /** From the bytes to a session that can be asked. */
  readonly loadMs: number;
  /** How much a fresh process grew at most by loading the model and answering; null where it was not measured. */
  readonly memoryBytes: number | null;
  readonly threads: number;
  readonly modelBytes: number;
}

export interface LatencyRatio {
  readonly name: string;
  /** The model it is compared with: the first one. */
  readonly over: string;
  /**
   * Median of the ratios of queries that were made one after the other, with an exact interval of 95 %: below 1 is faster.
   * Null where too few were made.
   */
  readonly time: Estimate | null;
}

export interface LatencyReport {
  readonly models: readonly Latency[];
  readonly ratios: readonly LatencyRatio[];
  /** These are facts of this machine and no other. */
  readonly machine: { readonly cpu: string; readonly cores: number; readonly threads: number; readonly runtime: string };
  readonly notes: readonly string[];
}
