import { fork } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { seededRandom, type Random } from '@serin/inference/random';

import type { Batch } from '../data/batch-source.ts';
import type { Model } from '../onnx/graph.ts';
import { mse } from './losses.ts';
import { sgd } from './optimiser.ts';
import { xorModel, xorOptions, xorSource } from './testing/xor.ts';
import { train, type TrainOptions, type TrainResult } from './train.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'serin-resume-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));
const freshFolder = (): Promise<string> => mkdtemp(path.join(root, 'run-'));

/** A number that depends on every bit of the model and goes up and down. */
const score = (model: Model): number => {
  let value = 0;
  for (const { data } of model.graph.initialisers.values()) for (const each of data as Float32Array) value = (value * 31 + Math.abs(each)) % 7;
  return value;
};

const options = (more: Partial<TrainOptions> = {}): TrainOptions => ({
  ...xorOptions(1),
  validate: { everySteps: 7, run: score, better: 'lower' },
  reportEvery: 1,
  ...more,
});

const stop = new Error('stopped here');
const stopAt =
  (step: number): NonNullable<TrainOptions['onProgress']> =>
  (progress) => {
    if (progress.step === step) throw stop;
  };

const essence = ({ digest, history, best, steps, stopped, examplesSeen }: TrainResult) => ({ digest, history, best, steps, stopped, examplesSeen });

describe('a run that is stopped and goes on', () => {
  let whole: TrainResult;
  beforeAll(async () => {
    whole = await train(options());
  });

  test('ends with the same weights, history and best, wherever it was stopped and how often it had written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 59 }), fc.integer({ min: 1, max: 20 }), fc.boolean(), async (step, everySteps, twice) => {
        const checkpoint = { folder: await freshFolder(), everySteps };
        const stops = twice ? [Math.ceil(step / 2), step] : [step];
        for (const at of stops) await expect(train(options({ checkpoint, onProgress: stopAt(at) }))).rejects.toBe(stop);
        const rest = await train(options({ checkpoint }));
        expect(essence(rest)).toEqual(essence(whole));
        if (step >= 2 * everySteps) expect(rest.resumedFrom).toBeGreaterThanOrEqual(step - 2 * everySteps);
      }),
      { numRuns: 15 },
    );
  });

  test('ends the same with batches from a thread of their own', async () => {
    const checkpoint = { folder: await freshFolder(), everySteps: 5 };
    const source = { module: new URL('testing/xor.ts', import.meta.url), settings: {} };
    await expect(train(options({ source, checkpoint, onProgress: stopAt(33) }))).rejects.toBe(stop);
    expect(essence(await train(options({ source, checkpoint })))).toEqual(essence(whole));
  });

  test('is spent where it would have been', async () => {
    const validate = { everySteps: 3, run: score, better: 'lower', patience: 3 } as const;
    const spent = await train(options({ validate }));
    const checkpoint = { folder: await freshFolder(), everySteps: 4 };
    await expect(train(options({ validate, checkpoint, onProgress: stopAt(spent.steps - 1) }))).rejects.toBe(stop);
    const rest = await train(options({ validate, checkpoint }));
    expect(rest.stopped).toBe('early');
    expect(essence(rest)).toEqual(essence(spent));
  });

  test('goes on from the checkpoint before where the newest is damaged', async () => {
    const folder = await freshFolder();
    const checkpoint = { folder, everySteps: 10 };
    await expect(train(options({ checkpoint, onProgress: stopAt(45) }))).rejects.toBe(stop);
    expect(await readdir(folder)).toHaveLength(2);
    let newest = { file: '', step: 0 };
    const note: TrainOptions['onProgress'] = (progress) => {
      newest = progress.checkpoint ?? newest;
      throw stop;
    };
    await expect(train(options({ checkpoint, onProgress: note }))).rejects.toBe(stop);
    expect(newest.step).toBe(40);
    await writeFile(newest.file, 'spoiled');
    const rest = await train(options({ checkpoint }));
    expect(rest.resumedFrom).toBe(30);
    expect(rest.passedOver).toEqual([`${newest.file} is cut off, or is not a checkpoint`]);
    expect(rest.digest).toBe(whole.digest);
  });

  test('has nothing left to do at its end, and gives the same again', async () => {
    const checkpoint = { folder: await freshFolder(), everySteps: 1 };
    await train(options({ checkpoint }));
    const again = await train(options({ checkpoint }));
    expect(again.resumedFrom).toBe(60);
    expect(essence(again)).toEqual(essence(whole));
  });

  test('counts the seconds of all its parts', async () => {
    const checkpoint = { folder: await freshFolder(), everySteps: 10 };
    let time = 0;
    const now = (): number => (time += 100);
    await expect(train(options({ checkpoint, now, onProgress: stopAt(30) }))).rejects.toBe(stop);
    const before = time / 1000;
    time = 0;
    const { seconds } = await train(options({ checkpoint, now }));
    expect(seconds).toBeGreaterThan(time / 1000);
    expect(seconds).toBeLessThan(time / 1000 + before);
  });
});

