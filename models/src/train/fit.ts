import { shuffle, type Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import type { Tensor } from '../onnx/graph.ts';
import type { Trainer } from './trainer.ts';

export interface FitProgress {
  readonly step: number;
  readonly steps: number;
  /** Mean loss over the steps since the last report. */
  readonly loss: number;
  readonly examplesPerSecond: number;
}

export interface FitOptions {
  readonly trainer: Trainer;
  readonly examples: number;
  readonly batch: number;
  readonly epochs: number;
  /** Highest learning rate: reached after a short warm-up, then lowered to zero along a half cosine. */
  readonly rate: number;
  readonly random: Random;
  /** Fills one batch: the model's inputs and the targets of the examples with these indices. */
  fill(indices: Int32Array, random: Random): { feeds: Record<string, Tensor>; targets: Float32Array };
  onProgress?(progress: FitProgress): void;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from any origin; only the reported speed depends on it. */
  now(): number;
}

const warmUpShare = 0.05;
const reportEvery = 20;

export function rateAt(step: number, steps: number, highest: number): number {
  const warmUp = Math.max(1, Math.round(steps * warmUpShare));
  if (step <= warmUp) return (highest * step) / warmUp;
  return (highest * (1 + Math.cos((Math.PI * (step - warmUp)) / Math.max(1, steps - warmUp)))) / 2;
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new SerinError('CANCELLED', { cause: signal.reason });
}

/** Shuffled epochs of whole batches; what is left over at the end of an epoch waits for the next shuffle. */
export async function fit(options: FitOptions): Promise<number> {
  const { trainer, examples, batch, epochs, random, signal } = options;
  const stepsPerEpoch = Math.floor(examples / batch);
  if (stepsPerEpoch === 0) {
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', { detail: `${examples} examples do not fill a batch of ${batch}` });
  }
  const steps = stepsPerEpoch * epochs;
  const order = Int32Array.from({ length: examples }, (_, index) => index);
  let step = 0;
  let lossSum = 0;
  let lossCount = 0;
  let loss = Number.NaN;
  let reportedAt = options.now();

  for (let epoch = 0; epoch < epochs; epoch += 1) {
    shuffle(random, order);
    for (let index = 0; index < stepsPerEpoch; index += 1) {
      throwIfCancelled(signal);
      step += 1;
      const { feeds, targets } = options.fill(order.subarray(index * batch, (index + 1) * batch), random);
      lossSum += await trainer.step(feeds, targets, rateAt(step, steps, options.rate));
      lossCount += 1;
      if (lossCount === reportEvery || step === steps) {
        const now = options.now();
        loss = lossSum / lossCount;
        const seconds = Math.max(1e-3, (now - reportedAt) / 1000);
        options.onProgress?.({ step, steps, loss, examplesPerSecond: (lossCount * batch) / seconds });
        reportedAt = now;
        lossSum = 0;
        lossCount = 0;
      }
    }
  }
  return loss;
}
