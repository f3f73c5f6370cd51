/** How floats map onto 8 bits: real = (stored - zeroPoint) * scale. Computed in float64, halves rounded to even. */
export interface QuantisedRange {
  readonly scale: number;
  readonly zeroPoint: number;
}

export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

/** Below this a float32 scale would be subnormal, and dividing by it would overflow. */
const scaleMin = 1.1754943508222875e-38;
const bytes = 255;
const int32Max = 2147483647;

/** Added to a float64 of less than a third of it, this leaves no room for a fraction: the processor rounds, halves to even. */
const wholeOnly = 1.5 * 2 ** 52;

export const roundHalfEven = (value: number): number => (Math.abs(value) < 2 ** 51 ? value + wholeOnly - wholeOnly : Math.round(value));

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** uint8 parameters of an activation. Zero is always inside, so that padding and Relu stay exact. */
export function activationParameters({ min, max }: ValueRange): QuantisedRange {
  const low = Math.min(0, min);
  const high = Math.max(0, max);
  const scale = Math.fround((high - low) / bytes);
  if (!(scale >= scaleMin)) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: clamp(roundHalfEven(-low / scale), 0, bytes) };
}

/** The byte next to a value; those outside of the range become its ends. */
export const quantiseActivation = (value: number, { scale, zeroPoint }: QuantisedRange): number => clamp(roundHalfEven(value / scale) + zeroPoint, 0, bytes);

/**
 * Bits a weight may use. x64 processors without VNNI add two products of U8S8 in 16 saturating bits; with 7 bits
 * the sum always fits, so every machine computes the same.
 */
export type WeightBits = 7 | 8;

const weightMax = (bits: WeightBits): number => (bits === 8 ? 127 : 63);

/** One int8 scale for a channel of weights, symmetric around zero. */
export function weightScale(largest: number, bits: WeightBits): number {
  const scale = Math.fround(largest / weightMax(bits));
  return scale >= scaleMin ? scale : 1;
}

/** The smallest weight scale at which the bias still fits int32 under `inputScale * weightScale`. */
export const weightScaleForBias = (bias: number, inputScale: number): number => Math.fround((Math.abs(bias) / inputScale / int32Max) * 1.0001);

export const quantiseWeight = (value: number, scale: number, bits: WeightBits): number =>
  clamp(roundHalfEven(value / scale), -weightMax(bits), weightMax(bits));

export const quantiseBias = (value: number, scale: number): number => clamp(roundHalfEven(value / scale), -int32Max, int32Max);