test('a run whose numbers leave the finite names the last good checkpoint', async () => {
  const checkpoint = { folder: await freshFolder(), everySteps: 5 };
  const { fill, ...source } = xorSource();
  let made = 0;
  const torn = (indices: Int32Array, random: Random): Batch => {
    const batch = fill(indices, random) as Batch;
    made += 1;
    if (made === 13) batch.feeds['x']?.data.fill(Number.NaN as never, 0, 1);
    return batch;
  };
  const failing = train(options({ source: { ...source, fill: torn }, checkpoint }));
  await expect(failing).rejects.toMatchObject({
    code: 'TRAINING_DIVERGED',
    detail: expect.stringMatching(/at step 13: the input x of example \d+ .*; the last good checkpoint is .*\.checkpoint of step (5|10)$/) as string,
  });
});

test.each<[string, Partial<TrainOptions>, RegExp]>([
  ['rate', { rate: 0.03 }, /its rate was 0.02 and is 0.03/],
  ['seed', { seed: 2 }, /its seed was 1 and is 2/],
  ['length', { epochs: 7 }, /its number of steps was 60 and is 70; its schedule was/],
  ['first weights', { model: xorModel(2) }, /: its first weights was [0-9a-f]+ and is [0-9a-f]+$/],
  ['loss', { loss: mse({ prediction: 'logits' }) }, /: its network, loss and optimiser was [0-9a-f]+ and is [0-9a-f]+$/],
  ['optimiser', { optimiser: sgd() }, /its state vectors was weights/],
  ['schedule', { schedule: () => 1 }, /: its schedule was [0-9a-f]+ and is [0-9a-f]+$/],
  ['data', { dataDigest: 'abc' }, /: its data was not said and is abc$/],
])('a run of another %s does not go on from the checkpoint', async (_, other, message) => {
  const checkpoint = { folder: await freshFolder(), everySteps: 2 };
  await expect(train(options({ checkpoint, onProgress: stopAt(9) }))).rejects.toBe(stop);
  await expect(train(options({ checkpoint, ...other }))).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    detail: expect.stringMatching(message) as string,
  });
});

const program = fileURLToPath(new URL('../../dist/train/testing/killed-run.js', import.meta.url));

/** Runs the program in a process of its own, which is killed once it tells of the step; its digest if it gets to the end. */
function runProcess(folder: string, epochs: number, killAfterSteps: number): Promise<string | undefined> {
  const child = fork(program, [folder, String(epochs)], { execArgv: [] });
  let digest: string | undefined;
  let told = 0;
  return new Promise((resolve, reject) => {
    child.on('message', (message: { step?: number; digest?: string }) => {
      digest = message.digest ?? digest;
      told += 1;
      if (told === killAfterSteps) child.kill('SIGKILL');
    });
    child.once('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve(digest);
      else reject(new Error(`the process ended with ${code ?? signal}`));
    });
  });
}

test('a process that is killed over and over ends with the weights of one that never was', async () => {
  const epochs = 20;
  const undisturbed = await runProcess(await freshFolder(), epochs, Infinity);
  expect(undisturbed).toBeDefined();
  const random = seededRandom(7);
  for (let round = 0; round < 2; round += 1) {
    const folder = await freshFolder();
    let digest: string | undefined;
    let kills = 0;
    while (digest === undefined) {
      digest = await runProcess(folder, epochs, kills < 4 ? 1 + random.integer(60) : Infinity);
      kills += 1;
    }
    expect(kills).toBeGreaterThan(1);
    expect(digest).toBe(undisturbed);
  }
});
