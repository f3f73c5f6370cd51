import type { TreeEnsemble } from '@serin/inference/trees/ensemble';

import type { CheckpointOptions } from '../train/train-options.ts';
import type { FeatureMatrix } from './feature-matrix.ts';

export type TreeObjective =
  /** Labels are 0 and 1. */
  | { readonly kind: 'binary' }
  /** Labels are 0 to classes - 1. */
  | { readonly kind: 'multi-class'; readonly classes: number }
  /** Labels are numbers. The loss is the squared error unless said otherwise; `huber` is the absolute one beyond `delta`. */
  | { readonly kind: 'regression'; readonly loss?: 'squared' | 'absolute' | 'huber'; readonly delta?: number };

/** All have defaults: those of `treeDefaults`. */
export interface TreeOptions {
  readonly trees?: number;
  readonly rate?: number;
  readonly leavesMax?: number;
  /** Splits from the root to a leaf at most; 0 means as many as leaves allow. */
  readonly depthMax?: number;
  /** Rows of a leaf at least. */
  readonly leafRowsMin?: number;
  /** Sum of second derivatives of a leaf at least. */
  readonly leafHessianMin?: number;
  readonly l2?: number;
  /** What a split must win at least. */
  readonly gainMin?: number;
  /** Numbers are sorted into at most so many bins. */
  readonly binsMax?: number;
  /** Shares of rows and of features that a tree sees. */
  readonly rowShare?: number;
  readonly featureShare?: number;
  /** Added to the second derivatives of a level when levels are sorted. */
  readonly categorySmoothing?: number;
  /** Added to `l2` for splits by a category. */
  readonly categoryL2?: number;
  /** A level needs so many rows to be told apart from others. */
  readonly levelRowsMin?: number;
  /** Multiplies the weights of a class's rows; `balanced` gives every class the same sum. Probabilities then are those of the weighted rows. */
  readonly classWeights?: 'balanced' | readonly number[];
  /** With a validation set: ends after so many iterations that were no better. */
  readonly patience?: number;
}

/** Labels are class numbers, or values under regression. */
export interface LabelledFeatures {
  readonly features: FeatureMatrix;
  readonly labels: ArrayLike<number>;
  readonly weights?: ArrayLike<number>;
}

/** How well an iteration does: the mean loss over rows, by their weights. */
export interface TreePoint {
  /** Iterations done; one is a tree, or a tree a class. */
  readonly iteration: number;
  readonly train: number;
  readonly validation?: number;
}

export interface TreeProgress extends TreePoint {
  readonly iterations: number;
  readonly best: number;
  readonly remainingSeconds: number;
}

export interface TrainTreesOptions extends LabelledFeatures {
  readonly validation?: LabelledFeatures;
  readonly objective: TreeObjective;
  readonly options?: TreeOptions;
  readonly seed: number;
  /** Threads that grow a tree together; the trees are the same whatever their number. */
  readonly threads?: number;
  /** A run that finds a checkpoint goes on from it; `step` of it is the iteration. */
  readonly checkpoint?: CheckpointOptions;
  /** Called after every iteration; what it throws ends the run. */
  readonly onProgress?: (progress: TreeProgress) => void;
  readonly signal?: AbortSignal | undefined;
  readonly now?: () => number;
}

export interface FeatureImportance {
  readonly name: string;
  /** What its splits won in training, as a share of all. */
  readonly gain: number;
  readonly splits: number;
}

export interface TrainedTrees {
  /** With a validation set, up to the best iteration. */
  readonly ensemble: TreeEnsemble;
  readonly history: readonly TreePoint[];
  /** Counted from 1; the last one without a validation set. */
  readonly bestIteration: number;
  readonly stopped: 'finished' | 'early';
  /** Equal runs give equal digests, whatever the number of threads. */
  readonly digest: string;
  /** Most important first. */
  readonly importance: readonly FeatureImportance[];
  readonly seconds: number;
  readonly resumedFrom?: number;
}
