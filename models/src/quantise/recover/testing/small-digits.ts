import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import type { BatchSource } from '../../../data/batch-source.ts';
import type { Model, Tensor } from '../../../onnx/graph.ts';
import { runModel } from '../../../onnx/session.ts';
import { defineModel } from '../../../train/layers.ts';
import { softmaxCrossEntropy } from '../../../train/losses.ts';
import { train } from '../../../train/train.ts';
import type { Batch } from '../../batches.ts';
import { prepare } from '../../prepare.ts';

/** A small network of depthwise and pointwise convolutions that tells some handwritten digits apart, real ones. */
export interface SmallDigits {
  readonly model: Model;
  readonly batches: readonly Batch[];
  readonly accuracy: (model: Model) => Promise<number>;
}

/** Some that are easily taken for one another: a test has no time for all ten. */
const shown = [3, 5, 8, 9];
const side = 28;
const learningEach = 300;
const judgingEach = 150;

interface Digits {
  readonly image: Tensor<'uint8'>;
  readonly labels: readonly number[];
}

/** So many of each digit, one digit after the other. */
function digitsOf(pictures: readonly Uint8Array[], from: number, count: number): Digits {
  const data = new Uint8Array(pictures.length * count * side * side);
  pictures.forEach((pixels, label) => data.set(pixels.subarray(from * side * side, (from + count) * side * side), label * count * side * side));
  const labels = pictures.flatMap((_, label) => Array.from({ length: count }, () => label));
  return { image: { type: 'uint8', dims: [labels.length, side, side, 1], data }, labels };
}

async function readPictures(digit: number): Promise<Uint8Array> {
  const folder = path.dirname(createRequire(import.meta.url).resolve('mnist'));
  const { data } = JSON.parse(await readFile(path.join(folder, 'digits', `${digit}.json`), 'utf8')) as { data: number[] };
  return Uint8Array.from(data.slice(0, (learningEach + judgingEach) * side * side), (level) => Math.round(level * 255));
}

const sourceOf = ({ image, labels }: Digits): BatchSource => ({
  examples: labels.length,
  fill: (indices) => {
    const size = side * side;
    const data = new Uint8Array(indices.length * size);
    const targets = new Float32Array(indices.length * shown.length);
    indices.forEach((example, place) => {
      data.set(image.data.subarray(example * size, (example + 1) * size), place * size);
      targets[place * shown.length + (labels[example] ?? 0)] = 1;
    });
    return {
      feeds: { image: { type: 'uint8', dims: [indices.length, side, side, 1], data } },
      targets: { targets: { type: 'float32', dims: [indices.length, shown.length], data: targets } },
    };
  },
});

export async function trainSmallDigits(): Promise<SmallDigits> {
  const pictures: Uint8Array[] = [];
  for (const digit of shown) pictures.push(await readPictures(digit));
  const [learning, judging] = [digitsOf(pictures, 0, learningEach), digitsOf(pictures, learningEach, judgingEach)];
  const network = defineModel('digits', 1, (nn) => {
    let x = nn.relu(nn.conv(nn.image('image', side, side, 1), 8, { stride: 4, kernel: 5 }));
    x = nn.relu(nn.depthwise(x));
    x = nn.relu(nn.conv(x, 16, { kernel: 1 }));
    x = nn.relu(nn.depthwise(x, { stride: 2 }));
    x = nn.relu(nn.conv(x, 24, { kernel: 1 }));
    nn.output('probabilities', nn.softmax(nn.named('logits', nn.dense(nn.flatten(x), shown.length))));
  });
  const { model } = await train({
    model: network,
    loss: softmaxCrossEntropy({ logits: 'logits' }),
    source: sourceOf(learning),
    batch: 50,
    epochs: 8,
    rate: 1e-2,
    seed: 1,
  });
  return {
    model: (await prepare(model)).model,
    batches: [{ image: digitsOf(pictures, 0, 50).image }],
    accuracy: async (judged) => {
      const found = await runModel(judged, new Map([['image', judging.image]]));
      const probabilities = found.get('probabilities')?.data as Float32Array;
      const right = judging.labels.filter((label, row) => {
        const answers = Array.from(probabilities.subarray(row * shown.length, (row + 1) * shown.length));
        return answers.indexOf(Math.max(...answers)) === label;
      });
      return right.length / judging.labels.length;
    },
  };
}
