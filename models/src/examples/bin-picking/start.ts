import { SerinError } from '@serin/protocol/errors';

import { floats, type Model, type Tensor } from '../../onnx/graph.ts';
import { learningWeights } from '../../train/layers.ts';
import { withWeights } from '../../train/weights.ts';

/**
 * The network with the weights of a served model, float or quantised: what a retraining goes on from. Quantised
 * weights are read back into floats; the rounding is noise that a few steps of training undo.
 */
export function startFrom(network: Model, served: Model): Model {
  const weights = new Map<string, Tensor>();
  for (const name of learningWeights(network)) {
    const wanted = network.graph.initialisers.get(name) as Tensor<'float32'>;
    const found = readWeight(served, name);
    if (found === undefined || found.length !== wanted.data.length) {
      throw new SerinError('MODEL_INVALID', {
        detail: `it has ${found?.length ?? 'no'} numbers in ${name}, the network ${wanted.data.length}`,
        hint: 'Start from a version of the same network, or from scratch',
      });
    }
    weights.set(name, floats(wanted.dims, found));
  }
  return withWeights(network, weights);
}

function readWeight({ graph }: Model, name: string): Float32Array | undefined {
  const plain = graph.initialisers.get(name);
  if (plain?.type === 'float32') return plain.data as Float32Array;
  const whole = graph.initialisers.get(`${name}.int8`) ?? graph.initialisers.get(`${name}.int32`);
  const scales = graph.initialisers.get(`${name}.scale`);
  if (whole === undefined || scales?.type !== 'float32') return undefined;
  const each = whole.data.length / scales.data.length;
  return Float32Array.from(whole.data as Int8Array, (value, index) => value * Number(scales.data[Math.floor(index / each)]));
}
