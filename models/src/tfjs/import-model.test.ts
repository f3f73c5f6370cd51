import type * as Core from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { elementCount, floats, type Tensor } from '../onnx/graph.ts';
import { simplify } from '../onnx/passes/simplify.ts';
import { compareModels } from '../onnx/compare.ts';
import { quantise } from '../quantise/quantise.ts';
import { runModel } from '../onnx/session.ts';
import { checkImport, compareOutputs, drawInputs } from './check-import.ts';
import { importNetwork, type ImportOptions } from './import-model.ts';
import type { TfjsFiles } from './open-model.ts';
import { differenceOf, openTfjs, type Tfjs, type TfjsRuntime } from './runtime.ts';
import { mobileNetwork } from './testing/network-rows.ts';
import { filesOf, randomise, save } from './testing/saved.ts';
import { readTopology } from './topology.ts';

let runtime: TfjsRuntime;
let tf: Tfjs;
beforeAll(async () => {
  runtime = await openTfjs();
  ({ tf } = runtime);
});

type Entry = Readonly<Record<string, unknown>>;

/** A Sequential model as its file has it. */
const sequential = (layers: readonly Entry[], shape: readonly (number | null)[] = [null, 4]): Entry => {
  const [first, ...others] = layers.map((layer, index): Entry => {
    const { class_name: className, ...config } = layer;
    return { class_name: className, config: { name: `layer ${index}`, ...config } };
  });
  const start = { ...first, config: { ...(first?.['config'] as Entry), batch_input_shape: shape } };
  return { format: 'layers-model', modelTopology: { class_name: 'Sequential', config: { name: 'net', layers: [start, ...others] } } };
};

const draw = (dims: readonly number[], label: string): Tensor<'float32'> => {
  const random = seededRandom(label);
  return floats(
    dims,
    Float32Array.from({ length: elementCount(dims) }, () => random.normal() * 0.5),
  );
};

/** The values of the only input. */
const floatsOf = (inputs: ReadonlyMap<string, Tensor>): number[] => [...inputs.values()].flatMap(({ data }) => Array.from(data as Float32Array));

const imported = (document: Entry, weights: Readonly<Record<string, readonly number[]>>, options: ImportOptions = {}) =>
  importNetwork(readTopology(document), new Map(Object.entries(weights).map(([name, dims]) => [name, draw(dims, name)])), options);

test('a causal convolution sees what was, as if zeros had come before', async () => {
  const settings = { class_name: 'Conv1D', filters: 4, kernel_size: [3], dilation_rate: [2], use_bias: false };
  const weights = { 'layer 0/kernel': [3, 2, 4] };
  const causal = imported(sequential([{ ...settings, padding: 'causal' }], [null, 9, 2]), weights);
  const inputs = drawInputs(causal, seededRandom(1));
  const x = tf.tensor(floatsOf(inputs), [2, 9, 2]);
  const kernel = draw([3, 2, 4], 'layer 0/kernel');
  const padded = tf.pad(x, [
    [0, 0],
    [4, 0],
    [0, 0],
  ]);
  const expected = tf.conv1d(padded as Core.Tensor3D, tf.tensor3d(kernel.data, [3, 2, 4]), 1, 'valid', 'NWC', 2);
  expect(await compareOutputs(causal, inputs, [floats(expected.shape, await expected.data())])).toBeLessThan(1e-5);
});

/** As Keras describes it; tfjs cannot do it. */
function resetAfterStep(x: readonly number[], state: readonly number[], kernel: Tensor, recurrent: Tensor, bias: Tensor): number[] {
  const units = state.length;
  const width = 3 * units;
  const product = (from: readonly number[], by: Tensor, row: number): number[] =>
    Array.from({ length: width }, (_, column) =>
      from.reduce((sum, value, index) => sum + value * Number(by.data[index * width + column]), Number(bias.data[row * width + column])),
    );
  const [given, kept] = [product(x, kernel, 0), product(state, recurrent, 1)];
  const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
  const at = (list: readonly number[], index: number): number => list[index] ?? 0;
  return state.map((old, unit) => {
    const update = sigmoid(at(given, unit) + at(kept, unit));
    const reset = sigmoid(at(given, units + unit) + at(kept, units + unit));
    const candidate = Math.tanh(at(given, 2 * units + unit) + reset * at(kept, 2 * units + unit));
    return update * old + (1 - update) * candidate;
  });
}

