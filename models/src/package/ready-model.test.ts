import { expect, test } from 'vitest';

import { golden as goldenSchema } from '@serin/protocol/bundle/golden';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, longs, type Dimension, type Model } from '../onnx/graph.ts';
import { readProto, writeModel } from '../onnx/model-file.ts';
import { modelTable, type NodeProto } from '../onnx/schema.ts';
import { encodeMessage } from '../onnx/wire.ts';
import { castTo } from '../train/tape.ts';
import { packReadyModel } from './ready-model.ts';
import type { TrainedVersion } from './version.ts';

const labels = ['empty', 'washer', 'nut', 'bolt', 'bracket'];
const json = (version: TrainedVersion, role: string): unknown => JSON.parse(new TextDecoder().decode(version.files.find((file) => file.role === role)?.bytes));

function linear(dims: Dimension[], edit: Partial<Model> = {}, scale = 1): Uint8Array {
  const builder = createGraphBuilder('linear');
  const x = builder.input('x', 'float32', dims);
  builder.add('Mul', [x, builder.constant(floats([], [scale]))], {}, ['y']);
  builder.output('y', 'float32', dims);
  return writeModel({ ...createModel(builder.finish()), ...edit });
}

/** A model of frames that answers with that output, whatever is on them. */
function ofFrames(output: string, dims: number[]): Uint8Array {
  const builder = createGraphBuilder('frames');
  const frame = builder.input('frame', 'uint8', ['N', 32, 32, 3]);
  const sums = builder.add('ReduceSum', [builder.add('Cast', [frame], castTo('float32')), builder.constant(longs([1, 2, 3]))], { keepdims: int(0) });
  const wide = builder.add('Unsqueeze', [sums, builder.constant(longs(dims.map((_, axis) => axis + 1)))]);
  const none = builder.add('Mul', [wide, builder.constant(floats(dims, new Float32Array(dims.reduce((a, b) => a * b))))]);
  builder.add('Add', [none, builder.constant(floats([], [0.2]))], {}, [output]);
  builder.output(output, 'float32', ['N', ...dims]);
  return writeModel(createModel(builder.finish()));
}

test('what a model of frames answers with tells its task', async () => {
  const taskOf = async (output: string, dims: number[], names: string[] = labels) =>
    (await packReadyModel(ofFrames(output, dims), { seed: 1, labels: names })).task;
  expect(await taskOf('detections', [8, 5])).toBe('detection');
  expect(await taskOf('probabilities', [5])).toBe('image-classification');
  expect([
    await taskOf('detections', [8, 6]),
    await taskOf('detections', [8, 5], []),
    await taskOf('probabilities', [4]),
    await taskOf('boxes', [8, 5]),
  ]).toEqual(['tensor', 'tensor', 'tensor', 'tensor']);
});

test('an image classifier is packaged with golden vectors and bins that cannot alarm yet', async () => {
  const version = await packReadyModel(ofFrames('probabilities', [5]), { seed: 1, labels });
  expect(version.task).toBe('image-classification');
  expect(version.inputs).toEqual([{ name: 'frame', dtype: 'uint8', shape: [-1, 32, 32, 3] }]);
  expect(version.files.map(({ path }) => path)).toEqual(['model.fp32.onnx', 'golden.fp32.json', 'profile.json']);
  const golden = goldenSchema.parse(json(version, 'golden'));
  expect(golden.vectors.length).toBe(8);
  expect(golden.vectors[0]?.outputs['probabilities']?.length).toBe(5);
  const profile = profileSchema.parse(json(version, 'profile'));
  expect(profile.statistics.map(({ name }) => name)).toEqual(['brightness', 'contrast', 'sharpness', 'confidence']);
  for (const { nullPsi, counts } of profile.statistics) {
    expect(nullPsi).toEqual([]);
    expect(counts.every((count) => count === 0)).toBe(true);
  }
});

test('an embedding beside the answer leaves the task what it is, and classes have a place to be counted in', async () => {
  const builder = createGraphBuilder('embedding');
  const frame = builder.input('frame', 'uint8', ['N', 32, 32, 3]);
  const sums = builder.add('ReduceSum', [builder.add('Cast', [frame], castTo('float32')), builder.constant(longs([1, 2]))], { keepdims: int(0) });
  builder.add('Softmax', [sums], { axis: int(1) }, ['probabilities']);
  builder.add('Cos', [sums], {}, ['embedding']);
  for (const name of ['embedding', 'probabilities']) builder.output(name, 'float32', ['N', 3]);
  const version = await packReadyModel(writeModel(createModel(builder.finish())), { seed: 1, labels: labels.slice(0, 3) });
  expect(version.task).toBe('image-classification');
  expect(version.outputs.map(({ name }) => name)).toEqual(['embedding', 'probabilities']);
  expect(profileSchema.parse(json(version, 'profile')).classConfidence).toEqual(Array.from({ length: 30 }, () => 0));
});

