import { describe, expect, test } from 'vitest';

import { floats, int, type Model, type Tensor } from '../onnx/graph.ts';
import { defineModel, learningWeights } from './layers.ts';
import { mse, softmaxCrossEntropy, type Loss } from './losses.ts';
import { sgd } from './optimiser.ts';
import { openTrainer } from './trainer.ts';
import { createTrainingGraph, type TrainingGraphOptions } from './training-graph.ts';

const optionsFor = (model: Model, loss: Loss): TrainingGraphOptions => ({
  model,
  loss,
  trainable: learningWeights(model),
  dimensions: { N: 4 },
  optimiser: sgd({ momentum: 0 }),
});

const withTail = (): Model =>
  defineModel('tail', 1, (nn) => {
    const logits = nn.named('logits', nn.dense(nn.input('x', 'float32', [3]), 2));
    nn.output('probabilities', nn.softmax(logits));
  });

test('what only the deployed model needs is not part of a step', () => {
  const { model } = createTrainingGraph(optionsFor(withTail(), softmaxCrossEntropy({ logits: 'logits' })));
  expect(model.graph.nodes.map(({ operator }) => operator)).not.toContain('Softmax');
});

test('a step asks for the inputs its loss needs and no others', () => {
  const model = defineModel('two inputs', 1, (nn) => {
    nn.output('logits', nn.dense(nn.input('x', 'float32', [3]), 2));
    nn.output('other', nn.relu(nn.input('y', 'float32', [3])));
  });
  const { batch } = createTrainingGraph(optionsFor(model, softmaxCrossEntropy({ logits: 'logits' })));
  expect(batch.map(({ name }) => name)).toEqual(['x', 'targets']);
});

test('a model may call its own values what a step calls its own, and what a loss calls its targets', async () => {
  const names = ['train:weights', 'train:rate', 'train:report.loss', 'split', 'reshape', 'targets', 'loss', 'constant'];
  const model = defineModel('names', 1, (nn) => {
    let x = nn.dense(nn.input('x', 'float32', [3]), 2);
    for (const name of names) x = nn.named(name, nn.relu(x));
    nn.output('logits', x);
  });
  const trainer = await openTrainer(optionsFor(model, softmaxCrossEntropy({ logits: 'logits' })));
  const step = { feeds: { x: floats([4, 3], new Float32Array(12)) }, targets: { targets: floats([4, 2], [1, 0, 1, 0, 1, 0, 1, 0]) } };
  expect((await trainer.step(step, { rate: 0.1, correction: 1 })).loss).toBeCloseTo(Math.log(2));
  await trainer.close();
});

test('a model can learn its own input', () => {
  const model = defineModel('encoder', 1, (nn) => {
    const x = nn.input('x', 'float32', [3]);
    nn.output('again', nn.dense(nn.dense(x, 2), 3));
  });
  const { batch } = createTrainingGraph(optionsFor(model, mse({ prediction: 'again', targets: 'x' })));
  expect(batch.map(({ name }) => name)).toEqual(['x']);
});

test.each<[string, () => TrainingGraphOptions, RegExp]>([
  ['a value the model does not have', () => optionsFor(withTail(), softmaxCrossEntropy({ logits: 'logit' })), /no value logit; it has probabilities, logits/],
  [
    'a dimension without a size',
    () => ({ ...optionsFor(withTail(), softmaxCrossEntropy({ logits: 'logits' })), dimensions: {} }),
    /dimension 0 of the input x, called "N", has no size/,
  ],
  ['a weight it does not have', () => ({ ...optionsFor(withTail(), softmaxCrossEntropy({ logits: 'logits' })), trainable: ['w'] }), /no weight w/],
  [
    'an opset whose operators meant something else',
    () => optionsFor({ ...withTail(), opsets: { '': 11 } }, softmaxCrossEntropy({ logits: 'logits' })),
    /opset 11; training wants 13 or later/,
  ],
  ['nothing to learn', () => ({ ...optionsFor(withTail(), softmaxCrossEntropy({ logits: 'logits' })), trainable: [] }), /no weight is to learn/],
])('%s is refused with what is there', (_, options, message) => {
  expect(() => createTrainingGraph(options())).toThrow(message);
});

test('one target of two shapes is refused', () => {
  const model = defineModel('two', 1, (nn) => {
    const x = nn.input('x', 'float32', [3]);
    nn.output('a', nn.dense(x, 2));
    nn.output('b', nn.dense(x, 3));
  });
  const both: Loss = (context) => context.tape.add('Add', [mse({ prediction: 'a' })(context), mse({ prediction: 'b' })(context)]);
  expect(() => createTrainingGraph(optionsFor(model, both))).toThrow(/targets as float32 \[4,3\] and as float32 \[4,2\]/);
});

