import fc from 'fast-check';
import { expect, test } from 'vitest';

import { elementCount, type Model } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { defineModel, learningWeights, type Layers, type Value } from './layers.ts';
import { weightDigest } from './weights.ts';

async function runOn(model: Model, count: number): Promise<{ dims: readonly number[]; data: Float32Array }> {
  const session = await openSession(writeModel(model));
  try {
    const [input] = model.graph.inputs;
    const dims = (input?.dims ?? []).map((dim) => (typeof dim === 'number' ? dim : count));
    const data = Float32Array.from({ length: elementCount(dims) }, (_, index) => Math.sin(index));
    const tensor =
      input?.type === 'uint8'
        ? runtimeTensor(
            'uint8',
            Uint8Array.from(data, (value) => 128 + 100 * value),
            dims,
          )
        : runtimeTensor('float32', data, dims);
    const { y } = await session.run({ x: tensor });
    return { dims: y?.dims ?? [], data: y?.data as Float32Array };
  } finally {
    await session.release();
  }
}

const onPlanes = (define: (nn: Layers, x: Value) => Value): Model =>
  defineModel('one layer', 3, (nn) => nn.output('y', define(nn, nn.input('x', 'float32', [4, 6, 6]))));

const planes: Record<string, (nn: Layers, x: Value) => Value> = {
  conv: (nn, x) => nn.conv(x, 5),
  'conv with stride and dilation': (nn, x) => nn.conv(x, 5, { stride: 2, dilation: 2, groups: 1, kernel: 3 }),
  'grouped conv': (nn, x) => nn.conv(x, 6, { groups: 2, bias: false }),
  depthwise: (nn, x) => nn.depthwise(x),
  convTranspose: (nn, x) => nn.convTranspose(x, 3),
  batchNorm: (nn, x) => nn.batchNorm(x),
  layerNorm: (nn, x) => nn.layerNorm(x),
  relu: (nn, x) => nn.relu(x),
  leakyRelu: (nn, x) => nn.leakyRelu(x),
  hardSwish: (nn, x) => nn.hardSwish(x),
  gelu: (nn, x) => nn.gelu(x),
  sigmoid: (nn, x) => nn.sigmoid(x),
  tanh: (nn, x) => nn.tanh(x),
  softmax: (nn, x) => nn.softmax(x),
  maxPool: (nn, x) => nn.maxPool(x, 2),
  'overlapping maxPool': (nn, x) => nn.maxPool(x, 3, { stride: 1, pad: 1 }),
  averagePool: (nn, x) => nn.averagePool(x, 3, { stride: 2 }),
  globalAveragePool: (nn, x) => nn.globalAveragePool(x),
  upsample: (nn, x) => nn.upsample(x),
  concat: (nn, x) => nn.concat([x, nn.relu(x)]),
  reshape: (nn, x) => nn.reshape(x, [6, 24]),
  transpose: (nn, x) => nn.transpose(x, [0, 2, 3, 1]),
  'dense of a flat value': (nn, x) => nn.dense(nn.flatten(x), 7),
  'dense over the last axis': (nn, x) => nn.dense(x, 7),
  arithmetic: (nn, x) => nn.divide(nn.subtract(nn.multiply(x, nn.number(3)), x), nn.add(nn.sigmoid(x), nn.number(1))),
};

test.each(Object.keys(planes))('%s has the shape it says, for any batch', async (name) => {
  const layer = planes[name] ?? (() => expect.fail('no such layer'));
  let said: readonly number[] = [];
  const model = onPlanes((nn, x) => {
    const value = layer(nn, x);
    said = value.dims;
    return value;
  });
  for (const count of [1, 3]) {
    const { dims, data } = await runOn(model, count);
    expect(dims).toEqual([count, ...said.slice(1)]);
    expect(data.every(Number.isFinite)).toBe(true);
  }
});

test('a raw picture becomes planes of numbers from 0 to 1', async () => {
  const model = defineModel('picture', 1, (nn) => nn.output('y', nn.image('x', 2, 3, 3)));
  const session = await openSession(writeModel(model));
  const pixels = Uint8Array.from({ length: 18 }, (_, index) => index * 15);
  const { y } = await session.run({ x: runtimeTensor('uint8', pixels, [1, 2, 3, 3]) });
  await session.release();
  const wanted = [0, 1, 2].flatMap((channel) => [0, 1, 2, 3, 4, 5].map((pixel) => (pixels[pixel * 3 + channel] ?? 0) / 255));
  expect(y?.dims).toEqual([1, 3, 2, 3]);
  const found = y?.data as Float32Array;
  wanted.forEach((value, index) => expect(found[index]).toBeCloseTo(value, 6));
});

test('rows of a table are looked up by number', async () => {
  const model = defineModel('table', 1, (nn) => nn.output('y', nn.embed(nn.input('x', 'int64', [3]), 10, 4)));
  const session = await openSession(writeModel(model));
  const { y } = await session.run({ x: runtimeTensor('int64', BigInt64Array.of(7n, 0n, 7n), [1, 3]) });
  await session.release();
  const table = model.graph.initialisers.get('embed1.weight')?.data as Float32Array;
  expect(Array.from(y?.data as Float32Array)).toEqual([7, 0, 7].flatMap((row) => Array.from(table.subarray(row * 4, row * 4 + 4))));
});

const network = (seed: number, first = 8): Model =>
  defineModel('small', seed, (nn) => {
    let x = nn.input('x', 'float32', [1, 8, 8]);
    x = nn.relu(nn.batchNorm(nn.conv(x, first)));
    x = nn.scope('block', () => nn.relu(nn.conv(x, 8, { stride: 2 })));
    nn.output('y', nn.dense(nn.flatten(x), 3, { name: 'answer' }));
  });

test('the same seed gives the same weights, another seed others', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer(), async (seed, other) => {
      const digest = await weightDigest(network(seed));
      expect(await weightDigest(network(seed))).toBe(digest);
      if (other !== seed) expect(await weightDigest(network(other))).not.toBe(digest);
    }),
    { numRuns: 20 },
  );
});

test('a layer draws its own numbers: changing one leaves the others as they were', () => {
  const [narrow, wide] = [network(1, 8), network(1, 16)];
  expect(wide.graph.initialisers.get('answer.weight')?.data).toEqual(narrow.graph.initialisers.get('answer.weight')?.data);
});

test('weights are named after their layers; statistics and constants are not among those that learn', () => {
  expect(learningWeights(network(1))).toEqual([
    'conv1.weight',
    'conv1.bias',
    'batchNorm1.scale',
    'batchNorm1.shift',
    'block/conv1.weight',
    'block/conv1.bias',
    'answer.weight',
    'answer.bias',
  ]);
});

test('layers that do not fit say which, what they expected and what they found', () => {
  const misfit = (define: (nn: Layers, x: Value) => Value) => () => onPlanes(define);
  expect(misfit((nn, x) => nn.conv(nn.flatten(x), 4, { name: 'late' }))).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', detail: 'late wants [batch, channels, height, width], found [2,144]' }),
  );
  expect(misfit((nn, x) => nn.reshape(x, [5, 5]))).toThrow(expect.objectContaining({ detail: expect.stringContaining('[batch, 4,6,6]') }));
  expect(misfit((nn, x) => nn.add(x, nn.conv(x, 5)))).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }));
  expect(() => defineModel('nothing', 1, (nn) => void nn.input('x', 'float32', [1]))).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', hint: expect.stringContaining('nn.output') }),
  );
});
