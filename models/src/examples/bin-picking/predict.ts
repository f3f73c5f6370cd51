import { frameBytes, frameChannels, frameHeight, frameWidth } from '@serin/inference/bin-scene/parameters';
import { detectionFields, readDetections, type Detection } from '@serin/inference/detections';

import { evaluateDetections, type DetectionEvaluation } from '../../evaluate/detection.ts';
import type { Tensor } from '../../onnx/graph.ts';
import { openSession, runtimeTensor, type Session } from '../../onnx/session.ts';
import type { BinSample } from './data.ts';
import { detectionRows, detectionsOutput, frameInput } from './network.ts';

const batchMax = 16;

export const frameTensor = (pixels: Uint8Array): Tensor<'uint8'> => ({
  type: 'uint8',
  dims: [pixels.length / frameBytes, frameHeight, frameWidth, frameChannels],
  data: pixels,
});

/** The frames one after the other, as the network takes them. */
export function framesTensor(samples: readonly BinSample[]): Tensor<'uint8'> {
  const pixels = new Uint8Array(samples.length * frameBytes);
  samples.forEach((sample, index) => pixels.set(sample.pixels, index * frameBytes));
  return frameTensor(pixels);
}

/** What the model sees in every frame, all of its rows. */
export async function predict(session: Session, samples: readonly BinSample[]): Promise<Detection[][]> {
  const found: Detection[][] = [];
  for (let start = 0; start < samples.length; start += batchMax) {
    const some = samples.slice(start, start + batchMax);
    const { type, data, dims } = framesTensor(some);
    const results = await session.run({ [frameInput]: runtimeTensor(type, data, dims) });
    const rows = results[detectionsOutput]?.data as Float32Array;
    some.forEach((_, index) => found.push(readDetections(rows, detectionRows, index * detectionRows * detectionFields, 0)));
  }
  return found;
}

/** The same of a file. */
export async function answer(model: Uint8Array, samples: readonly BinSample[], threads: number): Promise<Detection[][]> {
  const session = await openSession(model, { threads });
  try {
    return await predict(session, samples);
  } finally {
    await session.release();
  }
}

export async function judgeModel(session: Session, samples: readonly BinSample[]): Promise<DetectionEvaluation> {
  const found = await predict(session, samples);
  return evaluateDetections(samples.map(({ parts }, index) => ({ parts, detections: found[index] ?? [] })));
}
