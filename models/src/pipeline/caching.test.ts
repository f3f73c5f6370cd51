import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, test } from 'vitest';

import { customers, executed, runIn, tablePipeline, workshop } from './testing/data.ts';

const everything = 'ingest validate split train evaluate gate package';

test('of a table pipeline a change runs what depends on it, and nothing else', async () => {
  const folder = await workshop();
  const data = path.join(folder, 'customers.csv');
  await writeFile(data, customers(1500));
  const usual = { limits: {} };
  const base = { gate: usual };
  const run = async (over: Record<string, unknown>): Promise<string> => executed(await runIn(folder, tablePipeline({ ...base, ...over })));

  expect(await run({})).toBe(everything);
  expect(await run({})).toBe('');
  // Words for people decide nothing, and neither does a setting written out that is the usual one.
  expect(await run({ description: 'changed', split: { validation: 0.15, test: 0.15 } })).toBe('');
  expect(await run({ validate: { accept: ['label-leak'] } })).toBe('');
  expect(await run({ gate: { ...usual, modelBytesMax: 1_000_000 } })).toBe('gate package');
  expect(await run({ evaluate: { slices: ['plan', 'region'], repeats: 201 } })).toBe('evaluate gate package');
  // Another column to look at: what is trained on is the same, so nothing is trained.
  expect(await run({ evaluate: { slices: ['plan'], repeats: 200 } })).toBe('split evaluate gate package');
  expect(await run({ train: { kind: 'trees', trees: 40, leaves: 6, patience: 0 } })).toBe('train evaluate gate package');
  // One tree more, but the best number of trees was smaller: the model is the same, and all that follows from it but what was set.
  expect(await run({ train: { kind: 'trees', trees: 41, leaves: 7, patience: 0 } })).toBe('train package');
  expect(await run({ seed: 2 })).toBe('train evaluate gate package');
  expect(await run({ positive: 'no' })).toBe('split evaluate gate package');
  expect(await run({ split: { validation: 0.2, test: 0.15 } })).toBe('validate split train evaluate gate package');
  expect(await run({ name: 'other' })).toBe('package');
  // Going back costs nothing either.
  expect(await run({})).toBe('');

  await writeFile(data, customers(1500, 2));
  expect(await run({})).toBe(everything);
  expect(executed(await runIn(folder, tablePipeline(base), {}, { fresh: true }))).toBe(everything);
});

test('threads do not decide what comes out, so they are no part of a key', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(800));
  const one = await runIn(folder, tablePipeline());
  const two = await runIn(folder, tablePipeline(), {}, { threads: 2 });
  const afresh = await runIn(folder, tablePipeline(), {}, { threads: 2, fresh: true });
  expect(executed(two)).toBe('');
  expect(afresh.report.weightDigest).toBe(one.report.weightDigest);
  expect(afresh.report.metrics).toEqual(one.report.metrics);
});
