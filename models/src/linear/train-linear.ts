import { SerinError } from '@serin/protocol/errors';

import type { FeatureColumn, FeatureMatrix } from '../trees/feature-matrix.ts';

export type LinearObjective = { readonly kind: 'binary' } | { readonly kind: 'multi-class'; readonly classes: number } | { readonly kind: 'regression' };

export interface TrainLinearOptions {
  readonly features: FeatureMatrix;
  /** Class numbers, or values under regression. */
  readonly labels: ArrayLike<number>;
  readonly weights?: ArrayLike<number>;
  readonly objective: LinearObjective;
  /** Strength of the pull towards zero, for standardised features and the mean loss of a row. */
  readonly l2?: number;
  /** Forgets the features: the shares of the classes, or the mean. */
  readonly constant?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Raw features in, margins out; standardising, one-hot levels and missing indicators are folded into the weights. */
export interface LinearModel {
  readonly columns: readonly FeatureColumn[];
  readonly objective: LinearObjective;
  /** Margins: one, or one a class under `multi-class`. */
  readonly intercept: Float32Array;
  /** What each column adds, a row of margins each: for a number its slope, then what it adds where it is missing; for a category what each level adds, then where it is missing. */
  readonly terms: readonly Float32Array[];
  /** Mean loss of a row at the end. */
  readonly loss: number;
  readonly iterations: number;
}

export async function trainLinear(_options: TrainLinearOptions): Promise<LinearModel> {
  throw new SerinError('JOB_FAILED', { detail: 'linear models are not trained yet' });
}
