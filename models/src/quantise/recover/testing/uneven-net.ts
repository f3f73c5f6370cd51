import { seededRandom } from '@serin/inference/random';

import { floats, type Model, type Tensor } from '../../../onnx/graph.ts';
import { defineModel, type Layers, type Value } from '../../../train/layers.ts';
import type { Batch } from '../../batches.ts';
import { prepare } from '../../prepare.ts';
import { findPairs, scaleChannels, type Pair } from '../equalise.ts';

/** Of noise, with biases that are none of zero. */
export async function randomNet(seed: number, define: (nn: Layers, x: Value) => Value): Promise<Model> {
  const model = defineModel('net', seed, (nn) => nn.output('y', define(nn, nn.input('x', 'float32', [3, 8, 8]))));
  const random = seededRandom(seed);
  const initialisers = new Map(
    [...model.graph.initialisers].map(([name, tensor]): [string, Tensor] => [name, name.endsWith('.bias') ? noise(random.integer(1e9), tensor.dims) : tensor]),
  );
  return (await prepare({ ...model, graph: { ...model.graph, initialisers } })).model;
}

export function noise(seed: number, dims: readonly number[]): Tensor<'float32'> {
  const random = seededRandom(seed);
  const count = dims.reduce((product, dim) => product * dim, 1);
  return floats(
    dims,
    Array.from({ length: count }, () => random.normal()),
  );
}

export const noiseBatches = (count: number, examples = 8): Batch[] =>
  Array.from({ length: count }, (_, index) => ({ x: noise(index + 1, [examples, 3, 8, 8]) }));

/** The same function with channels of very different sizes between some of its layers: 8 bits for all of them hold little of the small ones. */
export function unevenChannels(model: Model, octaves: number, which: (pair: Pair) => boolean = () => true): Model {
  const random = seededRandom(7);
  return findPairs(model)
    .filter(which)
    .reduce(
      (current, pair) =>
        scaleChannels(
          current,
          pair,
          Array.from({ length: pair.channels }, () => 2 ** random.between(-octaves / 2, octaves / 2)),
        ),
      model,
    );
}

/** Three convolutions, one of them depthwise, and a dense layer. */
export const smallNet = (): Promise<Model> =>
  randomNet(3, (nn, x) => {
    let value = nn.relu(nn.conv(x, 8, { name: 'first' }));
    value = nn.relu(nn.depthwise(value, { stride: 2, name: 'depthwise' }));
    value = nn.relu(nn.conv(value, 12, { kernel: 1, bias: false, name: 'pointwise' }));
    return nn.dense(nn.flatten(value), 5, { name: 'dense' });
  });
