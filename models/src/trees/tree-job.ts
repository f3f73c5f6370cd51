import type { TreeEnsemble, TreeNodes } from '@serin/inference/trees/ensemble';

import type { TreeObjective, TreeOptions, TreePoint } from './tree-options.ts';

/** Rows as threads share them. */
export interface SharedRows {
  readonly rows: number;
  /** Column-major. */
  readonly values: Float32Array;
  readonly labels: Float64Array;
  readonly weights: Float64Array;
  /** Sum of the weights. */
  readonly weight: number;
  /** Whether all weights are 1. */
  readonly isPlain: boolean;
  /** What the trees so far say; those of a row beside each other. */
  readonly margins: Float64Array;
  /** A few sums of each chunk of rows. */
  readonly chunkSums: Float64Array;
}

/** Everything a thread needs; its arrays are shared, the rest is plain data. */
export interface TreeJob {
  readonly train: SharedRows;
  readonly validation: SharedRows | undefined;
  readonly levels: Int32Array;
  readonly objective: TreeObjective;
  readonly options: Required<Omit<TreeOptions, 'patience' | 'classWeights'>> & { readonly patience: number | undefined };
  readonly seed: number;
  readonly threads: number;
  /** Memory for the histograms of one thread; leaves beyond it are counted anew when they are split. */
  readonly histogramBytesMax: number;
  readonly base: Float32Array;
  /** Iterations that are done already, and how they did. */
  readonly begun: { readonly trees: TreeEnsemble; readonly history: readonly TreePoint[] } | undefined;
  readonly words: Int32Array;
  /** Blocks of features, one a thread; see `bin-layout.ts`. */
  readonly bins: Uint8Array;
  /** The same by column: one feature alone leads rows to their sides, and lies in the processor's caches. */
  readonly columns: Uint8Array;
  /** Of every feature, how many bins it has beside the one for what is missing. */
  readonly binCounts: Int32Array;
  /** Upper bounds of a number's bins, or levels of a category's, `binPlaces` places a feature. */
  readonly binEdges: Float32Array;
  readonly gradients: Float32Array;
  readonly hessians: Float32Array;
  readonly packed: Float64Array;
  /** One a class and row; empty unless there are several classes. */
  readonly probabilities: Float32Array;
  readonly leafValues: Float64Array;
  /** Rows of a large node that threads put to their sides together, twice by turns, and how many of each part went left. */
  readonly parted: Int32Array;
  readonly partedLeft: Int32Array;
  /** What threads found, to be compared. */
  readonly found: Float64Array;
}

export interface BoostStep {
  readonly point: TreePoint;
  readonly best: number;
  readonly trees: readonly TreeNodes[];
  readonly end: 'finished' | 'early' | undefined;
}

/** Rows are summed up in chunks of so many, so that sums do not depend on the number of threads. */
export const chunkRows = 4096;
export const chunkFields = 5;

export const shared = {
  float32: (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(length * 4)),
  float64: (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(length * 8)),
  int32: (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(length * 4)),
  uint8: (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length)),
};
