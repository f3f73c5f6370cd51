import { seededRandom, shuffle } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import type { Batch, BatchSource } from '../data/batch-source.ts';

export interface BatchOrder {
  readonly stepsPerEpoch: number;
  /** Numbers of the examples of a step, from 1. */
  indicesOf(step: number): Int32Array;
}

/** The examples of every step: shuffled epochs of whole batches, a function of the seed and the step alone. */
export function batchOrder(examples: number, batch: number, seed: number): BatchOrder {
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

/** The batch of a step, the same wherever it is made. */
export function batchMaker(source: BatchSource, batch: number, seed: number): (step: number) => Promise<Batch> | Batch {
  const order = batchOrder(source.examples, batch, seed);
  const random = seededRandom(seed);
  return (step) => source.fill(order.indicesOf(step), random.fork(`batch ${step}`));
}
