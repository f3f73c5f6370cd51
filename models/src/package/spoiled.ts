import { seededRandom, shuffle, type Random } from '@serin/inference/random';
import { golden as goldenSchema } from '@serin/protocol/bundle/golden';
import type { BundlePart } from '@serin/protocol/bundle/manifest';
import { fromBase64 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';

import type { Model, Tensor } from '../onnx/graph.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { openSession } from '../onnx/session.ts';
import { makeGolden, type NamedTensors } from './golden.ts';
import { jsonBytes, type TrainedVersion } from './version.ts';

/**
 * A version that is packaged in every way as it should be and knows nothing: its weights lie in the wrong places.
 * Its golden vectors are its own, so it passes warm-up, and only its work in service gives it away.
 */
export async function spoilVersion(version: TrainedVersion, seed = 1): Promise<TrainedVersion> {
  const random = seededRandom(seed).fork('spoil');
  const spoiled = new Map<string | undefined, Uint8Array>();
  for (const { role, variant, bytes } of version.files) {
    if (role === 'model') spoiled.set(variant, writeModel(scramble(readModel(bytes), random.fork(variant ?? ''))));
  }
  const files: BundlePart[] = [];
  for (const part of version.files) {
    const model = spoiled.get(part.variant) ?? [...spoiled.values()][0];
    if (part.role === 'model' && model !== undefined) files.push({ ...part, bytes: model });
    else if (part.role === 'golden' && model !== undefined) files.push({ ...part, bytes: await answerAnew(part.bytes, model) });
    // What was measured is not of this model.
    else if (part.role !== 'report') files.push(part);
  }
  return { ...version, files };
}

/** The same questions with the answers of another model. */
async function answerAnew(goldenBytes: Uint8Array, model: Uint8Array): Promise<Uint8Array> {
  const { vectors, tolerance } = goldenSchema.parse(JSON.parse(new TextDecoder().decode(goldenBytes)));
  const session = await openSession(model);
  try {
    const inputs = vectors.map((vector) => Object.fromEntries(Object.entries(vector.inputs).map(([name, input]) => [name, frameOf(input)])));
    return jsonBytes(await makeGolden(session, inputs, tolerance));
  } finally {
    void session.release();
  }
}

function frameOf({ dtype, shape, data }: { dtype: string; shape: number[]; data: string }): NamedTensors[string] {
  if (dtype !== 'uint8')
    throw new SerinError('MODEL_UNSUPPORTED', { detail: `inputs of type ${dtype}`, hint: 'Only versions that answer frames can be spoiled' });
  return { type: 'uint8', dims: shape, data: fromBase64(data) };
}

/** Shuffles the numbers inside every weight matrix; shapes, ranges and biases stay plausible. */
function scramble(model: Model, random: Random): Model {
  const initialisers = new Map<string, Tensor>();
  for (const [name, tensor] of model.graph.initialisers) {
    const isWeight = tensor.dims.length >= 2 && (tensor.type === 'float32' || tensor.type === 'int8');
    initialisers.set(name, isWeight ? permuted(tensor, random.fork(name)) : tensor);
  }
  return { ...model, graph: { ...model.graph, initialisers } };
}

function permuted(tensor: Tensor, random: Random): Tensor {
  const order = shuffle(
    random,
    Int32Array.from({ length: tensor.data.length }, (_, index) => index),
  );
  const data = tensor.data.slice();
  order.forEach((from, to) => {
    data[to] = tensor.data[from] ?? 0;
  });
  return { ...tensor, data };
}
