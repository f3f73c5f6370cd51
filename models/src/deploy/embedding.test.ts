import { describe, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, ints, type Model, type Tensor } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { quantiseDynamic } from '../quantise/dynamic.ts';
import { quantise } from '../quantise/quantise.ts';
import { quantiseWeights } from '../quantise/weight-only.ts';
import { addEmbedding } from './embedding.ts';
import { withProbabilities } from './heads.ts';
import { withImageInput } from './input.ts';

const random = seededRandom('embedding');
const width = 64;
const classes = 80;
const drawn = (dims: readonly number[], scale = 1): Tensor<'float32'> =>
  floats(
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
  );

/** A small convolutional classifier of float pictures, with weights by chance. */
function classifier(): Model {
  const builder = createGraphBuilder('classifier');
  builder.input('x', 'float32', ['N', 3, 16, 16]);
  const conv = (value: string, from: number, to: number): string =>
    builder.add('Relu', [
      builder.add('Conv', [value, builder.constant(drawn([to, from, 3, 3], Math.sqrt(2 / (9 * from)))), builder.constant(drawn([to], 0.1))], {
        pads: ints([1, 1, 1, 1]),
        strides: ints([2, 2]),
      }),
    ]);
  const maps = conv(conv('x', 3, 16), 16, width);
  const features = builder.add('Flatten', [builder.add('GlobalAveragePool', [maps])], { axis: int(1) }, ['features']);
  builder.add('Gemm', [features, builder.constant(drawn([width, classes])), builder.constant(drawn([classes]))], {}, ['logits']);
  builder.output('logits', 'float32', ['N', classes]);
  return createModel(builder.finish());
}

const frames = (count: number): Tensor<'uint8'> => ({
  type: 'uint8',
  dims: [count, 16, 16, 3],
  // Each frame has a hue and a brightness of its own, so that embeddings differ.
  data: Uint8Array.from({ length: count * 768 }, (_, at) => 128 + 80 * Math.sin(Math.floor(at / 768) * (1 + (at % 3))) + 40 * random.normal()),
});

const model = withProbabilities(withImageInput(classifier(), { frame: { width: 16, height: 16, channels: 3 } }).model);
const batches = Array.from({ length: 8 }, () => ({ image: frames(32) }));
const embedded = await addEmbedding(model, { batches, random: random.fork('draw') });

async function run(of: Model, image: Tensor): Promise<{ probabilities: Float32Array; embedding: Float32Array }> {
  const found = await runModel(of, new Map([['image', image]]));
  return { probabilities: found.get('probabilities')?.data as Float32Array, embedding: found.get('embedding')?.data as Float32Array };
}

const dot = (values: Float32Array, features: number, one: number, other: number): number => {
  let sum = 0;
  for (let at = 0; at < features; at += 1) sum += (values[one * features + at] as number) * (values[other * features + at] as number);
  return sum;
};

test('the output is added behind the answer, which stays as it was', async () => {
  expect(embedded).toMatchObject({ value: 'features', width });
  expect(embedded.model.graph.outputs.map(({ name, dims }) => [name, dims])).toEqual([
    ['probabilities', ['N', classes]],
    ['embedding', ['N', 128]],
  ]);
  const image = frames(4);
  expect((await run(embedded.model, image)).probabilities).toEqual((await run(model, image)).probabilities);
});

test('products of embeddings are the Gaussian kernel of the standardised features', async () => {
  const { model: wide, bandwidth } = await addEmbedding(model, { batches, random: random.fork('wide'), features: 256 });
  const image = frames(40);
  const probe = { ...model, graph: { ...model.graph, outputs: [{ name: 'features', type: 'float32' as const, dims: ['N', width] }] } };
  const features = (await runModel(probe, new Map([['image', image]]))).get('features')?.data as Float32Array;
  const seen: Float32Array[] = [];
  for (const batch of batches) seen.push((await runModel(probe, new Map([['image', batch.image]]))).get('features')?.data as Float32Array);
  const all = seen.flatMap((part) => [...part]);
  const column = (at: number): number[] => all.filter((_, place) => place % width === at);
  const mean = Array.from({ length: width }, (_, at) => column(at).reduce((sum, value) => sum + value, 0) / 256);
  const exact = Array.from({ length: width }, (_, at) => Math.sqrt(column(at).reduce((sum, value) => sum + (value - (mean[at] ?? 0)) ** 2, 0) / 256));
  const least = 0.1 * Math.sqrt(exact.reduce((sum, value) => sum + value * value, 0) / width);
  const { embedding } = await run(wide, image);
  let [squares, pairs] = [0, 0];
  for (let one = 0; one < 40; one += 1)
    for (let other = one; other < 40; other += 1) {
      let distance = 0;
      for (let at = 0; at < width; at += 1)
        distance += (((features[one * width + at] ?? 0) - (features[other * width + at] ?? 0)) / Math.max(least, exact[at] ?? 1)) ** 2;
      squares += (dot(embedding, 256, one, other) - Math.exp(-distance / (2 * bandwidth ** 2))) ** 2;
      pairs += 1;
    }
  // One draw of 256 features is off by about 1 / sqrt(256).
  expect(Math.sqrt(squares / pairs)).toBeLessThan(0.1);
});

