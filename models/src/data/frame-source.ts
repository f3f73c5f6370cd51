import type { FrameShape } from '@serin/inference/image-statistics';

import { augment, type AugmentSettings } from './augmentation.ts';
import type { BatchSource } from './batch-source.ts';
import { inParallel } from './parallel.ts';
import type { Encode, Truth } from './targets.ts';

export interface Frame extends Truth {
  /** uint8, row by row, channels last. Read only. */
  readonly pixels: Uint8Array;
}

export interface FrameSourceOptions {
  readonly examples: number;
  readonly shape: FrameShape;
  /** A frame by number, from wherever; always the same for the same number. */
  load(index: number): Frame | Promise<Frame>;
  readonly encode: Encode;
  /** Name of the model's input; it gets uint8 `[N, height, width, channels]`. */
  readonly input?: string | undefined;
  readonly augment?: AugmentSettings | undefined;
  /** Frames that are loaded at a time. */
  readonly concurrency?: number | undefined;
  readonly close?: () => Promise<void>;
}

/** Batches of frames, changed anew each time they are handed out when `augment` says so. */
export function frameSource({ examples, shape, load, encode, input = 'image', concurrency = 4, ...rest }: FrameSourceOptions): BatchSource {
  const change = augment(rest.augment ?? {});
  const frameBytes = shape.width * shape.height * shape.channels;
  return {
    examples,
    fill: async (indices, random) => {
      const data = new Uint8Array(indices.length * frameBytes);
      const truths: Truth[] = Array.from(indices, () => ({ label: -1, objects: [] }));
      await inParallel(indices.length, concurrency, async (place) => {
        const index = indices[place] ?? -1;
        if (index < 0 || index >= examples) throw new RangeError(`example ${index} of ${examples}`);
        const frame = await load(index);
        // Every place of the batch has numbers of its own, so it does not matter which frame is there first.
        const { objects } = change(frame, shape, random.fork(`place ${place}`), data.subarray(place * frameBytes, (place + 1) * frameBytes));
        truths[place] = { label: frame.label, objects };
      });
      const dims = [indices.length, shape.height, shape.width, shape.channels];
      return { feeds: { [input]: { type: 'uint8', dims, data } }, targets: encode(truths) };
    },
    ...(rest.close === undefined ? {} : { close: rest.close }),
  };
}
