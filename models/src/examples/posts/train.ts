import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { groupTexts } from '../../text/examples.ts';
import { trainTextConv, trainTextLinear } from '../../text/train-text.ts';
import type { TextTraining } from '../../text/training.ts';
import type { TrainProgress } from '../../train/train.ts';
import { postClasses, type Post } from './data.ts';

const reading: Omit<TextPreprocessing, 'output'> = { v: 1, kind: 'text', fields: [{ name: 'text' }], unitsMax: 2000, wordsMax: 300 };

export const linearPreprocessing: readonly TextPreprocessing[] = [
  { ...reading, output: { kind: 'buckets', bits: 16, words: 2, weighting: 'log' } },
  { ...reading, output: { kind: 'buckets', bits: 16, words: 3, weighting: 'log' } },
  { ...reading, output: { kind: 'buckets', bits: 16, words: 2, letters: { from: 3, to: 4 }, weighting: 'log' } },
];
export const convPreprocessing: TextPreprocessing = { ...reading, output: { kind: 'tokens', bits: 13, length: 48 } };

export interface PostTraining extends TextTraining {
  readonly threads: number;
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined;
}

export type PostModel = keyof typeof postTrainers;

/** Learns posts; what is chosen is chosen by a fifth of them. */
export const postTrainers = {
  linear: ({ onProgress: _, ...training }: PostTraining) => trainTextLinear({ ...training, preprocessing: linearPreprocessing }),
  conv: (training: PostTraining) => trainTextConv({ ...training, preprocessing: convPreprocessing, options: { wordDropout: 0.1 } }),
};

/** Posts as records, those that were passed on under one number. */
export function postSet(posts: readonly Post[]) {
  const texts = posts.map(({ text }) => ({ text }));
  return {
    examples: { texts, labels: Int32Array.from(posts, ({ target }) => target) },
    groups: groupTexts(texts, convPreprocessing),
    classes: postClasses,
  };
}
