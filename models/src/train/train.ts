import { seededRandom, shuffle } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import type { BatchSource } from '../data/batch-source.ts';
import type { Model } from '../onnx/graph.ts';
import { learningWeights } from './layers.ts';
import type { Loss } from './losses.ts';
import { adam, type Optimiser } from './optimiser.ts';
import { warmUpCosine, type Schedule } from './schedule.ts';
import { openTrainer } from './trainer.ts';
import { withWeights } from './weights.ts';

export interface TrainProgress {
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  /** Means since the last report: the loss and, where it is a sum, its parts. */
  readonly values: Readonly<Record<string, number>>;
  readonly loss: number;
  readonly examplesPerSecond: number;
  readonly remainingSeconds: number;
}

export interface TrainOptions {
  readonly model: Model;
  readonly loss: Loss;
  /** Names of the initialisers that learn; those of layers unless said otherwise. */
  readonly trainable?: readonly string[];
  readonly source: BatchSource;
  readonly batch: number;
  readonly epochs: number;
  /** The highest learning rate. */
  readonly rate: number;
  readonly schedule?: Schedule;
  readonly optimiser?: Optimiser;
  readonly clipNorm?: number;
  /** The trained model gets a running average of the weights, of about 1 / (1 - this) steps. */
  readonly averaging?: number;
  readonly seed: number;
  readonly threads?: number;
  readonly onProgress?: (progress: TrainProgress) => void;
  readonly reportEvery?: number;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from any origin; only the reported speed depends on it. */
  readonly now?: () => number;
}

export interface TrainResult {
  readonly model: Model;
  readonly steps: number;
  readonly loss: number;
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new SerinError('CANCELLED', { cause: signal.reason });
}

/** The examples of every step: shuffled epochs of whole batches, a function of the seed and the step alone. */
export function batchOrder(examples: number, batch: number, seed: number): { stepsPerEpoch: number; indicesOf(step: number): Int32Array } {
  const stepsPerEpoch = Math.floor(examples / batch);
  if (stepsPerEpoch === 0) throw new SerinError('TRAINING_DATA_INSUFFICIENT', { detail: `${examples} examples do not fill a batch of ${batch}` });
  let shuffled = -1;
  let order = new Int32Array();
  return {
    stepsPerEpoch,
    indicesOf: (step) => {
      const epoch = Math.floor((step - 1) / stepsPerEpoch);
      if (epoch !== shuffled) {
        order = shuffle(
          seededRandom(seed).fork(`epoch ${epoch}`),
          Int32Array.from({ length: examples }, (_, index) => index),
        );
        shuffled = epoch;
      }
      const start = ((step - 1) % stepsPerEpoch) * batch;
      return order.subarray(start, start + batch);
    },
  };
}

/** Trains a network: a step is one run of one ONNX graph. Equal options give equal weights, bit for bit. */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { model, loss, source, batch, epochs, seed, signal, threads = 1, reportEvery = 20, averaging } = options;
  const { optimiser = adam(), schedule = warmUpCosine(), now = () => performance.now() } = options;
  const order = batchOrder(source.examples, batch, seed);
  const steps = order.stepsPerEpoch * epochs;
  const random = seededRandom(seed);
  const trainer = await openTrainer(
    {
      model,
      loss,
      trainable: options.trainable ?? learningWeights(model),
      dimensions: { N: batch },
      optimiser,
      clipNorm: options.clipNorm,
      averaged: averaging !== undefined,
    },
    threads,
  );
  try {
    let sums: Record<string, number> = {};
    let count = 0;
    let latest = Number.NaN;
    let reportedAt = now();
    for (let step = 1; step <= steps; step += 1) {
      throwIfCancelled(signal);
      const filled = await source.fill(order.indicesOf(step), random.fork(`batch ${step}`));
      const { values } = await trainer.step(filled, {
        rate: options.rate * schedule(step, steps),
        correction: optimiser.correction(step),
        // Young averages look back less far, or they would remember the beginning.
        averaging: averaging === undefined ? 1 : Math.max(1 - averaging, 9 / (9 + step)),
      });
      if (!Number.isFinite(values['loss'])) throw new SerinError('TRAINING_DIVERGED', { detail: `the loss was ${values['loss']} at step ${step}` });
      for (const [name, value] of Object.entries(values)) sums[name] = (sums[name] ?? 0) + value;
      count += 1;
      if (count === reportEvery || step === steps) {
        const seconds = Math.max(1e-3, (now() - reportedAt) / 1000);
        const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / count]));
        latest = means['loss'] ?? Number.NaN;
        options.onProgress?.({
          step,
          steps,
          epoch: Math.ceil(step / order.stepsPerEpoch),
          values: means,
          loss: latest,
          examplesPerSecond: (count * batch) / seconds,
          remainingSeconds: ((steps - step) * seconds) / count,
        });
        reportedAt = now();
        sums = {};
        count = 0;
      }
    }
    return { model: withWeights(model, trainer.weights(averaging === undefined ? 'weights' : 'average')), steps, loss: latest };
  } finally {
    await trainer.close();
  }
}
