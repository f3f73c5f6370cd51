import { SerinError } from '@serin/protocol/errors';

import type { Model } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import type { Batch } from '../quantise/batches.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import type { Wrapped } from './wrap.ts';

/** Frames of a model one after the other. */
export interface Frames {
  readonly count: number;
  readonly pixels: Uint8Array;
}

/** Values of one output for all frames, `width` of them a frame. */
export interface Told {
  readonly values: Float32Array;
  readonly width: number;
}

export interface AskOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
}

export type Served = Pick<Wrapped, 'input' | 'frame'>;

/** One frame as the model takes it. */
export function frameBatch({ input, frame }: Served, { pixels }: Frames, place: number): Batch {
  if (input === undefined || frame === undefined) throw new RangeError('the model takes no frames');
  const { width, height, channels } = frame;
  const bytes = width * height * channels;
  return { [input]: { type: 'uint8', dims: [1, height, width, channels], data: pixels.subarray(place * bytes, (place + 1) * bytes) } };
}

/** Asks about every frame, one at a time as a device does: many models take no more. Every float output, in its own order. */
export async function askModel(model: Model, served: Served, frames: Frames, { threads = 1, signal }: AskOptions = {}): Promise<ReadonlyMap<string, Told>> {
  const names = model.graph.outputs.filter(({ type }) => type === 'float32').map(({ name }) => name);
  const session = await openSession(writeModel(model), { threads });
  const told = new Map<string, Told>();
  try {
    for (let place = 0; place < frames.count; place += 1) {
      throwIfCancelled(signal);
      const feeds = Object.entries(frameBatch(served, frames, place)).map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)] as const);
      const results = await session.run(Object.fromEntries(feeds));
      for (const name of names) {
        const data = results[name]?.data as Float32Array;
        const known = told.get(name) ?? { values: new Float32Array(data.length * frames.count), width: data.length };
        if (known.width !== data.length)
          throw new SerinError('MODEL_UNSUPPORTED', {
            detail: `its output ${name} has ${known.width} numbers for one frame and ${data.length} for another of the same size`,
            hint: 'Give it outputs of a fixed size: the best k, or padded rows',
          });
        known.values.set(data, place * known.width);
        told.set(name, known);
      }
      // What runs the model does not let go of the thread: without this no cancellation would come through.
      if (place % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return told;
  } finally {
    await session.release();
  }
}
