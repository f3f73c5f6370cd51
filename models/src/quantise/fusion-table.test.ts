import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder, type GraphBuilder } from '../onnx/builder.ts';
import { createModel, elementCount, float, floats, int, ints, longs, scalar, text, type Model, type Tensor } from '../onnx/graph.ts';
import { inspectModel } from '../onnx/inspect.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runModel, runtimeTensor } from '../onnx/session.ts';
import { quantise } from './quantise.ts';

/*
 * What the runtime makes of each operator between two convolutions (or matrix products): its own graph after optimisation
 * holds the 8-bit kernel, and converts at the model's input and output only.
 */

const random = seededRandom(12);
const draw = (dims: readonly number[], spread = 1): Tensor<'float32'> =>
  floats(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.between(-spread, spread)),
  );

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serin-fusion-'));
});
afterAll(() => rm(folder, { recursive: true }));

type Body = (builder: GraphBuilder, value: string) => string;

const conv = (b: GraphBuilder, value: string, from: number, to = from): string =>
  b.add('Conv', [value, b.constant(draw([to, from, 1, 1])), b.constant(draw([to]))]);

/** The body between convolutions of one pixel. */
function pictures(body: Body, channels = 8): Model {
  const b = createGraphBuilder('net');
  const x = b.input('x', 'float32', [1, 4, 8, 8]);
  b.add('Conv', [body(b, conv(b, x, 4, 8)), b.constant(draw([3, channels, 1, 1]))], {}, ['y']);
  b.output('y', 'float32', ['a', 'b', 'c', 'd']);
  return createModel(b.finish());
}

/** The body between two layers of 16 numbers. */
function rows(body: Body): Model {
  const b = createGraphBuilder('net');
  const dense = (value: string): string => b.add('Gemm', [value, b.constant(draw([16, 16])), b.constant(draw([16]))]);
  const x = b.input('x', 'float32', [4, 16]);
  b.add('Identity', [dense(body(b, dense(x)))], {}, ['y']);
  b.output('y', 'float32', ['a', 'b']);
  return createModel(b.finish());
}

interface Outcome {
  readonly operators: Record<string, number>;
  readonly left: string[];
  readonly sqnrDb: number;
}

async function optimised(model: Model, weightType: 'int8' | 'uint8' = 'int8'): Promise<Outcome> {
  const [input] = model.graph.inputs;
  const batches = Array.from({ length: 3 }, () => ({ x: draw((input?.dims ?? []) as number[]) }));
  // Whether it pays is for the plan: here everything is taken that has a kernel.
  const { model: small, report } = await quantise(model, { batches, weightType, eager: true });
  const path = join(folder, 'optimised.onnx');
  const session = await openSession(writeModel(small), { optimisedPath: path });
  const { type, data, dims } = batches[0]?.x ?? expect.unreachable();
  const answer = (await session.run({ x: runtimeTensor(type, data, dims) }))['y']?.data as Float32Array;
  await session.release();
  const wanted = (await runModel(model, new Map([['x', { type, data, dims }]]))).get('y')?.data as Float32Array;
  const noise = wanted.reduce((sum, value, index) => sum + (value - (answer[index] ?? Number.NaN)) ** 2, 0);
  const sqnrDb = 10 * Math.log10(wanted.reduce((sum, value) => sum + value ** 2, 0) / noise);
  const { operators } = inspectModel(await readFile(path));
  // The standard's own name and the runtime's for what is the same kernel in another order of channels.
  const plain: Record<string, number> = {};
  for (const [name, count] of Object.entries(operators)) {
    const short = name.slice(name.indexOf(':') + 1);
    plain[short] = (plain[short] ?? 0) + count;
  }
  return { operators: plain, left: report.left.map(({ operator, words }) => `${operator}: ${words}`), sqnrDb };
}

interface Row {
  readonly operator: string;
  readonly model: Model;
  readonly kernels: Readonly<Record<string, number>>;
  /** What the float graph has and the fused one must not. */
  readonly gone?: readonly string[];
  /** Names of float kernels that here compute with bytes. */
  readonly onBytes?: readonly string[];
}

