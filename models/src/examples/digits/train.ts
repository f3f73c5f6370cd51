import { seededRandom, shuffle } from '@serin/inference/random';
import { quantiseSettings } from '@serin/protocol/pipeline';

import { judgeClasses } from '../../evaluate/judged-classes.ts';
import type { Judged } from '../../evaluate/judged.ts';
import { valueOn } from '../../evaluate/measure.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import type { Model } from '../../onnx/graph.ts';
import { makeVariants, type Variants } from '../../package/make-variants.ts';
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

/** What a model says of the digits, judged. */
export async function judgeDigits(model: Model, set: DigitSet, threads = 1): Promise<Judged> {
  const session = await openSession(writeModel(model), { threads });
  try {
    const input = runtimeTensor('uint8', set.pixels, [set.count, side, side, 1]);
    const { probabilities } = await session.run({ image: input });
    return judgeClasses({ probabilities: probabilities?.data as Float32Array, labels: set.labels, names: digitNames });
  } finally {
    await session.release();
  }
}

const learntFrom = 128;
const chosenBy = 1000;

/** The model in 8 bits, where that is of use; the digits it is to be judged by have no say in it. */
export function quantiseDigits(model: Model, { pixels, labels }: DigitSet, seed: number, threads: number): Promise<Variants> {
  // They lie sorted by what they show.
  const order = shuffle(
    seededRandom(seed).fork('quantise'),
    Int32Array.from(labels, (_, index) => index),
  );
  const bytes = side * side;
  const pixelsAt = (place: number): Uint8Array => pixels.subarray((order[place] ?? 0) * bytes, ((order[place] ?? 0) + 1) * bytes);
  const one = (place: number) => ({ image: { type: 'uint8' as const, dims: [1, side, side, 1], data: pixelsAt(place) } });
  const some = new Uint8Array(chosenBy * bytes);
  for (let place = 0; place < chosenBy; place += 1) some.set(pixelsAt(place), place * bytes);
  const choosing = { count: chosenBy, pixels: some, labels: Uint8Array.from(order.subarray(0, chosenBy), (index) => labels[index] ?? 0) };
  return makeVariants(
    {
      model,
      settings: quantiseSettings.parse({ samples: learntFrom }),
      calibration: Array.from({ length: learntFrom }, (_, place) => one(place)),
      queries: Array.from({ length: 32 }, (_, place) => one(place)),
      metric: async (candidate) => valueOn(await judgeDigits(candidate, choosing, threads), 'accuracy'),
      seed,
    },
    { threads, memory: false, timeMsMax: 2000 },
  );
}
