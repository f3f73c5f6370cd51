import { writeFile } from 'node:fs/promises';
import { seededRandom } from '@serin/inference/random';

import { measure, valueOn } from '../../evaluate/measure.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { readExampleArguments, showProgress, type ExampleContext } from '../command.ts';
import { loadDigits } from './data.ts';
import { judgeDigits, quantiseDigits, trainDigits, usualEpochs } from './train.ts';

export const description = 'handwritten digits, real ones: a small convolutional network, trained in well under a minute';

const repeats = 300;

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
  say(`trained in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  const measured = await measure(await judgeDigits(model, test, threads), { random: seededRandom(seed).fork('intervals'), repeats });
  const percentOf = (name: string): string => {
    const { value, low, high } = measured.metrics.find((metric) => metric.name === name)?.estimate ?? { value: NaN, low: NaN, high: NaN };
    return `${(100 * value).toFixed(2)} % (${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)})`;
  };
  say(`right are ${percentOf('accuracy')} of the test digits; confidence is off by ${percentOf('ece')} on average`);
  const { files, made } = await quantiseDigits(model, train, seed, threads);
  for (const { variant, bytes, time, leftOut } of made) {
    const file = files.get(variant);
    if (file === undefined) {
      say(leftOut ?? `there is no ${variant}`);
      continue;
    }
    const right = valueOn(await judgeDigits(readModel(file), test, threads), 'accuracy');
    const faster = time === undefined ? '' : `, ${(1 / time.value).toFixed(2)} times as fast`;
    say(`${variant}: ${bytes} bytes, ${(100 * right).toFixed(2)} % right${faster}`);
  }
  say(`weights ${digest}`);
  if (out !== undefined) {
    await writeFile(out, writeModel(model));
    say(`wrote ${out}`);
  }
}
