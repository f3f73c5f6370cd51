import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, type Model } from '../onnx/graph.ts';
import { fit, rateAt } from './fit.ts';
import { heNormal, zeros } from './initialise.ts';
import { openTrainer, type Trainer } from './trainer.ts';
import { weightDigest, withWeights } from './weights.ts';

const batch = 16;
const trainable = ['w1', 'b1', 'w2', 'b2'];

function twoLayers(seed: number): Model {
  const random = seededRandom(seed);
  const builder = createGraphBuilder('two layers');
  const x = builder.input('x', 'float32', ['N', 2]);
  builder.constant(heNormal(random, [2, 16], 2), 'w1');
  builder.constant(zeros([16]), 'b1');
  builder.constant(heNormal(random, [16, 2], 16), 'w2');
  builder.constant(zeros([2]), 'b2');
  const hidden = builder.add('Relu', [builder.add('Add', [builder.add('MatMul', [x, 'w1']), 'b1'])]);
  builder.add('Gemm', [hidden, 'w2', 'b2'], { transB: int(0) }, ['logits']);
  builder.output('logits', 'float32', ['N', 2]);
  return createModel(builder.finish());
}

/** Exclusive or of the signs: no linear model solves it. */
async function trainXor(seed: number, threads: number, signal?: AbortSignal) {
  const model = twoLayers(seed);
  const trainer = await openTrainer({ model, logits: 'logits', trainable, dimensions: { N: batch } }, threads);
  const losses: number[] = [];
  try {
    await fit({
      trainer,
      examples: 320,
      batch,
      epochs: 15,
      rate: 0.02,
      random: seededRandom(seed),
      signal,
      now: () => 0,
      fill: (indices) => {
        const inputs = new Float32Array(batch * 2);
        const targets = new Float32Array(batch * 2);
        indices.forEach((example, place) => {
          const random = seededRandom(example);
          const [a, b] = [random.between(-1, 1), random.between(-1, 1)];
          inputs.set([a, b], place * 2);
          targets[place * 2 + (a * b > 0 ? 1 : 0)] = 1;
        });
        return { feeds: { x: floats([batch, 2], inputs) }, targets };
      },
      onProgress: ({ loss }) => losses.push(loss),
    });
    return { losses, digest: await weightDigest(withWeights(model, trainer.weights())) };
  } finally {
    await trainer.close();
  }
}

test('training learns', async () => {
  const { losses } = await trainXor(1, 1);
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 3);
});

test('the same seed gives the same weights whatever the number of threads, another seed others', async () => {
  const { digest } = await trainXor(1, 1);
  expect((await trainXor(1, 1)).digest).toBe(digest);
  expect((await trainXor(1, 2)).digest).toBe(digest);
  expect((await trainXor(2, 1)).digest).not.toBe(digest);
});

test('a training that is cancelled stops at the next step', async () => {
  const cancel = new AbortController();
  let steps = 0;
  const trainer: Trainer = {
    step: async () => {
      steps += 1;
      if (steps === 3) cancel.abort();
      return 1;
    },
    weights: () => new Map(),
    close: async () => {},
  };
  const running = fit({
    trainer,
    examples: 100,
    batch: 10,
    epochs: 10,
    rate: 1,
    random: seededRandom(1),
    signal: cancel.signal,
    now: () => 0,
    fill: () => ({ feeds: {}, targets: new Float32Array() }),
  });
  await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(steps).toBe(3);
});

test('a cancellation from outside arrives while steps run', async () => {
  const cancel = new AbortController();
  setImmediate(() => cancel.abort());
  await expect(trainXor(1, 1, cancel.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('a loss that is not finite stops the training', async () => {
  const trainer = await openTrainer({ model: twoLayers(1), logits: 'logits', trainable, dimensions: { N: batch } });
  const feeds = { x: floats([batch, 2], new Float32Array(batch * 2).fill(1)) };
  const targets = new Float32Array(batch * 2).fill(0.5);
  await trainer.step(feeds, targets, 1e38);
  await expect(trainer.step(feeds, targets, 1e38)).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
  await trainer.close();
});

test('an Adam step moves every weight by the rate against its gradient', async () => {
  const model = twoLayers(1);
  const trainer = await openTrainer({ model, logits: 'logits', trainable, dimensions: { N: batch } });
  const targets = new Float32Array(batch * 2);
  for (let row = 0; row < batch; row += 1) targets[row * 2] = 1;
  await trainer.step({ x: floats([batch, 2], new Float32Array(batch * 2)) }, targets, 0.01);
  const bias = trainer.weights().get('b2');
  // The first step has length `rate` whatever the size of the gradient.
  expect(bias?.data[0]).toBeCloseTo(0.01, 5);
  expect(bias?.data[1]).toBeCloseTo(-0.01, 5);
  await trainer.close();
});

test('too few examples for one batch are refused', async () => {
  const trainer = { step: async () => 0, weights: () => new Map(), close: async () => {} };
  const running = fit({
    trainer,
    examples: 3,
    batch: 4,
    epochs: 1,
    rate: 1,
    random: seededRandom(1),
    now: () => 0,
    fill: () => ({ feeds: {}, targets: new Float32Array() }),
  });
  await expect(running).rejects.toMatchObject({ code: 'TRAINING_DATA_INSUFFICIENT' });
});

test('the learning rate rises, peaks and ends near zero', () => {
  const rates = Array.from({ length: 100 }, (_, index) => rateAt(index + 1, 100, 1));
  expect(rates[0]).toBeCloseTo(0.2);
  expect(Math.max(...rates)).toBe(1);
  expect(rates.at(-1)).toBeCloseTo(0);
});

test('operators and weights that cannot be trained are named', async () => {
  const builder = createGraphBuilder('odd');
  const x = builder.input('x', 'float32', ['N', 2]);
  builder.constant(zeros([2]), 'w');
  builder.add('Mod', [builder.add('Mul', [x, 'w']), 'w'], {}, ['logits']);
  builder.output('logits', 'float32', ['N', 2]);
  const model = createModel(builder.finish());
  await expect(openTrainer({ model, logits: 'logits', trainable: ['w'], dimensions: { N: 1 } })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  await expect(openTrainer({ model: twoLayers(1), logits: 'logits', trainable: ['w9'], dimensions: { N: 1 } })).rejects.toMatchObject({
    code: 'MODEL_INVALID',
  });
});
