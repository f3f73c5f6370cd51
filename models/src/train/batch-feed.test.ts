import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';

import type { BatchModule } from './batch-feed.ts';
import { train, type TrainOptions } from './train.ts';
import { xorModel, xorOptions, type XorFaults } from './testing/xor.ts';

const thread = (faults: XorFaults = {}, more: Partial<BatchModule> = {}): BatchModule => ({
  module: new URL('testing/xor.ts', import.meta.url),
  settings: faults,
  ...more,
});
const withSource = (source: TrainOptions['source'], more: Partial<TrainOptions> = {}): TrainOptions => ({ ...xorOptions(1), source, ...more });

test('batches from a thread of their own give the weights that batches from this one give, however many are made ahead', async () => {
  const { digest } = await train(xorOptions(1));
  for (const ahead of [0, 1, 5]) expect((await train(withSource(thread({}, { ahead })))).digest).toBe(digest);
  expect((await train(withSource(thread({ partOfBuffer: true })))).digest).toBe(digest);
});

test.each<[string, XorFaults, Partial<BatchModule>, object]>([
  ['throws', { throwAt: 4 }, {}, { code: 'TRAINING_SOURCE_FAILED', detail: 'a picture is torn' }],
  ['refuses its data', { refuseAt: 4 }, {}, { code: 'TRAINING_DATA_INVALID', detail: 'picture 7 is torn', hint: 'Glue it' }],
  ['ends', { exitAt: 4 }, {}, { code: 'TRAINING_SOURCE_FAILED', detail: 'the thread that prepares batches ended by itself with code 3' }],
  [
    'takes too much memory',
    { hoardAt: 4 },
    { heapMiB: 24 },
    { code: 'TRAINING_SOURCE_FAILED', detail: 'the thread that prepares batches ran out of memory, its limit is 24 MiB' },
  ],
  [
    'writes to an array it gave away',
    { reuse: true },
    {},
    { code: 'TRAINING_SOURCE_FAILED', hint: 'Arrays of a batch are given away: make fresh ones for every batch' },
  ],
  ['has no module', {}, { module: '/nowhere/source.js' }, { code: 'TRAINING_SOURCE_FAILED', detail: expect.stringContaining('/nowhere/source.js') as string }],
  ['cannot be sent its settings', {}, { settings: () => {} }, { code: 'TRAINING_SOURCE_FAILED', detail: expect.stringContaining('cannot be sent') as string }],
  ['has too few examples', { examples: 5 }, {}, { code: 'TRAINING_DATA_INSUFFICIENT' }],
])('a source in a thread that %s fails the run with its error', async (_, faults, more, error) => {
  await expect(train(withSource(thread(faults, more)))).rejects.toMatchObject(error);
});

test('a module that makes no source is named', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'serin-source-'));
  const module = path.join(folder, 'empty.mjs');
  await writeFile(module, 'export const other = 1;');
  await expect(train(withSource({ module }))).rejects.toMatchObject({
    code: 'TRAINING_SOURCE_FAILED',
    detail: expect.stringMatching(/empty.mjs exports no function createSource/) as string,
  });
  await rm(folder, { recursive: true });
});

test('a cancellation ends a run whose source hangs', async () => {
  const cancel = new AbortController();
  const running = train(withSource(thread({ hangAt: 4 }), { signal: cancel.signal, onProgress: () => setTimeout(() => cancel.abort(), 1) }));
  await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('a source of this thread that hangs while it waits does not hold up a cancellation', async () => {
  const cancel = new AbortController();
  const source = { examples: 64, fill: () => new Promise<never>(() => setImmediate(() => cancel.abort())) };
  await expect(train(withSource(source, { model: xorModel(1), signal: cancel.signal }))).rejects.toMatchObject({ code: 'CANCELLED' });
});