test('any other model is served as tensors, its tolerance in proportion to its outputs', async () => {
  const version = await packReadyModel(linear(['N', 3], {}, 10_000), { seed: 1 });
  expect(version.task).toBe('tensor');
  const profile = profileSchema.parse(json(version, 'profile'));
  expect(profile.statistics).toEqual([]);
  expect(profile).not.toHaveProperty('classConfidence');
  const { tolerance } = goldenSchema.parse(json(version, 'golden'));
  expect(tolerance).toBeGreaterThan(1);
  expect(tolerance).toBeLessThanOrEqual(10);
});

test('the same seed draws the same golden vectors', async () => {
  const pack = async (seed: number) => json(await packReadyModel(linear([1, 4]), { seed }), 'golden');
  expect(await pack(1)).toEqual(await pack(1));
  expect(await pack(1)).not.toEqual(await pack(2));
});

test('files that cannot be served are refused with a code, a reason and a remedy', async () => {
  const external = readProto(linear([1]));
  for (const tensor of external.graph.initialisers) tensor.dataLocation = 1;
  const silent = readProto(linear([1]));
  silent.graph.outputs = [];
  const edited = (change: (node: NodeProto) => void): ReturnType<typeof readProto> => {
    const proto = readProto(linear([1]));
    proto.graph.nodes.forEach(change);
    return proto;
  };
  const foreign = edited((node) => (node.domain = 'acme.ops'));
  const unknown = edited((node) => (node.operator = 'Magic'));
  const circular = edited((node) => (node.inputs = ['y', 'x']));
  const builder = createGraphBuilder('bomb');
  const shape = builder.add('Shape', [builder.input('x', 'float32', [2 ** 10, 2 ** 10])]);
  const squared = builder.add('Mul', [shape, shape]);
  builder.add('ReduceSum', [builder.add('ConstantOfShape', [builder.add('Concat', [squared, squared, squared], { axis: int(0) })])], {}, ['y']);
  builder.output('y', 'float32', []);
  const bomb = createModel(builder.finish());
  const cases: [name: string, bytes: Uint8Array, code: string, detail: string, limit?: number][] = [
    ['not ONNX', new TextEncoder().encode('GIF89a, certainly'), 'MODEL_INVALID', ''],
    ['too large', linear([1]), 'MODEL_INVALID', 'limit', 10],
    ['no outputs', encodeMessage(silent, modelTable), 'MODEL_UNSUPPORTED', 'no outputs'],
    ['weights elsewhere', encodeMessage(external, modelTable), 'MODEL_UNSUPPORTED', 'another file'],
    ['old opset', linear([1], { opsets: { '': 6 } }), 'MODEL_UNSUPPORTED', 'version 6'],
    ['opset of the future', linear([1], { opsets: { '': 999 } }), 'MODEL_UNSUPPORTED', 'version 999'],
    ['foreign operators', encodeMessage(foreign, modelTable), 'MODEL_UNSUPPORTED', 'acme.ops'],
    ['an operator that is none', encodeMessage(unknown, modelTable), 'MODEL_LOAD_FAILED', ''],
    ['a result of 2^60 numbers', writeModel(bomb), 'MODEL_INVALID', 'limit'],
    ['nodes in a circle', encodeMessage(circular, modelTable), 'MODEL_INVALID', 'cycle'],
    ['not finite', linear([1, 2], {}, Number.POSITIVE_INFINITY), 'MODEL_UNSUPPORTED', 'not finite'],
    ['too much to compare', linear([1, 1_000_000]), 'MODEL_UNSUPPORTED', 'golden vectors'],
  ];
  for (const [name, bytes, code, detail, limit] of cases) {
    const packing = packReadyModel(bytes, { seed: 1, ...(limit === undefined ? {} : { sizeBytesMax: limit }) });
    await expect(packing, name).rejects.toMatchObject({ code, message: expect.stringContaining(detail), hint: expect.stringMatching(/\w/) });
  }
});
