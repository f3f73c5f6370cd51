import path from 'node:path';

import { encodeTrees } from '@serin/inference/trees/encode';

import { exportTrees } from '../../trees/export-trees.ts';
import { featuresOf } from '../../trees/feature-matrix.ts';
import { trainTrees } from '../../trees/train-trees.ts';
import { featureColumns, objectiveOf } from './columns.ts';
import type { Trainer } from './trainer.ts';

export const trainer: Trainer<'trees'> = {
  train: async (settings, training) => {
    const { train, validation, seed, workFolder, context } = training;
    const columns = featureColumns(training);
    const trained = await trainTrees({
      features: featuresOf(train.table, columns),
      labels: train.labels,
      validation: { features: featuresOf(validation.table, columns), labels: validation.labels },
      objective: objectiveOf(training),
      options: {
        trees: settings.trees,
        leavesMax: settings.leaves,
        ...(settings.depthMax === undefined ? {} : { depthMax: settings.depthMax }),
        rate: settings.learningRate,
        rowShare: settings.rowShare,
        featureShare: settings.columnShare,
        leafRowsMin: settings.leafRowsMin,
        l2: settings.l2,
        ...(settings.patience === 0 ? {} : { patience: settings.patience }),
        ...(settings.balanced ? { classWeights: 'balanced' as const } : {}),
      },
      seed,
      threads: context.threads,
      checkpoint: { folder: path.join(workFolder, 'trees'), everySeconds: context.checkpointSeconds },
      signal: context.signal,
      onProgress: ({ iteration, iterations, train: loss, validation: held, remainingSeconds }) => {
        context.point('train loss', iteration, loss);
        if (held !== undefined) context.point('validation loss', iteration, held);
        context.progress(iteration / iterations, `tree ${iteration} of ${iterations}`, { remainingSeconds });
      },
    });
    const { ensemble, bestIteration, stopped, digest, importance, resumedFrom } = trained;
    if (resumedFrom !== undefined) context.note(`training went on from tree ${resumedFrom}`);
    return {
      model: exportTrees(ensemble),
      preprocessing: { v: 1, kind: 'table', columns },
      weightDigest: digest,
      importance: { method: 'gain of splits', columns: importance.map(({ name, gain }) => ({ name, value: gain })) },
      explainer: encodeTrees(ensemble),
      words: `${bestIteration} of at most ${settings.trees} trees of at most ${settings.leaves} leaves${stopped === 'early' ? '; more did not help the validation rows' : ''}`,
    };
  },
};
