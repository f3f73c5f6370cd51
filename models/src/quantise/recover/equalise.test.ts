import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom, type Random } from '@serin/inference/random';

import { floats, type Model, type Tensor } from '../../onnx/graph.ts';
import { runModel } from '../../onnx/session.ts';
import { defineModel, type Layers, type Value } from '../../train/layers.ts';
import { prepare } from '../prepare.ts';
import { equalise, findPairs, scaleChannels } from './equalise.ts';

const input = (random: Random, dims: readonly number[]): Tensor<'float32'> =>
  floats(
    dims,
    Array.from({ length: dims.reduce((count, dim) => count * dim, 1) }, () => random.normal()),
  );

const net = async (seed: number, define: (nn: Layers, x: Value) => Value): Promise<Model> => {
  const model = defineModel('net', seed, (nn) => nn.output('y', define(nn, nn.input('x', 'float32', [3, 6, 6]))));
  // Layers begin with biases of zero, which would hide a bias that is not scaled.
  const random = seededRandom(seed);
  const initialisers = new Map([...model.graph.initialisers].map(([name, tensor]) => [name, name.endsWith('.bias') ? input(random, tensor.dims) : tensor]));
  return (await prepare({ ...model, graph: { ...model.graph, initialisers } })).model;
};

const answer = async (model: Model, x: Tensor): Promise<number[]> => {
  const [first] = (await runModel(model, new Map([['x', x]]))).values();
  return Array.from(first?.data as Float32Array);
};

const close = (found: readonly number[], wanted: readonly number[]): void => {
  const largest = Math.max(...wanted.map(Math.abs));
  found.forEach((value, index) => expect(Math.abs(value - (wanted[index] ?? Number.NaN))).toBeLessThanOrEqual(largest * 1e-4));
};

const activations: readonly ((nn: Layers, x: Value) => Value)[] = [(nn, x) => nn.relu(x), (nn, x) => nn.leakyRelu(x, 0.2), (_, x) => x];

const bodies: Record<string, (nn: Layers, x: Value, act: (x: Value) => Value) => Value> = {
  'a plain and a depthwise convolution': (nn, x, act) => nn.conv(act(nn.depthwise(act(nn.conv(x, 4, { kernel: 1 })))), 2),
  'convolutions in groups': (nn, x, act) => nn.conv(act(nn.conv(act(nn.conv(x, 4)), 6, { groups: 2 })), 2, { bias: false }),
  'a pool between': (nn, x, act) => nn.conv(nn.maxPool(act(nn.conv(x, 4)), 2), 2),
  'a flattened picture': (nn, x, act) => nn.dense(act(nn.dense(nn.flatten(nn.averagePool(act(nn.conv(x, 4)), 2)), 5)), 2),
  'a global pool': (nn, x, act) => nn.dense(nn.flatten(nn.globalAveragePool(act(nn.conv(x, 4, { bias: false })))), 2),
};

for (const [what, body] of Object.entries(bodies)) {
  test(`scaling the channels between layers changes no answer: ${what}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.constantFrom(...activations), async (seed, activation) => {
        const model = await net(seed, (nn, x) => body(nn, x, (value) => activation(nn, value)));
        const random = seededRandom(seed).fork('factors');
        const pairs = findPairs(model);
        expect(pairs.length).toBe(model.graph.nodes.filter(({ operator }) => operator === 'Conv' || operator === 'Gemm').length - 1);
        const scaled = pairs.reduce(
          (current, pair) =>
            scaleChannels(
              current,
              pair,
              Array.from({ length: pair.channels }, () => 2 ** random.between(-6, 6)),
            ),
          model,
        );
        const x = input(random, [2, 3, 6, 6]);
        const wanted = await answer(model, x);
        close(await answer(scaled, x), wanted);
        close(await answer((await equalise(model, { batches: [{ x }] })).model, x), wanted);
      }),
      { numRuns: 6 },
    );
  });
}

test('what is not homogeneous, read twice, put out or of other weights is between no pair', async () => {
  const sigmoid = await net(1, (nn, x) => nn.conv(nn.sigmoid(nn.conv(x, 4)), 2));
  const twice = await net(1, (nn, x) => {
    const value = nn.relu(nn.conv(x, 4));
    return nn.add(nn.conv(value, 2), nn.conv(value, 2));
  });
  const out = await net(1, (nn, x) => {
    const value = nn.relu(nn.conv(x, 4));
    nn.output('features', value);
    return nn.conv(value, 2);
  });
  for (const model of [sigmoid, twice, out]) expect(findPairs(model)).toEqual([]);
});

test('one weight in two layers is scaled where it is meant alone', async () => {
  const model = await net(1, (nn, x) => nn.conv(nn.relu(nn.conv(nn.relu(nn.conv(x, 3, { name: 'a' })), 3)), 3, { name: 'b' }));
  const { graph } = model;
  const nodes = graph.nodes.map((node) => (node.name === 'b' ? { ...node, inputs: node.inputs.with(1, 'a.weight') } : node));
  const shared = { ...model, graph: { ...graph, nodes } };
  const x = input(seededRandom(1), [2, 3, 6, 6]);
  close(await answer((await equalise(shared, { batches: [{ x }] })).model, x), await answer(shared, x));
});

const six = (nn: Layers, value: Value): Value => nn.apply('Clip', [value, nn.number(0), nn.number(6)]);

test('a bound that nothing reaches is dropped, one that is reached keeps its layers apart', async () => {
  const model = await net(1, (nn, x) => nn.conv(six(nn, nn.conv(x, 4)), 2));
  const [near, far] = [0.1, 30].map((size) => {
    const x = input(seededRandom(1), [2, 3, 6, 6]);
    return { ...x, data: x.data.map((value) => value * size) };
  });
  const equalised = await equalise(model, { batches: [{ x: near as Tensor }] });
  expect(equalised.pairs).toBe(1);
  expect(equalised.model.graph.nodes.map(({ operator }) => operator)).toEqual(['Conv', 'Relu', 'Conv']);
  close(await answer(equalised.model, near as Tensor), await answer(model, near as Tensor));

  const kept = await equalise(model, { batches: [{ x: far as Tensor }] });
  expect(kept).toMatchObject({ pairs: 0, model });
});

test('channels of very different sizes come out alike', async () => {
  const model = await net(1, (nn, x) => nn.conv(nn.relu(nn.depthwise(nn.relu(nn.conv(x, 8)))), 2));
  const uneven = findPairs(model).reduce(
    (current, pair) =>
      scaleChannels(
        current,
        pair,
        Array.from({ length: pair.channels }, (_, channel) => 4 ** (channel - 4)),
      ),
    model,
  );
  const { spread, pairs } = await equalise(uneven, { batches: [{ x: input(seededRandom(1), [8, 3, 6, 6]) }] });
  expect(pairs).toBe(2);
  expect(spread.before).toBeGreaterThan(30);
  expect(spread.after).toBeLessThan(4);
});
