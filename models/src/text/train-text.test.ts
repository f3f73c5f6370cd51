import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { expect, test } from 'vitest';

import { drawPosts, postClasses, type Post } from '../examples/posts/data.ts';
import { crossValidate } from './cross-validate.ts';
import { groupTexts, holdOut } from './examples.ts';
import { openTextModel } from './open-text-model.ts';
import { trainTextConv, trainTextLinear } from './train-text.ts';
import type { TrainedText } from './training.ts';

const reading: Omit<TextPreprocessing, 'output'> = { v: 1, kind: 'text', fields: [{ name: 'text' }], unitsMax: 1000, wordsMax: 100 };
const buckets: TextPreprocessing = { ...reading, output: { kind: 'buckets', bits: 12, words: 2, weighting: 'log' } };
const tokens: TextPreprocessing = { ...reading, output: { kind: 'tokens', bits: 10, length: 24 } };
const setOf = (posts: readonly Post[]) => ({
  texts: posts.map(({ text }) => ({ text })),
  labels: posts.map(({ target }) => target),
  classes: postClasses,
  seed: 1,
});
const learnt = setOf(drawPosts(500, 1));
const other = setOf(drawPosts(300, 2));
const few = { l2: [1e-3, 1e-5], iterationsMax: 60 };
const short = { epochs: 6, batch: 16, width: 16, filters: 16, wordDropout: 0.1, rate: 1e-2 };

async function accuracyOf({ model, preprocessing }: TrainedText): Promise<number> {
  const opened = await openTextModel(model, preprocessing);
  const probabilities = await opened.predict(other.texts);
  await opened.close();
  return other.labels.filter((label, row) => (probabilities[2 * row + label] ?? 0) > 0.5).length / other.labels.length;
}

test('the linear model tells texts apart that it has not seen, and says what it tried', async () => {
  const seen: number[] = [];
  const trained = await trainTextLinear({
    ...learnt,
    preprocessing: [buckets, { ...buckets, output: { ...buckets.output, words: 1 } as never }],
    options: few,
    onProgress: ({ candidate }) => seen.push(candidate),
  });
  expect(await accuracyOf(trained)).toBeGreaterThan(0.9);
  expect(trained.history.length).toBe(4);
  expect(trained.validationLoss).toBe(Math.min(...trained.history.map(({ validationLoss }) => validationLoss)));
  expect(new Set(seen)).toEqual(new Set([1, 2, 3, 4, 5]));
});

test('the convolutional model does too, with the same weights whatever the number of threads', async () => {
  const [one, two] = [
    await trainTextConv({ ...learnt, preprocessing: tokens, options: short, threads: 1 }),
    await trainTextConv({ ...learnt, preprocessing: tokens, options: short, threads: 2 }),
  ];
  expect(await accuracyOf(one)).toBeGreaterThan(0.9);
  expect(one.weightDigest).toBe(two.weightDigest);
  expect(one.history.length).toBeGreaterThan(0);
});

test('a checkpoint is gone on from with the same texts, and refused with others', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-text-checkpoint-'));
  const train = (set: typeof learnt, epochs: number) =>
    trainTextConv({ ...set, preprocessing: tokens, options: { ...short, epochs, checkpoint: { folder, everySteps: 5 } } });
  try {
    const first = await train(learnt, 2);
    expect((await train(learnt, 2)).weightDigest).toBe(first.weightDigest);
    await expect(train(other, 2)).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('equal trainings give equal weights; with a validation of its own nothing is set aside', async () => {
  const train = (seed: number) => trainTextLinear({ ...learnt, seed, preprocessing: buckets, options: few, validation: other });
  const [first, again] = [await train(1), await train(1)];
  expect(again.weightDigest).toBe(first.weightDigest);
  expect((await train(2)).weightDigest).toBe(first.weightDigest);
});

test('everything that is wrong with the examples is said at once', async () => {
  const wrong = trainTextLinear({ ...learnt, labels: learnt.labels.map((_, index) => (index < 3 ? 7 : 0)), preprocessing: buckets });
  await expect(wrong).rejects.toMatchObject({ code: 'TRAINING_DATA_INVALID', total: 4 });
  await expect(wrong).rejects.toThrow(/texts \(text 1\): its label is 7[^]*no text is emergency/);
  await expect(trainTextConv({ ...learnt, texts: [], labels: [], preprocessing: tokens })).rejects.toThrow(/there is no text/);
  const misnamed = trainTextLinear({ ...learnt, preprocessing: { ...buckets, fields: [{ name: 'body' }] } });
  await expect(misnamed).rejects.toThrow(/no text has the field body; the first one has text/);
});

test('settings that make no sense are refused', async () => {
  await expect(trainTextLinear({ ...learnt, preprocessing: tokens })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(trainTextConv({ ...learnt, preprocessing: buckets })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(trainTextLinear({ ...learnt, preprocessing: buckets, options: { l2: -1 } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(trainTextLinear({ ...learnt, preprocessing: buckets, options: { classWeights: [1] } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(trainTextLinear({ ...learnt, preprocessing: [] })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('what is held out has no near-duplicate among the rest', () => {
  const { held, rest } = holdOut(learnt, buckets, 1);
  expect(held.texts.length + rest.texts.length).toBe(learnt.texts.length);
  const groups = groupTexts([...held.texts, ...rest.texts], buckets);
  const own = new Set(groups.subarray(0, held.texts.length));
  expect(groups.subarray(held.texts.length).some((group) => own.has(group))).toBe(false);
});

test('in cross-validation each text is judged by a model that has not learnt from it or its like', async () => {
  const examples = { texts: learnt.texts.slice(0, 200), labels: learnt.labels.slice(0, 200) };
  const groups = groupTexts(examples.texts, buckets);
  const { folds, probabilities } = await crossValidate({
    examples,
    classes: postClasses,
    groups,
    folds: 3,
    seed: 1,
    train: (part) => {
      const learntGroups = new Set(Array.from(part.groups ?? []));
      const outside = examples.texts.filter((_, index) => !learntGroups.has(groups[index] ?? -1));
      expect(outside.length + part.texts.length).toBe(examples.texts.length);
      return trainTextLinear({ ...part, preprocessing: buckets, options: { ...few, l2: 1e-4 } });
    },
  });
  expect(folds.flatMap(({ indices }) => indices).toSorted((one, two) => one - two)).toEqual(examples.texts.map((_, index) => index));
  examples.texts.forEach((_, row) => expect((probabilities[2 * row] ?? 0) + (probabilities[2 * row + 1] ?? 0)).toBeCloseTo(1, 5));
});

test('copies whose addresses differ, as those sent to many do, are near-duplicates', () => {
  const body = 'a long enough sentence about nothing in particular that is sent to many people at once, see';
  const texts = [`${body} http://a.example/?id=12af`, `${body} http://a.example/?id=99zz&to=you`, 'another sentence of more than a few words altogether'].map(
    (text) => ({ text }),
  );
  const [one, two, three] = groupTexts(texts, buckets);
  expect(one).toBe(two);
  expect(three).not.toBe(one);
});
