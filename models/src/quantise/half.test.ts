import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createGraphBuilder } from '../onnx/builder.ts';
import { checkModel } from '../onnx/check.ts';
import { elementValues } from '../onnx/element-values.ts';
import { floats, int, ints, longs, scalar, type Model } from '../onnx/graph.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { toHalf } from './half-bits.ts';
import { toHalfPrecision } from './half.ts';
import { normals, outputOf, smallModel, sqnrDb } from './testing/formats.ts';

const fromHalf = (bits: number): number => [...elementValues({ type: 'float16', dims: [1], data: Uint16Array.of(bits) })][0] ?? Number.NaN;

test('every float16 is its own nearest, and any number goes to the nearer of its neighbours', () => {
  for (let bits = 0; bits < 0x10000; bits += 1) {
    const value = fromHalf(bits);
    if (!Number.isNaN(value) && toHalf(value) !== bits) throw new Error(`${bits} became ${toHalf(value)}`);
  }
  fc.assert(
    fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
      const bits = toHalf(value);
      const distance = Math.abs(fromHalf(bits) - value);
      for (const other of [bits - 1, bits + 1]) {
        const neighbour = fromHalf(other & 0xffff);
        if (Number.isFinite(neighbour)) expect(distance).toBeLessThanOrEqual(Math.abs(neighbour - value));
      }
    }),
  );
  expect([toHalf(65519), toHalf(65520), toHalf(-1e9), toHalf(1 + 2 ** -11), toHalf(1 + 3 * 2 ** -11)]).toEqual([0x7bff, 0x7c00, 0xfc00, 0x3c00, 0x3c02]);
  expect(Number.isNaN(fromHalf(toHalf(Number.NaN)))).toBe(true);
});

const convolutional = (): Model =>
  smallModel([2, 3, 16, 16], (builder) => {
    const inner = builder.add('Relu', [builder.add('Conv', ['x', builder.constant(normals(1, [8, 3, 3, 3], 0.2), 'w')], { pads: ints([1, 1, 1, 1]) })]);
    const pooled = builder.add('Flatten', [builder.add('GlobalAveragePool', [inner])]);
    return builder.add('Softmax', [builder.add('Gemm', [pooled, builder.constant(normals(2, [8, 1000]), 'v')])]);
  });

test('weights and values between are float16, inputs and outputs float32, half the size, close to float', async () => {
  const model = convolutional();
  const { model: half, report } = toHalfPrecision(model);
  expect(half.graph.inputs).toEqual(model.graph.inputs);
  expect(half.graph.outputs).toEqual(model.graph.outputs);
  expect(new Set([...half.graph.initialisers.values()].map(({ type }) => type))).toEqual(new Set(['float16']));
  expect(half.graph.nodes.filter(({ operator }) => operator === 'Cast')).toHaveLength(2);
  expect(report).toMatchObject({ left: [], warnings: [] });
  expect(writeModel(half).length).toBeLessThan(0.6 * writeModel(model).length);
  const x = normals(4, [2, 3, 16, 16]);
  expect(sqnrDb(await outputOf(model, x), await outputOf(half, x))).toBeGreaterThan(50);
  expect(checkModel(readModel(writeModel(half)))).toBeDefined();
});

