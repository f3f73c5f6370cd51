import { frameBytes, frameChannels, frameHeight, frameWidth, sceneLabels } from '@serin/inference/scene';

import type { FrameSet } from '../../data/frames.ts';
import type { Tensor } from '../../onnx/graph.ts';
import { runtimeTensor, type Session } from '../../onnx/session.ts';
import { frameInput, probabilitiesOutput } from './network.ts';

const batchMax = 256;

export const frameTensor = (pixels: Uint8Array, count: number): Tensor<'uint8'> => ({
  type: 'uint8',
  dims: [count, frameHeight, frameWidth, frameChannels],
  data: pixels,
});

/** Class probabilities of every frame, row after row. */
export async function predict(session: Session, set: FrameSet): Promise<Float32Array> {
  const classes = sceneLabels.length;
  const probabilities = new Float32Array(set.count * classes);
  for (let start = 0; start < set.count; start += batchMax) {
    const count = Math.min(batchMax, set.count - start);
    const { type, data, dims } = frameTensor(set.pixels.subarray(start * frameBytes, (start + count) * frameBytes), count);
    const results = await session.run({ [frameInput]: runtimeTensor(type, data, dims) });
    probabilities.set(results[probabilitiesOutput]?.data as Float32Array, start * classes);
  }
  return probabilities;
}