test.each([false, true])('a GRU that resets after the product, which tfjs does not load (step by step: %s)', async (unroll) => {
  const gru = { class_name: 'GRU', units: 3, reset_after: true, recurrent_activation: 'sigmoid', activation: 'tanh' };
  const weights = { 'layer 0/gru_cell/kernel': [2, 9], 'layer 0/gru_cell/recurrent_kernel': [3, 9], 'layer 0/gru_cell/bias': [2, 9] };
  const model = imported(sequential([gru], [1, 5, 2]), weights, { unroll });
  const inputs = drawInputs(model, seededRandom(1));
  const values = floatsOf(inputs);
  const [kernel, recurrent, bias] = Object.entries(weights).map(([name, dims]) => draw(dims, name)) as [Tensor, Tensor, Tensor];
  let state = [0, 0, 0];
  for (let step = 0; step < 5; step += 1) state = resetAfterStep(values.slice(2 * step, 2 * step + 2), state, kernel, recurrent, bias);
  expect(await compareOutputs(model, inputs, [floats([1, 3], state)])).toBeLessThan(1e-5);
});

test('images go in as they are in tfjs and are turned once; so are features where they are flattened', () => {
  const conv = { class_name: 'Conv2D', filters: 2, kernel_size: [3, 3], padding: 'same', use_bias: false };
  const { model } = imported(
    sequential([conv, { class_name: 'BatchNormalization' }, { class_name: 'MaxPooling2D' }, { class_name: 'Flatten' }], [null, 8, 8, 1]),
    {
      'layer 0/kernel': [3, 3, 1, 2],
      ...Object.fromEntries(['gamma', 'beta', 'moving_mean', 'moving_variance'].map((name) => [`layer 1/${name}`, [2]])),
    },
  );
  expect(model.graph.inputs).toEqual([{ name: 'layer 0_input', type: 'float32', dims: ['N', 8, 8, 1] }]);
  expect(model.graph.outputs).toEqual([{ name: 'layer 3', type: 'float32', dims: ['N', 32] }]);
  expect(model.graph.nodes.map(({ operator }) => operator)).toEqual(['Transpose', 'Conv', 'BatchNormalization', 'MaxPool', 'Transpose', 'Flatten']);
});

test('settings may be spelt as in Python or as in JavaScript', () => {
  const weights = { 'layer 0/kernel': [3, 3, 1, 2] };
  const [python, script] = [
    { class_name: 'Conv2D', filters: 2, kernel_size: [3, 3], use_bias: false, data_format: 'channels_last', activation: 'hard_sigmoid' },
    { class_name: 'Conv2D', filters: 2, kernelSize: [3, 3], useBias: false, dataFormat: 'channelsLast', activation: 'hardSigmoid' },
  ].map((settings) => imported(sequential([settings], [null, 8, 8, 1]), weights).model);
  expect(script).toEqual(python);
});

test('everything that is not supported is named at once, in nested models too, with what to do', () => {
  const nested = { class_name: 'Sequential', layers: [{ class_name: 'ConvLSTM2D', config: { name: 'moving' } }] };
  const document = sequential([
    { class_name: 'Dense', units: 3, activation: 'exponential' },
    { class_name: 'Lambda', name: 'mine' },
    { class_name: 'Conv2D', filters: 1, kernel_size: 1, groups: 2 },
    { class_name: 'LSTM', units: 2, stateful: true },
    { class_name: 'Dense', units: 3 },
    nested,
  ]);
  const refused = (): unknown => imported(document, {});
  expect(refused).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED', hint: expect.stringContaining('tf2onnx') }) as Error);
  for (const words of [
    'layer 0 (Dense)',
    'exponential',
    'mine (Lambda)',
    'layer 2 (Conv2D): groups',
    'layer 3 (LSTM): stateful',
    'moving (ConvLSTM2D)',
    'returnState',
  ]) {
    expect(refused, words).toThrow(words);
  }
});