const table: Row[] = [
  {
    operator: 'Conv',
    model: pictures((b, v) => b.add('Conv', [v, b.constant(draw([8, 8, 3, 3])), b.constant(draw([8]))], { pads: ints([1, 1, 1, 1]) })),
    kernels: { QLinearConv: 3 },
  },
  {
    operator: 'grouped Conv',
    model: pictures((b, v) => b.add('Conv', [v, b.constant(draw([8, 4, 3, 3]))], { pads: ints([1, 1, 1, 1]), group: int(2) })),
    kernels: { QLinearConv: 3 },
  },
  {
    operator: 'depthwise Conv',
    model: pictures((b, v) => b.add('Conv', [v, b.constant(draw([8, 1, 3, 3])), b.constant(draw([8]))], { pads: ints([1, 1, 1, 1]), group: int(8) })),
    kernels: { QLinearConv: 3 },
  },
  { operator: 'Relu', model: pictures((b, v) => b.add('Relu', [v])), kernels: { QLinearConv: 2 }, gone: ['Relu', 'Clip'] },
  {
    operator: 'Clip',
    model: pictures((b, v) => b.add('Clip', [v, b.constant(scalar(0)), b.constant(scalar(0.7))])),
    kernels: { QLinearConv: 2 },
    gone: ['Clip'],
  },
  {
    operator: 'Relu of a value that others read too',
    model: pictures((b, v) => b.add('Add', [b.add('Relu', [v]), v])),
    kernels: { QLinearConv: 2, QLinearAdd: 1, Clip: 1 },
    gone: ['Relu', 'Add'],
  },
  { operator: 'Add', model: pictures((b, v) => b.add('Add', [v, conv(b, v, 8)])), kernels: { QLinearConv: 3, QLinearAdd: 1 } },
  {
    operator: 'Add of a constant',
    model: pictures((b, v) => b.add('Add', [b.add('Sigmoid', [v]), b.constant(draw([1, 8, 1, 1]))])),
    kernels: { QLinearAdd: 1 },
  },
  { operator: 'Mul', model: pictures((b, v) => b.add('Mul', [v, conv(b, v, 8)])), kernels: { QLinearConv: 3, QLinearMul: 1 } },
  {
    operator: 'Mul by one number',
    model: pictures((b, v) => b.add('Mul', [b.add('Sigmoid', [v]), b.constant(scalar(0.3))])),
    kernels: { QLinearConv: 2, QLinearSigmoid: 1 },
    gone: ['Mul', 'QLinearMul'],
  },
  { operator: 'LeakyRelu', model: pictures((b, v) => b.add('LeakyRelu', [v], { alpha: float(0.1) })), kernels: { QLinearLeakyRelu: 1 } },
  { operator: 'Sigmoid', model: pictures((b, v) => b.add('Sigmoid', [v])), kernels: { QLinearSigmoid: 1 } },
  { operator: 'SiLU', model: pictures((b, v) => b.add('Mul', [v, b.add('Sigmoid', [v])])), kernels: { QLinearSigmoid: 1, QLinearMul: 1 } },
  { operator: 'HardSigmoid', model: pictures((b, v) => b.add('HardSigmoid', [v])), kernels: { QLinearAdd: 1 }, gone: ['HardSigmoid'] },
  { operator: 'HardSwish', model: pictures((b, v) => b.add('HardSwish', [v])), kernels: { QLinearAdd: 1, QLinearMul: 1 }, gone: ['HardSwish', 'HardSigmoid'] },
  { operator: 'Softmax', model: rows((b, v) => b.add('Softmax', [v], { axis: int(-1) })), kernels: { QLinearSoftmax: 1 } },
  { operator: 'MaxPool', model: pictures((b, v) => b.add('MaxPool', [v], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) })), kernels: { NhwcMaxPool: 1 } },
  {
    operator: 'AveragePool',
    model: pictures((b, v) => b.add('AveragePool', [v], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) })),
    kernels: { QLinearAveragePool: 1 },
  },
  { operator: 'GlobalAveragePool', model: pictures((b, v) => b.add('GlobalAveragePool', [v])), kernels: { QLinearGlobalAveragePool: 1 } },
  { operator: 'Concat', model: pictures((b, v) => b.add('Concat', [v, conv(b, v, 8)], { axis: int(1) }), 16), kernels: { QLinearConcat: 1 } },
  {
    operator: 'Resize to the nearest',
    model: pictures((b, v) =>
      b.add('Resize', [v, '', b.constant(floats([4], [1, 1, 2, 2]))], {
        mode: text('nearest'),
        coordinate_transformation_mode: text('asymmetric'),
        nearest_mode: text('floor'),
      }),
    ),
    // The two bring the channels last at the input and back at the output.
    kernels: { Concat: 2, Transpose: 2 },
    gone: ['Resize'],
    onBytes: ['Concat'],
  },
  {
    operator: 'Resize by what is no whole number',
    model: pictures((b, v) => b.add('Resize', [v, '', b.constant(floats([4], [1, 1, 1.5, 2]))], { mode: text('nearest') })),
    kernels: { Resize: 1 },
  },
  {
    operator: 'Slice',
    model: pictures((b, v) => b.add('Slice', [v, b.constant(longs([1])), b.constant(longs([7])), b.constant(longs([2]))])),
    kernels: { Slice: 1 },
  },
  {
    operator: 'Transpose',
    model: pictures((b, v) => b.add('Transpose', [v], { perm: ints([0, 1, 3, 2]) })), // Two more bring the channels last and back.
    kernels: { Transpose: 3 },
  },
  { operator: 'DepthToSpace', model: pictures((b, v) => b.add('DepthToSpace', [v], { blocksize: int(2) }), 2), kernels: { DepthToSpace: 1 } },
  {
    operator: 'Split',
    model: pictures((b, v) => {
      b.add('Split', [v], { axis: int(1) }, ['left', 'right']);
      return b.add('Add', ['left', 'right']);
    }, 4),
    kernels: { Split: 1, QLinearAdd: 1 },
  },
  {
    operator: 'Where',
    model: pictures((b, v) =>
      b.add('Where', [b.constant({ type: 'bool', dims: [1, 1, 8, 8], data: Uint8Array.from({ length: 64 }, (_, i) => i % 2) }), v, conv(b, v, 8)]),
    ),
    kernels: { QLinearWhere: 1 },
  },
  { operator: 'Gather', model: pictures((b, v) => b.add('Gather', [v, b.constant(longs([3, 1, 0]))], { axis: int(2) })), kernels: { Gather: 1 } },
  { operator: 'Reshape', model: pictures((b, v) => b.add('Reshape', [v, b.constant(longs([1, 8, 16, 4]))])), kernels: { Reshape: 1 } },
  {
    operator: 'Squeeze and Unsqueeze',
    model: pictures((b, v) => b.add('Unsqueeze', [b.add('Squeeze', [v, b.constant(longs([0]))]), b.constant(longs([0]))])),
    kernels: { QLinearConv: 2 },
  },
  { operator: 'Flatten and Gemm', model: rows((b, v) => b.add('Flatten', [v])), kernels: { QGemm: 2 } },
  { operator: 'Gemm after Relu', model: rows((b, v) => b.add('Relu', [v])), kernels: { QGemm: 2 }, gone: ['Relu'] },
  { operator: 'MatMul', model: rows((b, v) => b.add('MatMul', [v, b.constant(draw([16, 16]))])), kernels: { QLinearMatMul: 1 } },
  {
    operator: 'MatMul of two values',
    model: rows((b, v) => b.add('MatMul', [v, b.add('MatMul', [b.add('Transpose', [v], { perm: ints([1, 0]) }), v])])),
    kernels: { QLinearMatMul: 2 },
  },
  {
    operator: 'MatMul at the end',
    model: (() => {
      const b = createGraphBuilder('net');
      b.add('MatMul', [b.add('Sigmoid', [b.add('MatMul', [b.input('x', 'float32', [4, 16]), b.constant(draw([16, 16]))])]), b.constant(draw([16, 8]))], {}, [
        'y',
      ]);
      b.output('y', 'float32', [4, 8]);
      return createModel(b.finish());
    })(),
    kernels: { MatMulIntegerToFloat: 1, QLinearSigmoid: 1, QLinearMatMul: 1 },
  },
  {
    operator: 'Conv over one dimension',
    model: (() => {
      const b = createGraphBuilder('net');
      const layer = (value: string): string => b.add('Conv', [value, b.constant(draw([4, 4, 3])), b.constant(draw([4]))], { pads: ints([1, 1]) });
      b.add('Identity', [layer(b.add('Relu', [layer(b.input('x', 'float32', [1, 4, 16]))]))], {}, ['y']);
      b.output('y', 'float32', [1, 4, 16]);
      return createModel(b.finish());
    })(),
    kernels: { QLinearConv: 2 },
  },
];

