import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';

import { groupTexts } from '../../text/examples.ts';
import { trainTextConv, trainTextLinear } from '../../text/train-text.ts';
import type { TextTraining, TrainedText } from '../../text/training.ts';
import type { TrainProgress } from '../../train/train.ts';
import { mailClasses, type LabelledMail } from './data.ts';

/** A word of the subject counts apart and with those of the body. */
const fields = [{ name: 'subject', prefix: 'subject' }, { name: 'subject' }, { name: 'body' }];
const reading = { v: 1, kind: 'text', fields, unitsMax: 50_000, wordsMax: 10_000 } as const;

/** Single words or also pairs: validation inside the training folds chooses. */
export const linearPreprocessing: readonly TextPreprocessing[] = [1, 2].map((words) => ({
  ...reading,
  output: { kind: 'buckets', bits: 18, words, weighting: 'log' },
}));
export const convPreprocessing: TextPreprocessing = { ...reading, output: { kind: 'tokens', bits: 14, length: 400 } };

export type ModelKind = 'linear' | 'conv';

export interface MailTraining extends TextTraining {
  readonly threads: number;
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined;
}

/** Learns mails with everything chosen and calibrated on a fifth of them, near-duplicates apart. */
export const mailTrainers: Readonly<Record<ModelKind, (training: MailTraining) => Promise<TrainedText>>> = {
  linear: ({ onProgress: _, ...training }) => trainTextLinear({ ...training, preprocessing: linearPreprocessing }),
  conv: (training) => trainTextConv({ ...training, preprocessing: convPreprocessing }),
};

export interface MailSet {
  readonly examples: { readonly texts: readonly LabelledRecord[]; readonly labels: Int32Array };
  readonly groups: Int32Array;
  readonly classes: readonly string[];
}

type LabelledRecord = Readonly<Record<'subject' | 'body', string>>;

/** Mails as records, with near-duplicates under one number; numbers and addresses do not make a difference. */
export function mailSet(mails: readonly LabelledMail[]): MailSet {
  const texts = mails.map(({ subject, body }) => ({ subject, body }));
  const groups = groupTexts(texts, { ...convPreprocessing, fields: [{ name: 'subject' }, { name: 'body' }] });
  return { examples: { texts, labels: Int32Array.from(mails, ({ label }) => label) }, groups, classes: mailClasses };
}
