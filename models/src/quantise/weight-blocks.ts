import { roundHalfEven } from './parameters.ts';
import type { Product } from './products.ts';

export type BlockBits = 4 | 8;

export interface BlockLayout {
  readonly bits: BlockBits;
  /** Weights of one column that share a scale: a power of two, at least 16. */
  readonly blockSize: number;
  /** A zero point for every block: finer where the weights of a block lie to one side. */
  readonly zeroPoints: boolean;
}

/** As MatMulNBits takes them: column after column, block after block, two weights a byte (the first in the low half) with 4 bits. */
export interface WeightBlocks {
  readonly blocks: number;
  readonly data: Uint8Array;
  readonly scales: Float32Array;
  /** Packed like the weights, every column beginning a byte; undefined: the middle of the range. */
  readonly zeroPoints: Uint8Array | undefined;
}

const clamp = (value: number, high: number): number => Math.min(high, Math.max(0, value));

export function packBlocks(
  product: Pick<Product, 'weight' | 'depth' | 'width' | 'rowStep' | 'columnStep'>,
  { bits, blockSize, zeroPoints }: BlockLayout,
): WeightBlocks {
  const { weight, depth, width, rowStep, columnStep } = product;
  const blocks = Math.ceil(depth / blockSize);
  const [most, middle] = [2 ** bits - 1, 2 ** (bits - 1)];
  const rowBytes = Math.ceil((blocks * bits) / 8);
  const data = new Uint8Array((width * blocks * blockSize * bits) / 8);
  const scales = new Float32Array(width * blocks);
  const zeros = new Uint8Array(width * rowBytes);
  const put = (bytes: Uint8Array, base: number, place: number, value: number): void => {
    const index = base + (bits === 8 ? place : place >> 1);
    bytes[index] = (bytes[index] ?? 0) | (bits === 4 && place % 2 === 1 ? value << 4 : value);
  };

  for (let column = 0; column < width; column += 1) {
    for (let block = 0; block < blocks; block += 1) {
      const from = block * blockSize;
      const to = Math.min(depth, from + blockSize);
      let [low, high] = [0, 0];
      for (let row = from; row < to; row += 1) {
        const value = weight.data[row * rowStep + column * columnStep] as number;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      const { scale, zero } = zeroPoints ? spread(low, high, most) : { scale: stepOf(Math.max(-low, high), middle - 1), zero: middle };
      const place = column * blocks + block;
      scales[place] = scale;
      put(zeros, column * rowBytes, block, zero);
      for (let row = from; row < from + blockSize; row += 1) {
        const value = row < to ? (weight.data[row * rowStep + column * columnStep] as number) : 0;
        put(data, (place * blockSize * bits) / 8, row - from, clamp(roundHalfEven(value / scale) + zero, most));
      }
    }
  }
  return { blocks, data, scales, zeroPoints: zeroPoints ? zeros : undefined };
}

function stepOf(width: number, steps: number): number {
  const scale = Math.fround(width / steps);
  return scale > 1e-30 ? scale : 1;
}

function spread(low: number, high: number, most: number): { scale: number; zero: number } {
  const scale = stepOf(high - low, most);
  return { scale, zero: clamp(roundHalfEven(-low / scale), most) };
}
