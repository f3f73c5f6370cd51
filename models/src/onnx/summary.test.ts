import { expect, test } from 'vitest';

import { createGraphBuilder, type GraphBuilder } from './builder.ts';
import { createModel, elementCount, floats, int, ints, longs, type Dimension, type Model } from './graph.ts';
import { formatSummary, summariseModel } from './summary.ts';

function modelOf(dims: Dimension[], build: (builder: GraphBuilder, x: string) => string): Model {
  const builder = createGraphBuilder('g');
  builder.output(build(builder, builder.input('x', 'float32', dims)), 'float32', []);
  return createModel(builder.finish());
}
const weight = (builder: GraphBuilder, dims: number[]): string => builder.constant(floats(dims, new Float32Array(elementCount(dims))));

test('multiply-adds of each kind of layer are those of its definition', () => {
  const cases: [name: string, dims: number[], build: (builder: GraphBuilder, x: string) => string, multiplyAdds: number, others: number][] = [
    ['Conv', [2, 4, 8, 8], (b, x) => b.add('Conv', [x, weight(b, [6, 4, 3, 3]), weight(b, [6])]), 2 * 6 * 6 * 6 * 4 * 9, 2 * 6 * 36],
    ['grouped Conv', [1, 4, 8, 8], (b, x) => b.add('Conv', [x, weight(b, [4, 1, 3, 3])], { group: int(4) }), 4 * 36 * 9, 0],
    ['ConvTranspose', [1, 4, 8, 8], (b, x) => b.add('ConvTranspose', [x, weight(b, [4, 5, 2, 2])], { strides: ints([2, 2]) }), 4 * 64 * 5 * 4, 0],
    ['MatMul', [3, 5, 7], (b, x) => b.add('MatMul', [x, weight(b, [7, 11])]), 3 * 5 * 7 * 11, 0],
    ['Gemm', [5, 7], (b, x) => b.add('Gemm', [x, weight(b, [7, 11]), weight(b, [11])]), 5 * 7 * 11, 55],
    ['Gemm of a transposed input', [7, 5], (b, x) => b.add('Gemm', [x, weight(b, [7, 11])], { transA: int(1) }), 5 * 7 * 11, 0],
    ['MaxPool', [1, 2, 8, 8], (b, x) => b.add('MaxPool', [x], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }), 0, 2 * 16 * 4],
    ['Relu', [3, 4], (b, x) => b.add('Relu', [x]), 0, 12],
    ['ReduceSum', [3, 4], (b, x) => b.add('ReduceSum', [x, b.constant(longs([0]))]), 0, 12],
    ['Reshape', [3, 4], (b, x) => b.add('Reshape', [x, b.constant(longs([12]))]), 0, 0],
  ];
  for (const [name, dims, build, multiplyAdds, others] of cases) {
    const cost = summariseModel(modelOf(dims, build));
    expect(cost.uncounted, name).toBe(0);
    expect([cost.multiplyAdds, cost.flops], name).toEqual([multiplyAdds, 2 * multiplyAdds + others]);
  }
});

test('work grows with the batch, parameters do not', () => {
  const model = modelOf(['N', 7], (b, x) => b.add('Gemm', [x, weight(b, [7, 11]), weight(b, [11])]));
  const [one, four] = [summariseModel(model), summariseModel(model, { dimensions: { N: 4 } })];
  expect(four.multiplyAdds).toBe(4 * one.multiplyAdds);
  expect([one.parameters, one.parameterBytes, four.parameters]).toEqual([88, 352, 88]);
});

test('a weight that two nodes read counts once, and so does one in a Constant node', () => {
  const model = modelOf(['N', 7], (b, x) => {
    const shared = weight(b, [7, 7]);
    const literal = b.add('Constant', [], { value: { kind: 'tensor', value: floats([7], new Float32Array(7)) } });
    return b.add('Add', [b.add('MatMul', [b.add('MatMul', [x, shared]), shared]), literal]);
  });
  const cost = summariseModel(model);
  expect(cost.parameters).toBe(56);
  expect(cost.operators['MatMul']).toMatchObject({ count: 2, parameters: 49 });
  expect(cost.operators['Add']?.parameters).toBe(7);
});

test('the peak of memory is where most values are needed at a time', () => {
  // x [10] and its square are alive with the sum; the small values after it are not the peak.
  const model = modelOf([10], (b, x) => {
    const square = b.add('Mul', [x, x]);
    const sum = b.add('Add', [square, x]);
    return b.add('ReduceMax', [sum], { keepdims: int(0) });
  });
  expect(summariseModel(model).activationBytesMax).toBe(3 * 40);
});

test('nodes whose shapes are unknown are said to be missing from the figures', () => {
  const model = modelOf([4], (b, x) => b.add('Relu', [b.add('Magic', [x])]));
  const cost = summariseModel(model);
  expect([cost.uncounted, cost.flops]).toEqual([2, 0]);
  expect(formatSummary(cost)).toMatch(/not counted +2 nodes.*Magic/);
});

test('the table names operators, the heaviest first, and the totals', () => {
  const model = modelOf([1, 3, 16, 16], (b, x) => b.add('Relu', [b.add('Conv', [x, weight(b, [8, 3, 3, 3])], { pads: ints([1, 1, 1, 1]) })]));
  const lines = formatSummary(summariseModel(model)).split('\n');
  expect(lines[1]).toMatch(/^Conv +1 +216 +55\.3 k +111 k +98\.2 %$/);
  expect(lines[2]).toMatch(/^Relu +1 +0 +0 +2\.05 k +1\.8 %$/);
  expect(lines.join('\n')).toMatch(/parameters +216 \(864B\)/);
});
