import { expect, test } from 'vitest';

import { createGraphBuilder } from './builder.ts';
import { dumpModel } from './dump.ts';
import { createModel, floats, int, ints, text, type Model } from './graph.ts';
import { inferModel } from './infer-model.ts';

function example(): Model {
  const builder = createGraphBuilder('example');
  const x = builder.input('x', 'float32', ['N', 1, 5, 5]);
  const weight = builder.constant(
    floats(
      [2, 1, 3, 3],
      Float32Array.from({ length: 18 }, (_, index) => index / 10 - 0.8),
    ),
    'conv.weight',
  );
  const bias = builder.constant(floats([2], [0.5, -1]), 'conv.bias');
  const features = builder.add('Conv', [x, weight, bias], { strides: ints([2, 2]) }, ['features']);
  builder.add('Clip', [features, '', builder.constant(floats([], [6]), 'six')], {}, ['y']);
  builder.add('Magic', ['y'], { mode: text('slow'), flag: int(1) }, ['z', ''], 'com.microsoft');
  builder.output('y', 'float32', ['N', 2, 2, 2]);
  return createModel(builder.finish(), { author: 'me' });
}

test('a graph reads from top to bottom, with the shapes that are known', () => {
  const model = example();
  const text = dumpModel(model, inferModel(model, { dimensions: { N: 4 }, tolerant: true }));
  expect(text).toBe(`model   example: opset ai.onnx 17, IR 8, by serin
metadata  author = me
input   x: float32[N, 1, 5, 5]
weight  conv.weight: float32[2, 1, 3, 3] -0.8 .. 0.9
weight  conv.bias: float32[2] 0.5 -1
weight  six: float32[] 6
features: float32[4, 2, 2, 2] = Conv(x, conv.weight, conv.bias) strides=[2, 2]
y: float32[4, 2, 2, 2] = Clip(features, _, six)
z, _ = com.microsoft:Magic(y) mode="slow" flag=1
output  y: float32[N, 2, 2, 2]
`);
  expect(dumpModel(model)).toContain('\nfeatures = Conv(');
});

test('names cannot forge lines or command a terminal, and nothing is listed without end', () => {
  const builder = createGraphBuilder('evil\u001B[2J');
  const name = `a\noutput  b: float32[1]\u202E${'x'.repeat(500)}`;
  builder.output(
    builder.add(
      'Concat',
      Array.from({ length: 40 }, () => builder.input(name, 'float32', [1])),
    ),
    'float32',
    [40],
  );
  builder.add('A', [], { list: ints(Array.from({ length: 1000 }, (_, index) => index)) });
  const dumped = dumpModel(createModel(builder.finish()));
  expect(dumped).not.toMatch(/\p{C}(?<!\n)/u);
  expect(dumped.split('\n').filter((line) => line.startsWith('output')).length).toBe(1);
  expect(dumped).toContain('… 28 more');
  expect(dumped).toContain('… 988 more');
});

test('ranges of 16-bit floats are decoded, and values that are no numbers are counted', () => {
  const builder = createGraphBuilder('g');
  builder.constant({ type: 'float16', dims: [6], data: Uint16Array.of(0x3c00, 0xc000, 0x7c00, 0x0001, 0, 0x7e00) }, 'half');
  builder.constant({ type: 'bfloat16', dims: [2], data: Uint16Array.of(0x3fc0, 0xc040) }, 'brain');
  builder.constant(
    floats(
      [20],
      Float32Array.from({ length: 20 }, (_, index) => (index === 3 ? Number.NaN : index)),
    ),
    'broken',
  );
  const dumped = dumpModel(createModel(builder.finish()));
  expect(dumped).toContain(`half: float16[6] 1 -2 Infinity 5.96e-8 0 NaN`);
  expect(dumped).toContain('brain: bfloat16[2] 1.5 -3');
  expect(dumped).toContain('broken: float32[20] 0 .. 19, 1 not finite');
});

test('branches are shown inside their node', () => {
  const builder = createGraphBuilder('g');
  const condition = builder.input('c', 'bool', []);
  const branch = {
    name: 'then',
    inputs: [],
    outputs: [],
    nodes: [{ operator: 'Relu', domain: '', name: '', inputs: ['c'], outputs: ['r'], attributes: {} }],
    initialisers: new Map(),
  };
  builder.add('If', [condition], { then_branch: { kind: 'graph', value: branch } }, ['y']);
  expect(dumpModel(createModel(builder.finish()))).toContain('\ny = If(c)\n  then_branch:\n    r = Relu(c)\n');
});
