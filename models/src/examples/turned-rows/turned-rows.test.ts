import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import type { Model } from '../../onnx/graph.ts';
import { prepareImported } from '../../train/fine-tune.ts';
import { loadDigits } from '../digits/data.ts';
import { drawRows, rowSource } from './data.ts';
import { judgeRows, openAngleClassifier, trainRows } from './train.ts';

const data = (model: Model, name: string): ArrayLike<number> => (model.graph.initialisers.get(name)?.data ?? []) as Float32Array;

test('a model made elsewhere learns what it was not made for, as far as it may', async () => {
  const sets = await loadDigits();
  const { images, labels } = drawRows(sets.test, 120, seededRandom('test'));
  const imported = await openAngleClassifier();
  const before = await judgeRows(imported, images, labels);

  const losses: number[] = [];
  const onProgress = ({ loss }: { loss: number }): void => void losses.push(loss);
  const short = { source: rowSource(sets.train, 24 * 16), batch: 16, epochs: 1, seed: 1, rate: 2e-3, reportEvery: 8, reportEveryMs: Infinity, onProgress };
  const { model } = await trainRows(short);
  const after = await judgeRows(model, images, labels);
  expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
  expect(after.accuracy).toBeGreaterThan(before.accuracy);

  const origin = await prepareImported(imported);
  expect(data(model, 'conv2d_51.w_0')).not.toEqual(data(origin, 'conv2d_51.w_0'));
  // Statistics of normalisation are not weights.
  expect(data(model, 'batch_norm_33.w_2')).toEqual(data(origin, 'batch_norm_33.w_2'));

  const { model: onlyHead } = await trainRows({ ...short, source: rowSource(sets.train, 4 * 16), trainable: 'head' });
  expect(data(onlyHead, 'conv2d_51.w_0')).toEqual(data(origin, 'conv2d_51.w_0'));
  expect(data(onlyHead, 'head/dense1.weight')).not.toEqual([]);
});

test('what cannot be fine-tuned says why', async () => {
  const options = { source: { examples: 32, fill: () => ({ feeds: {}, targets: {} }) }, epochs: 1, seed: 1 };
  await expect(trainRows({ ...options, dimensions: {} })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    detail: 'dimension p2o.DynamicDimension.1 of x has no size',
  });
  await expect(trainRows({ ...options, head: { after: 'nowhere', define: () => undefined } })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    detail: expect.stringContaining('nowhere'),
    hint: expect.stringContaining('npm run onnx -- dump'),
  });
  await expect(trainRows({ ...options, trainable: () => false, head: { after: 'x', define: (nn, x) => nn.output('y', x) } })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
    detail: 'no weight is to learn',
  });
});
