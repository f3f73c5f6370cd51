import path from 'node:path';

import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { trainTextConv } from '../../text/train-conv.ts';
import { examplesOf, fieldsOf, textLimits } from './text.ts';
import type { Trainer } from './trainer.ts';

export const trainer: Trainer<'text-conv'> = {
  train: async ({ bucketBits, width, filters, tokensMax, epochs, learningRate }, { facts, train, seed, workFolder, context }) => {
    const preprocessing: TextPreprocessing = {
      v: 1,
      kind: 'text',
      fields: fieldsOf(facts.features),
      ...textLimits,
      output: { kind: 'tokens', bits: bucketBits, length: tokensMax },
    };
    const { texts, labels } = examplesOf(train, facts.features);
    const trained = await trainTextConv({
      texts,
      labels,
      classes: facts.labels,
      preprocessing,
      options: {
        width,
        filters,
        epochs,
        rate: learningRate,
        checkpoint: { folder: path.join(workFolder, 'text-conv'), everySeconds: context.checkpointSeconds },
      },
      threads: context.threads,
      seed,
      signal: context.signal,
      onProgress: ({ step, steps, epoch, loss, examplesPerSecond, remainingSeconds, validation }) => {
        context.point('train loss', step, loss);
        if (validation !== undefined) context.point('validation loss', validation.step, validation.value);
        context.progress(step / steps, `epoch ${epoch}, loss ${loss.toFixed(4)}`, {
          rate: `${Math.round(examplesPerSecond).toLocaleString('en')} texts/s`,
          remainingSeconds,
        });
      },
    });
    return {
      model: trained.model,
      preprocessing,
      weightDigest: trained.weightDigest,
      words: `a convolutional network of ${tokensMax} words, ${trained.steps} steps`,
    };
  },
};
