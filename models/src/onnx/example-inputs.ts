import type { Random } from '@serin/inference/random';

import { elementCount, type Tensor, type TypedArrays, type ValueInfo } from './graph.ts';

/** A tensor of the declared type with random values that most models can take. */
export function drawTensor({ type }: ValueInfo, dims: readonly number[], random: Random): Tensor {
  const length = elementCount(dims);
  const fill = <Array>(array: { from(source: { length: number }, map: () => number): Array }, draw: () => number): Array => array.from({ length }, draw);
  const data = ((): TypedArrays[keyof TypedArrays] => {
    switch (type) {
      case 'uint8':
        return fill(Uint8Array, () => random.integer(256));
      case 'int8':
        return fill(Int8Array, () => random.integer(256) - 128);
      case 'bool':
        return fill(Uint8Array, () => random.integer(2));
      // Small, because whole numbers are mostly indices into something.
      case 'int32':
        return fill(Int32Array, () => random.integer(4));
      case 'int64':
        return BigInt64Array.from({ length }, () => BigInt(random.integer(4)));
      case 'uint16':
        return fill(Uint16Array, () => random.integer(4));
      case 'int16':
        return fill(Int16Array, () => random.integer(4));
      case 'uint32':
        return fill(Uint32Array, () => random.integer(4));
      case 'uint64':
        return BigUint64Array.from({ length }, () => BigInt(random.integer(4)));
      case 'float64':
        return fill(Float64Array, () => random.uniform());
      // The bits of 1 to 2: the largest exponent that has a fraction to draw.
      case 'float16':
        return fill(Uint16Array, () => 0x3c00 + random.integer(0x400));
      case 'bfloat16':
        return fill(Uint16Array, () => 0x3f80 + random.integer(0x80));
      default:
        return fill(Float32Array, () => random.uniform());
    }
  })();
  return { type, dims, data };
}
