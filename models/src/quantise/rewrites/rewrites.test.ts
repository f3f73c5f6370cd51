import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder, type GraphBuilder } from '../../onnx/builder.ts';
import { compareModels } from '../../onnx/compare.ts';
import { createModel, elementCount, float, floats, int, ints, longs, scalar, type Model, type Tensor } from '../../onnx/graph.ts';
import { prepare } from '../prepare.ts';

const random = seededRandom(8);
const draw = (dims: number[], low = -1): Tensor<'float32'> =>
  floats(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.between(low, 1)),
  );

/** From a picture `x` of 4 channels, or rows of 6 where the input is a matrix. */
function modelOf(add: (builder: GraphBuilder, x: string) => string, options: { dims?: (number | string)[]; outputs?: number } = {}): Model {
  const builder = createGraphBuilder('net');
  const x = builder.input('x', 'float32', options.dims ?? ['N', 4, 7, 9]);
  builder.add('Identity', [add(builder, x)], {}, ['y']);
  builder.output(
    'y',
    'float32',
    Array.from({ length: options.outputs ?? 4 }, (_, axis) => `y${axis}`),
  );
  return createModel(builder.finish());
}
const num = (builder: GraphBuilder, value: number): string => builder.constant(scalar(value));
/** Around zero, where ramps bend. */
const spread = (builder: GraphBuilder, x: string): string => builder.add('Mul', [builder.add('Sub', [x, num(builder, 0.5)]), num(builder, 16)]);

const operatorsOf = (model: Model): string[] => model.graph.nodes.map(({ operator }) => operator);

interface Row {
  readonly what: string;
  readonly model: Model;
  readonly gone: string;
  readonly there: string;
}

const ramp = (b: GraphBuilder, x: string): string => b.add('Clip', [b.add('Add', [x, num(b, 3)]), num(b, 0), num(b, 6)]);
const conv = (b: GraphBuilder, x: string, pads: number[]): string => b.add('Conv', [x, b.constant(draw([3, 4, 3, 3]))], { pads: ints(pads) });

const rows: Row[] = [
  { what: 'Div by constants', model: modelOf((b, x) => b.add('Div', [x, b.constant(draw([4, 1, 1], 0.2))])), gone: 'Div', there: 'Mul' },
  { what: 'Sub of constants', model: modelOf((b, x) => b.add('Sub', [x, b.constant(draw([4, 1, 1]))])), gone: 'Sub', there: 'Add' },
  { what: 'PRelu of one slope', model: modelOf((b, x) => b.add('PRelu', [spread(b, x), b.constant(draw([1, 1, 1]))])), gone: 'PRelu', there: 'LeakyRelu' },
  {
    what: 'x * relu6(x + 3) / 6',
    model: modelOf((b, x) => {
      const value = spread(b, x);
      return b.add('Div', [b.add('Mul', [value, ramp(b, value)]), num(b, 6)]);
    }),
    gone: 'Clip',
    there: 'HardSigmoid',
  },
  {
    what: '(x / 6) * relu6(x + 3)',
    model: modelOf((b, x) => {
      const value = spread(b, x);
      return b.add('Mul', [b.add('Mul', [value, num(b, 1 / 6)]), ramp(b, value)]);
    }),
    gone: 'Clip',
    there: 'HardSigmoid',
  },
  {
    what: 'x * (relu6(x + 3) / 6)',
    model: modelOf((b, x) => {
      const value = spread(b, x);
      return b.add('Mul', [value, b.add('Mul', [ramp(b, value), num(b, 1 / 6)])]);
    }),
    gone: 'Clip',
    there: 'HardSigmoid',
  },
  { what: 'HardSwish', model: modelOf((b, x) => b.add('HardSwish', [spread(b, x)])), gone: 'HardSwish', there: 'HardSigmoid' },
  {
    what: 'ReduceMean over height and width',
    model: modelOf((b, x) => b.add('ReduceMean', [x], { axes: ints([2, -1]), keepdims: int(1) })),
    gone: 'ReduceMean',
    there: 'GlobalAveragePool',
  },
  {
    what: 'ReduceMean that drops height and width',
    model: modelOf((b, x) => b.add('ReduceMean', [x], { axes: ints([2, 3]), keepdims: int(0) }), { outputs: 2 }),
    gone: 'ReduceMean',
    there: 'Squeeze',
  },
  {
    what: 'Pad before Conv',
    model: modelOf((b, x) => conv(b, b.add('Pad', [x, b.constant(longs([0, 0, 1, 2, 0, 0, 3, 0]))]), [0, 1, 0, 0])),
    gone: 'Pad',
    there: 'Conv',
  },
  {
    what: 'MatMul with a bias',
    model: modelOf((b, x) => b.add('Add', [b.constant(draw([1, 5])), b.add('MatMul', [x, b.constant(draw([6, 5]))])]), { dims: ['N', 6], outputs: 2 }),
    gone: 'MatMul',
    there: 'Gemm',
  },
  {
    what: 'factors of Gemm',
    model: modelOf((b, x) => b.add('Gemm', [x, b.constant(draw([5, 6])), b.constant(draw([1]))], { alpha: float(0.5), beta: float(3), transB: int(1) }), {
      dims: ['N', 6],
      outputs: 2,
    }),
    gone: 'Flatten',
    there: 'Gemm',
  },
];

for (const { what, model, gone, there } of rows) {
  test(`${what}: another form of the same`, async () => {
    const { model: prepared, changes } = await prepare(model);
    expect(operatorsOf(prepared)).not.toContain(gone);
    expect(operatorsOf(prepared)).toContain(there);
    expect(changes.join()).toContain('1 x ');
    expect(await compareModels(model, prepared, seededRandom(3), { dimensions: { N: 2 } })).toBeLessThan(2e-6);
  });
}

test('what only looks like one of these stays as it is', async () => {
  const others = [
    // Other values than zeros, and other axes, have no place in pads.
    modelOf((b, x) => conv(b, b.add('Pad', [x, b.constant(longs([0, 0, 1, 1, 0, 0, 1, 1])), num(b, 1)]), [0, 0, 0, 0])),
    modelOf((b, x) => b.add('ReduceMean', [x], { axes: ints([1, 2]) })),
    modelOf((b, x) => b.add('ReduceMean', [x], { axes: ints([1, 2]), keepdims: int(0) }), { dims: ['N', 4, 7], outputs: 1 }),
    // Another slope than the top of the ramp asks for.
    modelOf((b, x) => b.add('Mul', [b.add('Mul', [x, ramp(b, x)]), num(b, 0.2)])),
    // Part of Gelu.
    modelOf((b, x) => b.add('Erf', [b.add('Div', [x, num(b, Math.SQRT2)])])),
    modelOf((b, x) => b.add('Mul', [x, b.constant(draw([1, 1, 1, 1, 1, 1]))]), { outputs: 6 }),
  ];
  for (const model of others) {
    const { model: prepared } = await prepare(model);
    expect(operatorsOf(prepared).toSorted()).toEqual(
      operatorsOf(model)
        .filter((operator) => operator !== 'Identity')
        .toSorted(),
    );
    expect(await compareModels(model, prepared, seededRandom(3), { dimensions: { N: 2 } })).toBeLessThan(2e-6);
  }
});

test('every node of a prepared model has a name of its own', async () => {
  const { model } = await prepare(modelOf((b, x) => b.add('Relu', [b.add('Neg', [b.add('Relu', [x])])])));
  const names = model.graph.nodes.map(({ name }) => name);
  expect(names.every((name) => name !== '')).toBe(true);
  expect(new Set(names).size).toBe(names.length);
});
