import type { Random } from '@serin/inference/random';

import type { BatchSource } from '../../data/batch-source.ts';
import type { Tensor } from '../../onnx/graph.ts';
import { loadDigits, pictureAt, type DigitSet } from '../digits/data.ts';
import { side } from '../digits/network.ts';

export const rowWidth = 192;
export const rowHeight = 48;
const channels = 3;
const digitsPerRow = 6;
const pitch = rowWidth / digitsPerRow;
export const poses = ['upright', 'upside down'] as const;

/** A row of six handwritten digits, dark on light, one time in two turned upside down. Composed from real digits. */
export function drawRow(set: DigitSet, random: Random, out: Uint8Array): number {
  out.fill(0);
  for (let place = 0; place < digitsPerRow; place += 1) {
    const digit = pictureAt(set, random.integer(set.count));
    const left = place * pitch + random.integer(pitch - side + 1);
    const top = random.integer(rowHeight - side + 1);
    for (let y = 0; y < side; y += 1) out.set(digit.subarray(y * side, (y + 1) * side), (top + y) * rowWidth + left);
  }
  const pose = random.integer(poses.length);
  if (pose === 1) out.reverse();
  return pose;
}

/** As the imported classifier wants its pictures: three equal channels of numbers from -1 to 1. */
export function drawRows(set: DigitSet, count: number, random: Random): { images: Tensor<'float32'>; labels: Uint8Array } {
  const plane = rowWidth * rowHeight;
  const images = new Float32Array(count * channels * plane);
  const labels = new Uint8Array(count);
  const row = new Uint8Array(plane);
  for (let index = 0; index < count; index += 1) {
    labels[index] = drawRow(set, random.fork(`row ${index}`), row);
    const start = index * channels * plane;
    for (let pixel = 0; pixel < plane; pixel += 1) images[start + pixel] = 1 - (2 * (row[pixel] ?? 0)) / 255;
    for (let channel = 1; channel < channels; channel += 1) images.copyWithin(start + channel * plane, start, start + plane);
  }
  return { images: { type: 'float32', dims: [count, channels, rowHeight, rowWidth], data: images }, labels };
}

export const rowSource = (set: DigitSet, rows: number): BatchSource => ({
  examples: rows,
  fill: (indices, random) => {
    const { images, labels } = drawRows(set, indices.length, random);
    const targets = new Float32Array(labels.length * poses.length);
    labels.forEach((label, place) => (targets[place * poses.length + label] = 1));
    return { feeds: { x: images }, targets: { targets: { type: 'float32', dims: [labels.length, poses.length], data: targets } } };
  },
});

/** For the thread that prepares batches. */
export const createSource = async ({ rows }: { rows: number }): Promise<BatchSource> => rowSource((await loadDigits()).train, rows);
