import { SerinError } from '@serin/protocol/errors';

import type { TrainedTrees, TrainTreesOptions } from './tree-options.ts';

export type { FeatureImportance, TrainedTrees, TreeObjective, TreeOptions, TreePoint, TreeProgress, TrainTreesOptions } from './tree-options.ts';

/** Gradient boosted trees: histograms of gradients, the leaf that wins most is split next. */
export async function trainTrees(_options: TrainTreesOptions): Promise<TrainedTrees> {
  throw new SerinError('JOB_FAILED', { detail: 'trees are not trained yet' });
}