test('what shows only when shapes are known is collected as well', () => {
  const document = sequential(
    [
      { class_name: 'BatchNormalization', axis: 1 },
      { class_name: 'Softmax', axis: 1 },
    ],
    [null, 4, 3],
  );
  expect(() => imported(document, {})).toThrow('layer 0 (BatchNormalization)');
  const masked = sequential([{ class_name: 'Embedding', input_dim: 5, output_dim: 2, mask_zero: true }, { class_name: 'Flatten' }]);
  expect(() => imported(masked, { 'layer 0/embeddings': [5, 2] })).toThrow(/layer 1 \(Flatten\): steps to be skipped.*in front of recurrent layers/);
  const graph = { format: 'graph-model', modelTopology: { node: [] } };
  expect(() => imported(graph, {})).toThrow(/a graph model/);
  const modern = {
    modelTopology: { class_name: 'Functional', config: { layers: [{ class_name: 'Dense', name: 'a', config: {}, inbound_nodes: [{ args: [] }] }] } },
  };
  expect(() => imported(modern, {})).toThrow(/Keras 3/);
});

test('weights that are missing, of another shape, or taken by nobody are refused by name', () => {
  const document = sequential([{ class_name: 'Dense', units: 3 }]);
  expect(() => imported(document, { 'layer 0/kernel': [4, 3] })).toThrow(/layer 0 \(Dense\): its weight layer 0\/bias is missing/);
  expect(() => imported(document, { 'layer 0/kernel': [3, 4], 'layer 0/bias': [3] })).toThrow(/should be \[4, 3\], found float32 \[3, 4\]/);
  expect(() => imported(document, { 'layer 0/kernel': [4, 3], 'layer 0/bias': [3], other: [1] })).toThrow(/no layer takes the weights other/);
});

async function openSaved(
  build: (all: Tfjs) => Parameters<typeof save>[1],
  options: ImportOptions = {},
): Promise<{ files: TfjsFiles; result: ReturnType<typeof importNetwork> }> {
  const model = build(tf);
  randomise(tf, model, seededRandom(7));
  const files = filesOf(await save(tf, model));
  return { files, result: importNetwork(files.network, files.weights, options) };
}

test('an imported network is simplified like any other, to the same outputs', async () => {
  const { files, result } = await openSaved((all) => mobileNetwork(all, 24, 4));
  expect(await checkImport(runtime, files, result, seededRandom(2))).toBeLessThan(1e-5);
  const simpler = await simplify(result.model);
  expect(simpler.graph.nodes.filter(({ operator }) => operator === 'BatchNormalization')).toEqual([]);
  expect(await compareModels(result.model, simpler, seededRandom(1), { dimensions: { N: 2 } })).toBeLessThan(1e-4);
});

test('an imported network is quantised like any other, wherever there is a kernel', async () => {
  const { result } = await openSaved((all) => mobileNetwork(all, 24, 4));
  const inputs = drawInputs(result, seededRandom(2), {}, 255);
  const { model: small } = await quantise(result.model, { batches: [Object.fromEntries(inputs)], eager: true });
  expect(small.graph.nodes.filter(({ operator }) => operator === 'QuantizeLinear').length).toBeGreaterThan(5);
  const [before, after] = [await runModel(result.model, inputs), await runModel(small, inputs)];
  expect(differenceOf(before.get('classes') ?? expect.unreachable(), after.get('classes'))).toBeLessThan(0.1);
});

test('weights quantised to 8, 16 bits and half floats are read as tfjs reads them', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4], name: 'd' })] });
  const saved = await save(tf, model);
  const [kernel, bias] = [seededRandom('kernel'), seededRandom('bias')];
  for (const [dtype, size] of [
    ['uint8', 1],
    ['uint16', 2],
    ['float16', 2],
  ] as const) {
    const bytes = Uint8Array.from({ length: 15 * size }, (_, index) => (dtype === 'float16' && index % 2 === 1 ? 0x38 + kernel.integer(8) : bias.integer(256)));
    const quantization = dtype === 'float16' ? { dtype } : { dtype, scale: 0.01, min: -1.28 };
    const weights = [
      { name: 'd/kernel', shape: [4, 3], dtype: 'float32', quantization },
      { name: 'd/bias', shape: [3], dtype: 'float32', quantization },
    ];
    const files = filesOf({ document: { ...saved.document, weightsManifest: [{ paths: ['a.bin'], weights }] }, bytes });
    expect(await checkImport(runtime, files, importNetwork(files.network, files.weights), seededRandom(1)), dtype).toBeLessThan(1e-6);
  }
});
