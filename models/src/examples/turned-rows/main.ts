import { writeFile } from 'node:fs/promises';
import { seededRandom } from '@serin/inference/random';

import { writeModel } from '../../onnx/model-file.ts';
import { readExampleArguments, showProgress, type ExampleContext } from '../command.ts';
import { loadDigits } from '../digits/data.ts';
import { drawRows } from './data.ts';
import { judgeRows, openAngleClassifier, trainRows } from './train.ts';

export const description = 'fine-tunes an imported model: a classifier of printed text learns which way up rows of handwriting are';

const usualEpochs = 4;
const rows = 1280;
const testRows = 500;

export async function run(args: readonly string[], { say, signal }: ExampleContext): Promise<void> {
  const { seed, epochs, threads, out, checkpoint } = readExampleArguments(args, usualEpochs);
  const { test } = await loadDigits();
  const { images, labels } = drawRows(test, testRows, seededRandom('test rows'));
  const before = await judgeRows(await openAngleClassifier(), images, labels, threads);
  say(`as it was imported, it is right on ${(100 * before.accuracy).toFixed(1)} % of ${testRows} rows of handwriting`);
  const { model, seconds } = await trainRows({
    // The thread that prepares batches loads the module of that name.
    source: { module: new URL('data.js', import.meta.url), settings: { rows } },
    seed,
    epochs,
    threads,
    signal,
    ...(checkpoint === undefined ? {} : { checkpoint: { folder: checkpoint } }),
    onProgress: showProgress(say),
  });
  const after = await judgeRows(model, images, labels, threads);
  say(`fine-tuned for ${seconds.toFixed(0)} s, it is right on ${(100 * after.accuracy).toFixed(1)} %`);
  if (out === undefined) return;
  await writeFile(out, writeModel(model));
  say(`wrote ${out}`);
}
