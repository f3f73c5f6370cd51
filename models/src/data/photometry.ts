import type { FrameShape } from '@serin/inference/image-statistics';
import type { Random } from '@serin/inference/random';

/** How light and lens change a frame: applied in this order, each as a factor or power that is 1 when it does nothing. */
export interface Tone {
  /** Factor of every value. */
  readonly brightness: number;
  /** Factor of the distance from mid grey. */
  readonly contrast: number;
  /** Power of the value between 0 and 1: above 1 darkens the middle. */
  readonly gamma: number;
  /** Factors by channel; one missing is 1. */
  readonly gains: readonly number[];
}

const middle = 127.5;
const toByte = (value: number): number => (value <= 0 ? 0 : value >= 255 ? 255 : Math.round(value));

function toneTable({ brightness, contrast, gamma }: Tone, gain: number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => {
    const stretched = (value * brightness * gain - middle) * contrast + middle;
    return toByte(gamma === 1 ? stretched : 255 * Math.min(1, Math.max(0, stretched / 255)) ** gamma);
  });
}

/** In place; whatever is combined costs one look-up a value. */
export function applyTone(pixels: Uint8Array, channels: number, tone: Tone): void {
  const gains = Array.from({ length: channels }, (_, channel) => tone.gains[channel] ?? 1);
  if (tone.brightness === 1 && tone.contrast === 1 && tone.gamma === 1 && gains.every((gain) => gain === 1)) return;
  if (gains.every((gain) => gain === gains[0])) {
    const table = toneTable(tone, gains[0] ?? 1);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = table[pixels[at] as number] as number;
    return;
  }
  gains.forEach((gain, channel) => {
    const table = toneTable(tone, gain);
    for (let at = channel; at < pixels.length; at += channels) pixels[at] = table[pixels[at] as number] as number;
  });
}

/** Weights of the pixels at distance 0, 1, ... in 256ths, which the whole kernel adds up to exactly. */
export function blurWeights(sigma: number): number[] {
  const radius = Math.max(1, Math.ceil(2.5 * sigma));
  const bell = Array.from({ length: radius + 1 }, (_, distance) => Math.exp(-0.5 * (distance / sigma) ** 2));
  const sum = bell.reduce((total, weight, distance) => total + (distance === 0 ? weight : 2 * weight), 0);
  const sides = bell.slice(1).map((weight) => Math.round((256 * weight) / sum));
  return [256 - 2 * sides.reduce((total, weight) => total + weight, 0), ...sides];
}

/** Below this the neighbours weigh less than half a 256th. */
const leastSigma = 0.29;

/** Gaussian blur in place, rows then columns; the edge continues beyond the picture. `scratch` has the size of the frame. */
export function blur(pixels: Uint8Array, { width, height, channels }: FrameShape, sigma: number, scratch: Uint16Array): void {
  if (sigma < leastSigma) return;
  const weights = Int32Array.from(blurWeights(sigma));
  const margin = (weights.length - 1) * channels;
  const stride = width * channels;
  // A row with its edge pixels repeated, so that the inner loop asks nothing.
  const line = new Uint8Array(stride + 2 * margin);
  for (let row = 0; row < height; row += 1) {
    const start = row * stride;
    line.set(pixels.subarray(start, start + stride), margin);
    for (let at = 0; at < margin; at += 1) {
      line[at] = pixels[start + (at % channels)] as number;
      line[margin + stride + at] = pixels[start + stride - channels + (at % channels)] as number;
    }
    for (let at = 0; at < stride; at += 1) scratch[start + at] = weigh(line, margin + at, weights, channels);
  }
  const above = new Int32Array(weights.length);
  const below = new Int32Array(weights.length);
  for (let row = 0; row < height; row += 1) {
    for (let distance = 0; distance < weights.length; distance += 1) {
      above[distance] = (Math.max(0, row - distance) - row) * stride;
      below[distance] = (Math.min(height - 1, row + distance) - row) * stride;
    }
    for (let at = row * stride; at < (row + 1) * stride; at += 1) {
      let sum = (weights[0] as number) * (scratch[at] as number) + 32768;
      for (let distance = 1; distance < weights.length; distance += 1) {
        const pair = (scratch[at + (above[distance] as number)] as number) + (scratch[at + (below[distance] as number)] as number);
        sum += (weights[distance] as number) * pair;
      }
      pixels[at] = sum >> 16;
    }
  }
}

function weigh(line: Uint8Array, at: number, weights: Int32Array, step: number): number {
  let sum = (weights[0] as number) * (line[at] as number);
  for (let distance = 1, away = step; distance < weights.length; distance += 1, away += step) {
    sum += (weights[distance] as number) * ((line[at - away] as number) + (line[at + away] as number));
  }
  return sum;
}

/** Inverse of the normal distribution function (Acklam), good to 1e-9 relative. */
function normalQuantile(share: number): number {
  const horner = (coefficients: readonly number[], at: number): number => coefficients.reduce((sum, coefficient) => sum * at + coefficient, 0);
  if (share > 0.5) return -normalQuantile(1 - share);
  if (share < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(share));
    return (
      horner([-7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783], q) /
      horner([7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1], q)
    );
  }
  const q = share - 0.5;
  const r = q * q;
  return (
    (horner([-3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1, 2.506628277459239], r) * q) /
    horner([-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1, 1], r)
  );
}

/** A normal deviate for each byte, scaled back to a deviation of 1: drawing from it is one look-up, four to a word. */
const deviates = ((): Float64Array => {
  const values = Float64Array.from({ length: 256 }, (_, byte) => normalQuantile((byte + 0.5) / 256));
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  return values.map((value) => value / deviation);
})();

/** Adds normal noise in place, each value on its own. */
export function addNoise(pixels: Uint8Array, sigma: number, random: Random): void {
  if (sigma === 0) return;
  const grain = Int16Array.from(deviates, (deviate) => Math.round(deviate * sigma));
  let bits = 0;
  for (let at = 0; at < pixels.length; at += 1) {
    bits = (at & 3) === 0 ? random.bits() : bits >>> 8;
    const value = (pixels[at] as number) + (grain[bits & 255] as number);
    pixels[at] = value < 0 ? 0 : value > 255 ? 255 : value;
  }
}

/** Covers rectangles of up to `size` of each side, each in a colour of its own, in place. */
export function occlude(pixels: Uint8Array, { width, height, channels }: FrameShape, count: number, size: number, random: Random): void {
  for (let rectangle = 0; rectangle < count; rectangle += 1) {
    const wide = Math.round(random.uniform() * size * width);
    const high = Math.round(random.uniform() * size * height);
    const left = random.integer(width - wide + 1);
    const top = random.integer(height - high + 1);
    const colour = random.bits();
    for (let row = top; row < top + high; row += 1) {
      for (let at = (row * width + left) * channels; at < (row * width + left + wide) * channels; at += 1) {
        pixels[at] = (colour >>> ((at % channels) * 8)) & 255;
      }
    }
  }
}