test('what 16 bits cannot do stays in float between casts, each with its reason', async () => {
  const model = smallModel(['N', 4, 8, 8], (builder) => {
    let value = builder.add('Conv', ['x', builder.constant(normals(1, [4, 4, 1, 1]), 'w')], {}, ['conv']);
    value = builder.add('Exp', [value], {}, ['exp']);
    value = builder.add('Add', [value, builder.constant(scalar(1e-6))], {}, ['epsilon']);
    value = builder.add('Mul', [value, builder.constant(scalar(1e6))], {}, ['beyond']);
    value = builder.add('Mul', [value, builder.constant(scalar(1e-3))], {}, ['large']);
    value = builder.add('ReduceMean', [value], { axes: ints([0]) }, ['batch']);
    return builder.add('Relu', [value], {}, ['relu']);
  });
  const { model: half, report } = toHalfPrecision(model, { ranges: new Map([['large', { min: 0, max: 40000 }]]) });
  expect(report.quantised).toEqual(['conv', 'relu', 'y']);
  expect(report.left.map(({ node, reason }) => [node, reason])).toEqual([
    ['exp', 'operator'],
    ['epsilon', 'ranges'],
    ['beyond', 'ranges'],
    ['large', 'ranges'],
    ['batch', 'ranges'],
  ]);
  const x = normals(4, [2, 4, 8, 8], 0.3);
  expect(sqnrDb(await outputOf(model, x), await outputOf(half, x))).toBeGreaterThan(50);
});

test('a sum of too many values stays in float, and one of unknown length too', () => {
  const pooled = (dims: (number | string)[]) =>
    toHalfPrecision(
      smallModel(dims, (builder) => builder.add('GlobalAveragePool', ['x'], {}, ['pool'])),
      { dimensions: { S: 8 } },
    );
  expect(pooled([1, 2, 32, 32]).report.left).toEqual([]);
  expect(pooled([1, 2, 'S', 'S']).report.left).toEqual([]);
  expect(pooled([1, 2, 64, 64]).report.left[0]).toMatchObject({ node: 'pool', reason: 'ranges' });
  expect(pooled([1, 2, 'H', 'W']).report.left[0]).toMatchObject({ node: 'pool', reason: 'shape' });
});

test('a mask beyond float16 becomes its largest, with a warning', async () => {
  const model = smallModel([1, 2], (builder) => builder.add('Softmax', [builder.add('Add', ['x', builder.constant(floats([2], [0, -1e9]), 'mask')])]));
  const { model: half, report } = toHalfPrecision(model);
  expect(report.warnings).toEqual(['1 of 2 values of mask lie beyond float16 and became its largest']);
  expect([...(await outputOf(half, normals(1, [1, 2])))]).toEqual([1, 0]);
});

test('other domains, other types and inner graphs stay as they are', async () => {
  const model = smallModel(['N', 64], (builder) => {
    const value = builder.add('Relu', ['x'], {}, ['relu']);
    const foreign = builder.add('BiasGelu', [value, builder.constant(normals(1, [64]), 'bias')], {}, ['foreign'], 'com.microsoft');
    const shape = builder.add('Shape', [value], {}, ['shape']);
    const rows = builder.add('Slice', [shape, builder.constant(longs([0])), builder.constant(longs([1]))], {}, ['rows']);
    const target = builder.add('Concat', [rows, builder.constant(longs([64]))], { axis: int(0) }, ['target']);
    return builder.add('Reshape', [builder.add('Tanh', [foreign], {}, ['tanh']), target], {}, ['reshape']);
  });
  const withDomain = { ...model, opsets: { ...model.opsets, 'com.microsoft': 1 } };
  const { model: half, report } = toHalfPrecision(withDomain);
  expect(half.graph.nodes.find(({ operator }) => operator === 'BiasGelu')?.inputs).toEqual(['relu', 'bias']);
  expect(half.graph.initialisers.get('bias')?.type).toBe('float32');
  expect(report.left.find(({ node }) => node === 'foreign')?.reason).toBe('domain');
  expect(report.left.find(({ node }) => node === 'rows')?.reason).toBe('type');
  const x = normals(4, [4, 64]);
  expect(sqnrDb(await outputOf(withDomain, x), await outputOf(half, x))).toBeGreaterThan(50);
});

test('more nodes can be added behind a model whose nodes are called otherwise than their outputs', () => {
  const { model: half } = toHalfPrecision(convolutional());
  const builder = createGraphBuilder('more');
  for (const node of half.graph.nodes) builder.append(node);
  for (const operator of ['Relu', 'Conv', 'Cast', 'Gemm']) builder.add(operator, ['y']);
  const names = builder.finish().nodes.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
