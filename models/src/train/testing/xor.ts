import { seededRandom } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import type { BatchSource } from '../../data/batch-source.ts';
import { floats, type Model } from '../../onnx/graph.ts';
import { defineModel } from '../layers.ts';
import { softmaxCrossEntropy } from '../losses.ts';
import type { TrainOptions } from '../train-options.ts';

export const xorBatch = 32;

/** Exclusive or of the signs: no linear model solves it. */
export const xorModel = (seed: number): Model =>
  defineModel('exclusive or', seed, (nn) => {
    const hidden = nn.relu(nn.batchNorm(nn.dense(nn.input('x', 'float32', [2]), 16, { name: 'first' }), { name: 'norm' }));
    nn.output('logits', nn.dense(hidden, 2, { name: 'last' }));
  });

/** What may go wrong at a source, by the number of the batch it is asked for. */
export interface XorFaults {
  readonly examples?: number;
  readonly throwAt?: number;
  readonly refuseAt?: number;
  readonly exitAt?: number;
  readonly hangAt?: number;
  readonly hoardAt?: number;
  readonly reuse?: boolean;
  readonly partOfBuffer?: boolean;
}

export function xorSource({ examples = 320, throwAt, refuseAt, exitAt, hangAt, hoardAt, reuse = false, partOfBuffer = false }: XorFaults = {}): BatchSource {
  let made = 0;
  const kept = new Float32Array(xorBatch * 2);
  return {
    examples,
    fill: (indices, random) => {
      made += 1;
      if (made === throwAt) throw new TypeError('a picture is torn');
      if (made === refuseAt) throw new SerinError('TRAINING_DATA_INVALID', { detail: 'picture 7 is torn', hint: 'Glue it' });
      if (made === exitAt) process.exit(3);
      while (made === hangAt);
      const hoard: unknown[] = [];
      while (made === hoardAt) hoard.push({ word: `${hoard.length}` });
      const inputs = reuse ? kept : partOfBuffer ? new Float32Array(xorBatch * 2 + 10).subarray(10) : new Float32Array(xorBatch * 2);
      const targets = new Float32Array(xorBatch * 2);
      indices.forEach((example, place) => {
        const draw = seededRandom(example);
        const [a, b] = [draw.between(-1, 1), draw.between(-1, 1)];
        inputs.set([a + 0.01 * random.normal(), b], place * 2);
        targets[place * 2 + (a * b > 0 ? 1 : 0)] = 1;
      });
      const x = { type: 'float32', dims: [xorBatch, 2], data: inputs } as const;
      return { feeds: { x }, targets: { targets: floats([xorBatch, 2], targets) } };
    },
  };
}

/** For the thread that prepares batches. */
export const createSource = (settings: unknown): BatchSource => xorSource(settings as XorFaults);

export const xorOptions = (seed: number): TrainOptions => ({
  model: xorModel(seed),
  loss: softmaxCrossEntropy({ logits: 'logits' }),
  source: xorSource(),
  batch: xorBatch,
  epochs: 6,
  rate: 0.02,
  averaging: 0.9,
  seed,
});
