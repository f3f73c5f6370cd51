import type { Random } from '@serin/inference/random';

import { elementCount, floats, type Tensor } from '../onnx/graph.ts';

/** He initialisation: normal with variance 2 / inputs, made for layers followed by Relu. */
export function heNormal(random: Random, dims: readonly number[], inputs: number): Tensor<'float32'> {
  const deviation = Math.sqrt(2 / inputs);
  return floats(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal() * deviation),
  );
}

export const zeros = (dims: readonly number[]): Tensor<'float32'> => floats(dims, new Float32Array(elementCount(dims)));
