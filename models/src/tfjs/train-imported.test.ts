import type * as Layers from '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import type { BatchSource } from '../data/batch-source.ts';
import { floats, type Model } from '../onnx/graph.ts';
import { fineTune } from '../train/fine-tune.ts';
import { softmaxCrossEntropy } from '../train/losses.ts';
import { importNetwork, type ImportOptions } from './import-model.ts';
import { openTfjs, type Tfjs } from './runtime.ts';
import { mobileNetwork, textClassifier } from './testing/network-rows.ts';
import { filesOf, randomise, save } from './testing/saved.ts';

async function importBuilt(build: (tf: Tfjs) => Layers.LayersModel, options: ImportOptions = {}): Promise<Model> {
  const { tf } = await openTfjs();
  const model = build(tf);
  randomise(tf, model, seededRandom(7));
  const { network, weights } = filesOf(await save(tf, model));
  return importNetwork(network, weights, options).model;
}

/** Examples of two kinds, told apart by all of their values at once. */
function twoKinds(model: Model, size: number, classes: number, values: readonly [number, number]): BatchSource {
  const [input] = model.graph.inputs;
  const dims = (input?.dims ?? []).slice(1).map(Number);
  return {
    examples: 16,
    fill: (indices) => {
      const kinds = Array.from(indices, (index) => index % 2);
      const data = Float32Array.from({ length: kinds.length * size }, (_, place) => values[kinds[Math.floor(place / size)] === 0 ? 0 : 1]);
      const targets = Float32Array.from({ length: kinds.length * classes }, (_, place) => Number(place % classes === kinds[Math.floor(place / classes)]));
      return {
        feeds: { [input?.name ?? '']: { type: 'float32', dims: [kinds.length, ...dims], data } },
        targets: { targets: floats([kinds.length, classes], targets) },
      };
    },
  };
}

/** Trains the network from its scores on, without the softmax behind them. */
async function lossesOf(model: Model, source: BatchSource): Promise<number[]> {
  const scores = model.graph.nodes.findLast(({ operator }) => operator === 'Softmax')?.inputs[0] ?? '';
  const { history, model: trained } = await fineTune({
    model,
    head: { after: scores, define: (nn, features) => nn.output('logits', features) },
    trainable: (name) => !name.includes('constant') && !name.includes('moving'),
    loss: softmaxCrossEntropy({ logits: 'logits' }),
    source,
    batch: 8,
    epochs: 6,
    rate: 0.02,
    seed: 1,
  });
  const [name, before] = [...model.graph.initialisers].find(([key]) => key.endsWith('kernel')) ?? expect.unreachable();
  expect(trained.graph.initialisers.get(name)?.data).not.toEqual(before.data);
  return history.map(({ loss }) => loss);
}

test('a network of images that was imported learns further', async () => {
  const side = 16;
  const model = await importBuilt((tf) => mobileNetwork(tf, side, 4));
  const [first = 0, ...others] = await lossesOf(model, twoKinds(model, side * side * 3, 5, [20, 230]));
  expect(others.at(-1)).toBeLessThan(first);
});

test('so does one of words, once its recurrent layers are written step by step', async () => {
  const model = await importBuilt(textClassifier, { unroll: true });
  const [first = 0, ...others] = await lossesOf(model, twoKinds(model, 8, 3, [3, 40]));
  expect(others.at(-1)).toBeLessThan(first);
});
