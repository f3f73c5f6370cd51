import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { trainTextLinear } from '../../text/train-text.ts';
import { examplesOf, fieldsOf, textLimits } from './text.ts';
import type { Trainer } from './trainer.ts';

export const trainer: Trainer<'text-linear'> = {
  train: async ({ wordGrams, letterGrams, bucketBits, l2, balanced }, { facts, train, seed, context }) => {
    const preprocessing: TextPreprocessing = {
      v: 1,
      kind: 'text',
      fields: fieldsOf(facts.features),
      ...textLimits,
      output: {
        kind: 'buckets',
        bits: bucketBits,
        words: wordGrams,
        ...(letterGrams < 2 ? {} : { letters: { from: Math.min(3, letterGrams), to: letterGrams } }),
        weighting: 'log',
      },
    };
    const { texts, labels } = examplesOf(train, facts.features);
    const trained = await trainTextLinear({
      texts,
      labels,
      classes: facts.labels,
      preprocessing,
      // Chosen among magnitudes around what is asked, on rows of the training part set aside for it.
      options: { l2: [l2 * 1e-5, l2 * 1e-6, l2 * 1e-7], ...(balanced ? { classWeights: 'balanced' as const } : {}) },
      seed,
      signal: context.signal,
      onProgress: ({ candidate, candidates, iteration, loss }) => {
        context.point(`loss of candidate ${candidate}`, iteration, loss);
        context.progress((candidate - 1) / candidates, `candidate ${candidate} of ${candidates}, iteration ${iteration}`);
      },
    });
    const { model, weightDigest, chosen } = trained;
    return {
      model,
      preprocessing,
      weightDigest,
      words: `a linear model of 2^${bucketBits} hashed words, l2 ${chosen.l2}, of ${trained.history.length} candidates`,
    };
  },
};
