import { seededRandom, shuffle, type Random } from '@serin/inference/random';

import type { Model, Tensor } from '../../onnx/graph.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import type { TrainedVersion } from '../../package/version.ts';
import { packModels, type BuiltVariant } from './pack.ts';

/**
 * A version that is packaged in every way as it should be and knows nothing: its weights lie in the wrong places.
 * Its golden vectors are its own, so it passes warm-up, and only its work in service gives it away.
 */
export async function spoilVersion(version: TrainedVersion, seed = 1): Promise<TrainedVersion> {
  const random = seededRandom(seed).fork('spoil');
  const built: BuiltVariant[] = [];
  try {
    for (const { role, variant, bytes } of version.files) {
      if (role !== 'model' || variant === undefined) continue;
      const scrambled = writeModel(scramble(readModel(bytes), random.fork(variant)));
      built.push({ variant, bytes: scrambled, session: await openSession(scrambled) });
    }
    const models = await packModels(built, random.fork('golden'));
    return { ...version, files: [...models, ...version.files.filter(({ role }) => role === 'profile')] };
  } finally {
    for (const { session } of built) void session.release();
  }
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
