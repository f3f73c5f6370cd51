import { writeFile } from 'node:fs/promises';

import { writeModel } from '../../onnx/model-file.ts';
import { readExampleArguments, showProgress, type ExampleContext } from '../command.ts';
import { loadDigits } from './data.ts';
import { judgeDigits, trainDigits, usualEpochs } from './train.ts';

export const description = 'handwritten digits, real ones: a small convolutional network, trained in well under a minute';

export async function run(args: readonly string[], { say, signal }: ExampleContext): Promise<void> {
  const { seed, epochs, threads, out, checkpoint } = readExampleArguments(args, usualEpochs);
  const { train, test } = await loadDigits();
  say(`${train.count} digits to learn from, ${test.count} to judge by`);
  const began = performance.now();
  const { model, digest } = await trainDigits({
    // The thread that prepares batches loads the module of that name.
    source: { module: new URL('source.js', import.meta.url), settings: {} },
    seed,
    epochs,
    threads,
    signal,
    ...(checkpoint === undefined ? {} : { checkpoint: { folder: checkpoint } }),
    onProgress: showProgress(say),
  });
  const { accuracy, ece } = await judgeDigits(model, test, threads);
  say(`trained in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  say(`${(100 * accuracy).toFixed(2)} % of the test digits are right; confidence is off by ${(100 * ece).toFixed(1)} points on average`);
  say(`weights ${digest}`);
  if (out !== undefined) {
    await writeFile(out, writeModel(model));
    say(`wrote ${out}`);
  }
}
