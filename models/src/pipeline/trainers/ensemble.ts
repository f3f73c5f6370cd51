import path from 'node:path';

import { seededRandom } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { combineModels } from '../../onnx/combine.ts';
import { weightDigest } from '../../train/weights.ts';
import { stableText } from '../engine-text.ts';
import { trainModel } from './table.ts';
import type { TrainedModel, Trainer } from './trainer.ts';

export const trainer: Trainer<'ensemble'> = {
  train: async ({ members }, training) => {
    const trained: TrainedModel[] = [];
    for (const [place, settings] of members.entries()) {
      const { context } = training;
      const member = {
        ...context,
        progress: (fraction: number | null, message: string, more?: Parameters<typeof context.progress>[2]) =>
          context.progress(((fraction ?? 0) + place) / members.length, `member ${place + 1} of ${members.length}: ${message}`, more),
        point: (series: string, step: number, value: number) => context.point(`${place + 1} ${settings.kind}: ${series}`.slice(0, 64), step, value),
      };
      // Members of one kind and settings must still differ.
      const seed = place === 0 ? training.seed : seededRandom(training.seed).fork(`member ${place}`).bits();
      trained.push(await trainModel(settings, { ...training, seed, workFolder: path.join(training.workFolder, `member-${place + 1}`), context: member }));
    }
    const [first] = trained;
    if (first === undefined) throw new SerinError('CONFIG_INVALID', { detail: 'an ensemble has members' });
    const other = trained.findIndex(({ preprocessing }) => stableText(preprocessing ?? null) !== stableText(first.preprocessing ?? null));
    if (other !== -1) {
      throw new SerinError('PIPELINE_INVALID', {
        detail: `train.members[${other}] prepares its records otherwise than the first; one graph takes one kind of input`,
        hint: 'Give members of texts the same bucketBits, wordGrams and letterGrams, or the same bucketBits and tokensMax',
      });
    }
    const model = combineModels(trained.map((member) => member.model));
    return {
      model,
      ...(first.preprocessing === undefined ? {} : { preprocessing: first.preprocessing }),
      weightDigest: await weightDigest(model),
      words: `the mean of ${trained.length} models: ${trained.map(({ words }) => words).join('; ')}`,
    };
  },
};
