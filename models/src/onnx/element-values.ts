import { elementCount, type ElementType, type Tensor } from './graph.ts';
import type { ValueType } from './shape-rules/rule.ts';

/** The elements as numbers, 16-bit floats decoded. */
export function* elementValues({ type, data }: Tensor): Generator<number> {
  if (type === 'float16') for (const bits of data) yield fromHalf(Number(bits));
  else if (type === 'bfloat16') for (const bits of data) yield fromBrain(Number(bits));
  else for (const value of data) yield Number(value);
}

function fromHalf(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** The upper half of a float32. */
const fromBrain = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0] ?? Number.NaN;

const bytesOf: Readonly<Record<ElementType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  bool: 1,
};
export const valueBytes = ({ type, dims }: ValueType): number => elementCount(dims) * bytesOf[type];
