import { augment, type AugmentSettings } from '../../data/augmentation.ts';
import type { BatchSource } from '../../data/batch-source.ts';
import { loadDigits, pictureAt, type DigitSet } from './data.ts';
import { digitNames, side } from './network.ts';

/** A digit written by another hand: a little turned, moved, larger or smaller. */
const writing: AugmentSettings = { rotateDeg: 12, shift: 0.08, scale: [0.88, 1.12], border: 0 };

export function digitSource(set: DigitSet): BatchSource {
  const rewrite = augment(writing);
  const shape = { width: side, height: side, channels: 1 };
  return {
    examples: set.count,
    fill: (indices, random) => {
      const count = indices.length;
      const pixels = new Uint8Array(count * side * side);
      const targets = new Float32Array(count * digitNames.length);
      indices.forEach((example, place) => {
        const out = pixels.subarray(place * side * side, (place + 1) * side * side);
        rewrite({ pixels: pictureAt(set, example), objects: [] }, shape, random, out);
        targets[place * digitNames.length + (set.labels[example] ?? 0)] = 1;
      });
      return {
        feeds: { image: { type: 'uint8', dims: [count, side, side, 1], data: pixels } },
        targets: { targets: { type: 'float32', dims: [count, digitNames.length], data: targets } },
      };
    },
  };
}

/** For the thread that prepares batches. */
export const createSource = async (): Promise<BatchSource> => digitSource((await loadDigits()).train);
