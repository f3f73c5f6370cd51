import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { openCheckpoints, type Checkpoint } from './checkpoint.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'serin-checkpoint-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const fingerprint = { rate: 0.1, seed: 1 };
const at = (step: number): Checkpoint<{ word: string }> => ({
  step,
  fingerprint,
  notes: { word: `step ${step}` },
  vectors: { weights: Float32Array.of(step, -0, 1e-40) },
});

test('what was written is read again, bit for bit', () =>
  fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.dictionary(fc.string(), fc.oneof(fc.integer(), fc.string())),
      fc.jsonValue(),
      fc.dictionary(fc.string(), fc.float32Array()),
      async (step, facts, notes, vectors) => {
        const other = await mkdtemp(path.join(folder, 'one-'));
        await (await openCheckpoints(other)).write({ step, fingerprint: facts, notes, vectors });
        const found = await (await openCheckpoints(other)).read(facts);
        expect(found?.checkpoint.step).toBe(step);
        expect(JSON.stringify(found?.checkpoint.notes)).toBe(JSON.stringify(notes));
        const bits = (all: Readonly<Record<string, Float32Array>>) => Object.entries(all).map(([name, { buffer }]) => [name, [...new Uint8Array(buffer)]]);
        expect(bits(found?.checkpoint.vectors ?? {})).toEqual(bits(vectors));
      },
    ),
    { numRuns: 30 },
  ));

test('a folder without checkpoints has none', async () => {
  expect(await (await openCheckpoints(folder)).read(fingerprint)).toBeUndefined();
});

test('the newest is read, and the one before it is kept', async () => {
  const checkpoints = await openCheckpoints(folder);
  for (const step of [1, 2, 3]) await checkpoints.write(at(step));
  expect((await (await openCheckpoints(folder)).read(fingerprint))?.checkpoint).toEqual(at(3));
  expect(await readdir(folder)).toHaveLength(2);
});

test('whatever happens to the newest file, the run goes on from the one before, and is told', async () => {
  const checkpoints = await openCheckpoints<{ word: string }>(folder);
  await checkpoints.write(at(1));
  const newest = await checkpoints.write(at(2));
  const bytes = await readFile(newest);
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (cut, place, flip) => {
      const spoiled = cut ? bytes.subarray(0, place) : Buffer.from(bytes);
      if (!cut) spoiled[place] = (spoiled[place] ?? 0) ^ flip;
      await writeFile(newest, spoiled);
      const found = await (await openCheckpoints(folder)).read(fingerprint);
      expect(found?.checkpoint).toEqual(at(1));
      expect(found?.passedOver.join()).toContain(newest);
    }),
    { numRuns: 40 },
  );
});

test('a folder of nothing but damaged checkpoints is refused rather than begun anew', async () => {
  const file = await (await openCheckpoints(folder)).write(at(1));
  await writeFile(file, 'spoiled');
  await expect((await openCheckpoints(folder)).read(fingerprint)).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    detail: `${file} is cut off, or is not a checkpoint`,
  });
});

test('after going on from the older file the next write does not touch it', async () => {
  const checkpoints = await openCheckpoints(folder);
  const kept = await checkpoints.write(at(1));
  await writeFile(await checkpoints.write(at(2)), 'spoiled');
  const again = await openCheckpoints(folder);
  await again.read(fingerprint);
  expect(await again.write(at(2))).not.toBe(kept);
});

test('a checkpoint of another run is refused with what differs', async () => {
  await (await openCheckpoints(folder)).write(at(1));
  await expect((await openCheckpoints(folder)).read({ rate: 0.2, seed: 1, batch: 4 })).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    detail: expect.stringMatching(/is of another run: its rate was 0.1 and is 0.2; its batch was not there and is 4$/) as string,
  });
});

test('what a crash left of an unfinished write is cleared away', async () => {
  await writeFile(path.join(folder, '.a.checkpoint.0123.tmp'), 'half');
  await openCheckpoints(folder);
  expect(await readdir(folder)).toEqual([]);
});