const floatKernels = [
  'Conv',
  'FusedConv',
  'Gemm',
  'MatMul',
  'FusedMatMul',
  'Add',
  'Mul',
  'Sigmoid',
  'LeakyRelu',
  'Softmax',
  'AveragePool',
  'GlobalAveragePool',
  'Concat',
  'Where',
];

for (const { operator, model, kernels, gone = [], onBytes = [] } of table) {
  test(`${operator} runs in 8 bits`, async () => {
    const { operators, left, sqnrDb } = await optimised(model);
    expect(sqnrDb).toBeGreaterThan(26);
    expect(left).toEqual([]);
    expect(operators).toMatchObject(kernels);
    expect(Object.keys(operators).filter((name) => (floatKernels.includes(name) && !onBytes.includes(name)) || gone.includes(name))).toEqual([]);
    // Into 8 bits at the input, and back at the output where the last kernel does not do that itself.
    expect(operators['QuantizeLinear']).toBe(1);
    expect(operators['DequantizeLinear'] ?? 0).toBeLessThanOrEqual(1);
  });
}

test('weights of uint8 are fused alike', async () => {
  for (const operator of ['Conv', 'depthwise Conv', 'Gemm after Relu', 'MatMul of two values']) {
    const row = table.find((each) => each.operator === operator);
    const { operators, sqnrDb } = await optimised((row as Row).model, 'uint8');
    expect(sqnrDb).toBeGreaterThan(26);
    expect(operators).toMatchObject((row as Row).kernels);
  }
});
