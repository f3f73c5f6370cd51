import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import type { BatchSource } from '../data/batch-source.ts';
import { floats, type Model } from '../onnx/graph.ts';
import { defineModel, learningWeights } from './layers.ts';
import { softmaxCrossEntropy } from './losses.ts';
import { adam, type Optimiser } from './optimiser.ts';
import { warmUpCosine } from './schedule.ts';
import { train, type TrainOptions } from './train.ts';
import { openTrainer } from './trainer.ts';
import { weightDigest } from './weights.ts';

const batch = 32;

const twoLayers = (seed: number): Model =>
  defineModel('two layers', seed, (nn) => {
    const hidden = nn.relu(nn.dense(nn.input('x', 'float32', [2]), 16));
    nn.output('logits', nn.dense(hidden, 2));
  });

/** Exclusive or of the signs: no linear model solves it. */
const xorSource: BatchSource = {
  examples: 320,
  fill: (indices) => {
    const inputs = new Float32Array(batch * 2);
    const targets = new Float32Array(batch * 2);
    indices.forEach((example, place) => {
      const random = seededRandom(example);
      const [a, b] = [random.between(-1, 1), random.between(-1, 1)];
      inputs.set([a, b], place * 2);
      targets[place * 2 + (a * b > 0 ? 1 : 0)] = 1;
    });
    return { feeds: { x: floats([batch, 2], inputs) }, targets: { targets: floats([batch, 2], targets) } };
  },
};

async function trainXor(seed: number, settings: Partial<TrainOptions> = {}) {
  const losses: number[] = [];
  const { model } = await train({
    model: twoLayers(seed),
    loss: softmaxCrossEntropy({ logits: 'logits' }),
    source: xorSource,
    batch,
    epochs: 15,
    rate: 0.02,
    seed,
    now: () => 0,
    onProgress: ({ loss }) => losses.push(loss),
    ...settings,
  });
  return { losses, digest: await weightDigest(model) };
}

test('training learns', async () => {
  const { losses } = await trainXor(1);
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 3);
});

test('the same seed gives the same weights whatever the number of threads, another seed others', async () => {
  const { digest } = await trainXor(1);
  expect((await trainXor(1)).digest).toBe(digest);
  expect((await trainXor(1, { threads: 2 })).digest).toBe(digest);
  expect((await trainXor(2)).digest).not.toBe(digest);
});

test('a cancellation from outside arrives while steps run', async () => {
  const cancel = new AbortController();
  setImmediate(() => cancel.abort());
  await expect(trainXor(1, { signal: cancel.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('an Adam step moves every weight by the rate against its gradient', async () => {
  const model = twoLayers(1);
  const optimiser: Optimiser = adam();
  const trainer = await openTrainer({
    model,
    loss: softmaxCrossEntropy({ logits: 'logits' }),
    trainable: learningWeights(model),
    dimensions: { N: batch },
    optimiser,
  });
  const targets = new Float32Array(batch * 2);
  for (let row = 0; row < batch; row += 1) targets[row * 2] = 1;
  const example = { feeds: { x: floats([batch, 2], new Float32Array(batch * 2)) }, targets: { targets: floats([batch, 2], targets) } };
  await trainer.step(example, { rate: 0.01, correction: optimiser.correction(1) });
  const bias = trainer.weights().get('dense2.bias');
  // The first step has length `rate` whatever the size of the gradient.
  expect(bias?.data[0]).toBeCloseTo(0.01, 5);
  expect(bias?.data[1]).toBeCloseTo(-0.01, 5);
  await trainer.close();
});

test('too few examples for one batch are refused', async () => {
  await expect(trainXor(1, { source: { ...xorSource, examples: 3 } })).rejects.toMatchObject({ code: 'TRAINING_DATA_INSUFFICIENT' });
});

test('the learning rate rises, peaks and ends near zero', () => {
  const rates = Array.from({ length: 100 }, (_, index) => warmUpCosine()(index + 1, 100));
  expect(rates[0]).toBeCloseTo(0.2);
  expect(Math.max(...rates)).toBe(1);
  expect(rates.at(-1)).toBeCloseTo(0);
});
