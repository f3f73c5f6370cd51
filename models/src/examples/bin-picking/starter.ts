import { readFile } from 'node:fs/promises';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { SerinError } from '@serin/protocol/errors';

import { createModel, floats, type Model, type Tensor } from '../../onnx/graph.ts';
import { readModel, writeModel } from '../../onnx/model-file.ts';
import { learningWeights } from '../../train/layers.ts';

/**
 * Weights trained from scratch under the design light, so that a first version needs a few steps only. Five bits a
 * weight are enough for something that is trained on. `npm run example -- bin-picking-starter` makes them.
 */
const starterFile = new URL('../../../src/examples/bin-picking/starter.bin', import.meta.url);
const levels = 15;
const inflatedBytesMax = 16 * 1024 * 1024;

export function readStarter(bytes: Uint8Array): Model {
  try {
    return readModel(new Uint8Array(inflateRawSync(bytes, { maxOutputLength: inflatedBytesMax })));
  } catch (cause) {
    throw new SerinError('MODEL_INVALID', { detail: 'it is not a starter', hint: 'Train from scratch, or make the starter again', cause });
  }
}

/** The one that comes with this example. */
export const openStarter = async (): Promise<Model> => readStarter(await readFile(starterFile));

/** A file without a graph: only the weights, each with few levels a channel. */
export function packStarter(model: Model): Uint8Array {
  const initialisers = new Map<string, Tensor>();
  for (const name of learningWeights(model)) {
    const weight = model.graph.initialisers.get(name) as Tensor<'float32'>;
    if (weight.dims.length === 1) initialisers.set(name, weight);
    else for (const [part, tensor] of roughened(name, weight)) initialisers.set(part, tensor);
  }
  return deflateRawSync(writeModel(createModel({ name: 'starter', inputs: [], outputs: [], nodes: [], initialisers })), { level: 9 });
}

function roughened(name: string, { dims, data }: Tensor<'float32'>): [string, Tensor][] {
  const channels = dims[0] ?? 1;
  const each = data.length / channels;
  const scales = new Float32Array(channels);
  data.forEach((value, index) => {
    const channel = Math.floor(index / each);
    scales[channel] = Math.max(scales[channel] ?? 0, Math.abs(value) / levels);
  });
  const steps = Int8Array.from(data, (value, index) => Math.round(value / (scales[Math.floor(index / each)] || 1)));
  return [
    [`${name}.int8`, { type: 'int8', dims, data: steps }],
    [`${name}.scale`, floats([channels], scales)],
  ];
}