describe('the projection stays float in', () => {
  const image = frames(32);
  const check = async (small: Model, operator: string): Promise<void> => {
    expect(small.graph.nodes.some((node) => node.operator === operator)).toBe(true);
    const [exact, found] = [await run(embedded.model, image), await run(small, image)];
    // Only the features it is made of are coarser.
    let error = 0;
    exact.embedding.forEach((value, at) => (error += (value - (found.embedding[at] as number)) ** 2 / 32));
    expect(Math.sqrt(error)).toBeLessThan(0.2);
    const made = small.graph.nodes.find(({ operator: each, outputs }) => each === 'MatMul' && outputs.some((name) => name.startsWith('embedding')));
    expect(small.graph.initialisers.get(made?.inputs[0] ?? '')?.type).toBe('float32');
  };

  test('static 8 bits, whose input is bytes as they come', async () => {
    const { model: small, report } = await quantise(embedded.model, { batches });
    expect(report.left.filter(({ operator }) => operator === 'MatMul' || operator === 'Softmax')).toHaveLength(2);
    await check(small, 'QuantizeLinear');
    // No quantising between the camera and the first layer.
    const first = small.graph.nodes.findIndex(({ operator }) => operator === 'Conv');
    expect(
      small.graph.nodes.slice(0, first).filter(({ operator, inputs }) => operator === 'QuantizeLinear' && !small.graph.initialisers.has(inputs[0] ?? '')),
    ).toEqual([]);
  });

  test('dynamic 8 bits', () => check(quantiseDynamic(embedded.model).model, 'DynamicQuantizeLinear'));
  test('weights in 4 bits', () => check(quantiseWeights(embedded.model, { bits: 4 }).model, 'MatMulNBits'));
});

test('maps laid out as a row are pooled; of a detector the maps before its last layer', async () => {
  const builder = createGraphBuilder('flat');
  builder.input('x', 'float32', ['N', 2, 4, 4]);
  const maps = builder.add('Conv', ['x', builder.constant(drawn([6, 2, 1, 1]))], {}, ['maps']);
  builder.add('Gemm', [builder.add('Flatten', [maps]), builder.constant(drawn([96, 3]))], {}, ['y']);
  builder.output('y', 'float32', ['N', 3]);
  const flat = createModel(builder.finish());
  const inputs = [{ x: drawn([50, 2, 4, 4]) }];
  expect(await addEmbedding(flat, { batches: inputs, random })).toMatchObject({ value: 'maps', width: 6 });
  const heat = { ...flat, graph: { ...flat.graph, outputs: [{ name: 'maps', type: 'float32' as const, dims: ['N', 6, 4, 4] }] } };
  expect(await addEmbedding(heat, { batches: inputs, random })).toMatchObject({ value: 'x', width: 2 });
});

test('inner values that never change make one embedding, and a sound one', async () => {
  const { model: constant } = await addEmbedding(model, {
    batches: [{ image: { type: 'uint8', dims: [4, 16, 16, 3], data: new Uint8Array(3072).fill(7) } }],
    random,
  });
  const { embedding } = await run(constant, frames(2));
  expect(embedding.every(Number.isFinite)).toBe(true);
});

test.each([
  ['a value that is not there', { value: 'nothing' }],
  ['too many features', { features: 1000 }],
  ['no examples', { batches: [] }],
])('refused: %s', async (_, options) => {
  await expect(addEmbedding(model, { batches, random, ...options })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
});