describe('shapes of a batch that do not fit are named, with the layer they go with', () => {
  const x = floats([4, 3], new Float32Array(12));
  const targets = floats([4, 2], new Float32Array(8));
  test.each<[string, Record<string, Tensor>, Record<string, Tensor>, string]>([
    ['none', {}, { targets }, 'the batch has nothing for x; it brings targets; the network wants float32 [4, 3]'],
    ['another shape', { x }, { targets: x }, 'the batch has float32 [4, 3] for targets; the loss compares it with logits and wants float32 [4, 2]'],
    ['another type', { x: { type: 'uint8', dims: [4, 3], data: new Uint8Array(12) } }, { targets }, 'the batch has uint8 [4, 3] for x'],
    ['another length', { x: floats([4, 3], []) }, { targets }, 'the batch has 0 numbers for x and says they are [4, 3]'],
  ])('%s', async (_, feeds, wanted, message) => {
    const trainer = await openTrainer(optionsFor(withTail(), softmaxCrossEntropy({ logits: 'logits' })));
    await expect(trainer.step({ feeds, targets: wanted }, { rate: 1, correction: 1 })).rejects.toMatchObject({
      code: 'TRAINING_DATA_INVALID',
      detail: expect.stringContaining(message) as string,
    });
    await trainer.close();
  });
});

describe('batch normalisation', () => {
  const momentum = 0.75;
  const normalised = (): Model =>
    defineModel('normalised', 1, (nn) => nn.output('y', nn.batchNorm(nn.input('x', 'float32', [2, 1, 2]), { momentum, name: 'norm' })));
  const x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17];
  const batch = { feeds: { x: floats([4, 2, 1, 2], x) }, targets: { targets: floats([4, 2, 1, 2], new Float32Array(16)) } };
  const channel = (which: number): number[] => x.filter((_, index) => Math.floor(index / 2) % 2 === which);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = (values: readonly number[]): number => mean(values.map((value) => (value - mean(values)) ** 2));

  test('learns by the statistics of the batch, and the model keeps their running average', async () => {
    const trainer = await openTrainer(optionsFor(normalised(), mse({ prediction: 'y' })));
    const { loss } = await trainer.step(batch, { rate: 0, correction: 1 });
    // Standardised values have a mean square of 1.
    expect(loss).toBeCloseTo(1, 4);
    const kept = trainer.weights();
    [0, 1].forEach((which) => {
      expect(kept.get('norm.mean')?.data[which]).toBeCloseTo((1 - momentum) * mean(channel(which)), 4);
      expect(kept.get('norm.variance')?.data[which]).toBeCloseTo(momentum + (1 - momentum) * variance(channel(which)), 4);
    });
    await trainer.close();
  });

  test('when frozen, uses and keeps the statistics it has', async () => {
    const trainer = await openTrainer({ ...optionsFor(normalised(), mse({ prediction: 'y' })), frozenNorms: true });
    const { loss } = await trainer.step(batch, { rate: 0, correction: 1 });
    expect(loss).toBeCloseTo(mean(x.map((value) => value ** 2)), 1);
    expect([...trainer.weights().keys()]).toEqual(['norm.scale', 'norm.shift']);
    await trainer.close();
  });

  test('used twice, mixes in both its statistics', async () => {
    const shared = normalised();
    const [node] = shared.graph.nodes.filter(({ operator }) => operator === 'BatchNormalization');
    const twin = { ...(node as NonNullable<typeof node>), name: 'twin', inputs: ['y', ...(node?.inputs.slice(1) ?? [])], outputs: ['z'] };
    const model: Model = { ...shared, graph: { ...shared.graph, nodes: [...shared.graph.nodes, twin] } };
    const trainer = await openTrainer(optionsFor(model, mse({ prediction: 'z' })));
    await trainer.step(batch, { rate: 0, correction: 1 });
    // The second has mean 0, so it only takes away from the first.
    expect(trainer.weights().get('norm.mean')?.data[0]).toBeCloseTo(momentum * (1 - momentum) * mean(channel(0)), 4);
    await trainer.close();
  });

  test('the average of the weights has an average of the statistics with it', async () => {
    const trainer = await openTrainer({ ...optionsFor(normalised(), mse({ prediction: 'y' })), averaged: true });
    await trainer.step(batch, { rate: 0, correction: 1, averaging: 0.5 });
    const [now, average] = [trainer.weights(), trainer.weights('average')];
    expect(average.get('norm.mean')?.data[0]).toBeCloseTo(Number(now.get('norm.mean')?.data[0]) / 2);
    await trainer.close();
  });
});

test('a loss of one number in another shape is reported as a number', async () => {
  const model = withTail();
  const kept: Loss = ({ tape, output }) => tape.add('ReduceSum', [output('logits')], { keepdims: int(1) });
  const trainer = await openTrainer(optionsFor(model, kept));
  const { loss } = await trainer.step({ feeds: { x: floats([4, 3], new Float32Array(12)) }, targets: {} }, { rate: 0, correction: 1 });
  expect(loss).toBe(0);
  await trainer.close();
});
