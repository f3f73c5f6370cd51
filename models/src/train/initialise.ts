import type { Random } from '@serin/inference/random';

import { elementCount, floats, type Tensor } from '../onnx/graph.ts';

/** Draws a weight of these dims, each output of which is a sum over `inputs` numbers. */
export type Initialiser = (random: Random, dims: readonly number[], inputs: number) => Tensor<'float32'>;

/** He initialisation: normal with variance 2 / inputs, made for layers followed by Relu. */
export const heNormal: Initialiser = (random, dims, inputs) => normal(Math.sqrt(2 / inputs))(random, dims, inputs);

/** Glorot initialisation, its uniform form, with as many outputs as inputs. */
export const glorotUniform: Initialiser = (random, dims, inputs) => {
  const limit = Math.sqrt(3 / inputs);
  return drawn(dims, () => random.between(-limit, limit));
};

export const normal =
  (deviation: number): Initialiser =>
  (random, dims) =>
    drawn(dims, () => random.normal() * deviation);

const drawn = (dims: readonly number[], draw: () => number): Tensor<'float32'> => floats(dims, Array.from({ length: elementCount(dims) }, draw));

export const filled = (value: number, dims: readonly number[]): Tensor<'float32'> => floats(dims, new Float32Array(elementCount(dims)).fill(value));
export const zeros = (dims: readonly number[]): Tensor<'float32'> => filled(0, dims);
export const ones = (dims: readonly number[]): Tensor<'float32'> => filled(1, dims);
