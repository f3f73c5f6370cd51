import { exportLinear } from '../../linear/export-linear.ts';
import { trainLinear } from '../../linear/train-linear.ts';
import { weightDigest } from '../../train/weights.ts';
import { featuresOf } from '../../trees/feature-matrix.ts';
import { balancedWeights, featureColumns, objectiveOf } from './columns.ts';
import type { Trainer } from './trainer.ts';

export const trainer: Trainer<'linear'> = {
  train: async ({ l2, balanced }, training) => {
    const { facts, train, context } = training;
    const columns = featureColumns(training);
    const features = featuresOf(train.table, columns);
    context.progress(null, `a linear model of ${columns.length} columns`);
    const trained = await trainLinear({
      features,
      labels: train.labels,
      objective: objectiveOf(training),
      // Written for all rows, as textbooks have it; the trainer takes it for the mean of a row.
      l2: l2 / Math.max(1, train.rows),
      ...(balanced && facts.task === 'classification' ? { weights: balancedWeights(train.labels, facts.labels.length) } : {}),
      signal: context.signal,
    });
    const model = exportLinear(trained);
    return {
      model,
      preprocessing: { v: 1, kind: 'table', columns },
      weightDigest: await weightDigest(model),
      words: `a linear model of ${columns.length} column${columns.length === 1 ? '' : 's'}`,
    };
  },
};
