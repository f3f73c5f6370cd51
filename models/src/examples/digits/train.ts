import { evaluate, type Evaluation } from '../../evaluate/metrics.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import type { Model } from '../../onnx/graph.ts';
import { softmaxCrossEntropy } from '../../train/losses.ts';
import { adam } from '../../train/optimiser.ts';
import { train, type TrainOptions, type TrainResult } from '../../train/train.ts';
import type { DigitSet } from './data.ts';
import { digitNames, digitsNetwork, side } from './network.ts';

export const usualEpochs = 30;

export type DigitOptions = Pick<TrainOptions, 'source' | 'seed' | 'epochs'> & Partial<TrainOptions>;

export const trainDigits = (options: DigitOptions): Promise<TrainResult> =>
  train({
    model: digitsNetwork(options.seed),
    loss: softmaxCrossEntropy({ logits: 'logits', smoothing: 0.02 }),
    optimiser: adam({ decay: 0.01 }),
    batch: 64,
    rate: 3e-3,
    averaging: 0.995,
    ...options,
  });

export async function judgeDigits(model: Model, set: DigitSet, threads = 1): Promise<Evaluation> {
  const session = await openSession(writeModel(model), { threads });
  try {
    const input = runtimeTensor('uint8', set.pixels, [set.count, side, side, 1]);
    const { probabilities } = await session.run({ image: input });
    return evaluate(probabilities?.data as Float32Array, set.labels, digitNames.length);
  } finally {
    await session.release();
  }
}
