/** The largest finite float16. */
export const halfMax = 65504;
/** The smallest float16 that a GPU does not take for zero. */
export const halfNormalMin = 2 ** -14;

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** The bits of the nearest float16, halves to even; infinite from 65520 on. */
export function toHalf(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Subnormal: a whole number of 2^-24, which adding 0.5 rounds to, a half to even.
  if (magnitude < 0x38800000) {
    floatView[0] = Math.abs(value) + 0.5;
    return sign | ((bitsView[0] ?? 0) - 0x3f000000);
  }
  const even = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + even) >>> 13);
}
