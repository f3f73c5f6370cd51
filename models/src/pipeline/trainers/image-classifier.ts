import path from 'node:path';

import { seededRandom } from '@serin/inference/random';

import { augment } from '../../data/augmentation.ts';
import type { BatchSource } from '../../data/batch-source.ts';
import { addEmbedding } from '../../deploy/embedding.ts';
import { evaluate } from '../../evaluate/metrics.ts';
import { writeModel } from '../../onnx/model-file.ts';
import type { Model } from '../../onnx/graph.ts';
import { defineModel } from '../../train/layers.ts';
import { softmaxCrossEntropy } from '../../train/losses.ts';
import { adam } from '../../train/optimiser.ts';
import { train } from '../../train/train.ts';
import { countParameters } from '../../train/weights.ts';
import { answersOf, feederOf, type Feeds } from '../answers.ts';
import type { LearningFacts, Part } from '../part.ts';
import type { Trainer } from './trainer.ts';

const downTo = 8;

/** Convolutions that halve the picture until it is about 8 pixels wide, then the mean of what is left. */
const network = (size: number, channels: number, width: number, classes: number, seed: number): Model =>
  defineModel('pictures', seed, (nn) => {
    let x = nn.image('image', size, size, channels);
    let filters = width;
    x = nn.relu(nn.batchNorm(nn.conv(x, filters, { bias: false })));
    for (let side = size; side > downTo; side = Math.ceil(side / 2)) {
      filters = Math.min(4 * width, filters * 2);
      x = nn.relu(nn.batchNorm(nn.conv(x, filters, { stride: 2, bias: false })));
    }
    x = nn.relu(nn.batchNorm(nn.conv(x, filters, { bias: false })));
    const logits = nn.named('logits', nn.dense(nn.flatten(nn.globalAveragePool(x)), classes));
    nn.output('probabilities', nn.softmax(logits));
  });

function pictureSource({ pixels, rows, labels }: Part, size: number, channels: 1 | 3, classes: number, isAugmented: boolean): BatchSource {
  const bytes = size * size * channels;
  const frames = pixels ?? new Uint8Array();
  const change = isAugmented ? augment({ rotateDeg: 10, shift: 0.08, scale: [0.9, 1.1] }) : undefined;
  return {
    examples: rows,
    fill: (indices, random) => {
      const data = new Uint8Array(indices.length * bytes);
      const targets = new Float32Array(indices.length * classes);
      indices.forEach((row, place) => {
        const frame = frames.subarray(row * bytes, (row + 1) * bytes);
        const out = data.subarray(place * bytes, (place + 1) * bytes);
        if (change === undefined) out.set(frame);
        else change({ pixels: frame, objects: [] }, { width: size, height: size, channels }, random, out);
        targets[place * classes + (labels[row] as number)] = 1;
      });
      return {
        feeds: { image: { type: 'uint8', dims: [indices.length, size, size, channels], data } },
        targets: { targets: { type: 'float32', dims: [indices.length, classes], data: targets } },
      };
    },
  };
}

/** Pictures as they come, not augmented: what the network makes of these is what devices compare theirs with. */
async function withPictureEmbedding(model: Model, part: Part, frame: LearningFacts['frame'], seed: number, signal: AbortSignal | undefined): Promise<Model> {
  const feeder = feederOf(undefined, part, frame);
  function* batches(): Generator<Feeds> {
    for (let from = 0; from < part.rows; from += batchMax) yield feeder(from, Math.min(part.rows, from + batchMax));
  }
  return (await addEmbedding(model, { batches: batches(), random: seededRandom(seed).fork('embedding'), signal })).model;
}

const batchMax = 32;

export const trainer: Trainer<'image-classifier'> = {
  train: async (
    { size, channels, width, epochs, learningRate, augment: isAugmented, embedding },
    { facts, train: part, validation, seed, workFolder, context },
  ) => {
    const classes = facts.labels.length;
    const frame = { size, channels };
    const result = await train({
      model: network(size, channels, width, classes, seed),
      loss: softmaxCrossEntropy({ logits: 'logits', smoothing: 0.02 }),
      optimiser: adam({ decay: 0.01 }),
      source: pictureSource(part, size, channels, classes, isAugmented),
      batch: Math.min(batchMax, part.rows),
      epochs,
      rate: learningRate,
      averaging: 0.99,
      validate: {
        everyEpochs: Math.max(1, Math.round(epochs / 20)),
        better: 'higher',
        run: async (model, signal) => {
          const { values } = await answersOf(writeModel(model), undefined, validation, frame, { signal });
          return evaluate(values, validation.labels, classes).accuracy;
        },
      },
      checkpoint: { folder: path.join(workFolder, 'pictures'), everySeconds: context.checkpointSeconds },
      seed,
      threads: context.threads,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
      onProgress: ({ step, steps, epoch, loss, examplesPerSecond, remainingSeconds, validation: judged }) => {
        context.point('train loss', step, loss);
        if (judged !== undefined) context.point('validation accuracy', judged.step, judged.value);
        context.progress(step / steps, `epoch ${epoch} of ${epochs}, loss ${loss.toFixed(4)}`, {
          rate: `${Math.round(examplesPerSecond).toLocaleString('en')} pictures/s`,
          remainingSeconds,
        });
      },
    });
    if (result.resumedFrom !== undefined) context.note(`training went on from step ${result.resumedFrom}`);
    const parameters = countParameters(result.model);
    const model = embedding ? await withPictureEmbedding(result.model, part, frame, seed, context.signal) : result.model;
    return { model, parameters, weightDigest: result.digest, words: `a convolutional network for ${size}x${size} pictures, ${result.steps} steps` };
  },
};
