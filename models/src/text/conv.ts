import { seededRandom } from '@serin/inference/random';

import { int, ints, type Model } from '../onnx/graph.ts';
import { heNormal, normal, zeros } from '../train/initialise.ts';
import { defineModel, type Layers, type Value } from '../train/layers.ts';

/** Sizes in multiples of 16 keep the weights independent of the number of threads: the runtime divides others another way. */
export interface ConvShape {
  /** Numbers a word becomes. */
  readonly width: number;
  /** Words in a row that a filter looks at; there are `filters` of each. */
  readonly kernels: readonly number[];
  readonly filters: number;
}

const usual: ConvShape = { width: 32, kernels: [1, 2, 3], filters: 48 };

export interface ConvNetwork extends Partial<ConvShape> {
  /** Of the table of words; row 0 is padding. */
  readonly rows: number;
  readonly length: number;
  readonly classes: number;
}

/** Kim (2014), smaller, with the mean of all words beside the maxima over time of filters: embedding, filters, one dense layer. */
export function convNetwork(
  { rows, length, classes, width = usual.width, kernels = usual.kernels, filters = usual.filters }: ConvNetwork,
  seed: number,
): Model {
  return defineModel('text-conv', seed, (nn) => {
    const tokens = nn.input('tokens', 'int64', [length]);
    const random = seededRandom(seed);
    const table = nn.constant(normal(0.3)(random.fork('words'), [rows, width], width), 'words.weight');
    const embedded = nn.apply('Gather', [table, tokens]);
    const picture = nn.reshape(nn.transpose(embedded, [0, 2, 1]), [width, 1, length]);
    const pooled = kernels.map((kernel) => {
      const dims = [filters, width, 1, kernel];
      const weight = nn.constant(heNormal(random.fork(`filters ${kernel}`), dims, width * kernel), `filters${kernel}.weight`);
      const bias = nn.constant(zeros([filters]), `filters${kernel}.bias`);
      return overTime(nn, nn.relu(nn.apply('Conv', [picture, weight, bias], { kernel_shape: ints([1, kernel]) })));
    });
    // All words together as well, which for texts of a topic say most; scaled as a sum of that many would spread.
    const together = nn.apply('ReduceMean', [embedded], { axes: ints([1]), keepdims: int(0) });
    const logits = nn.named('logits', nn.dense(nn.concat([...pooled, nn.multiply(together, nn.number(Math.sqrt(length)))]), classes, { name: 'scores' }));
    nn.output('probabilities', nn.softmax(logits));
  });
}

const overTime = (nn: Layers, x: Value): Value => nn.apply('ReduceMax', [x], { axes: ints([2, 3]), keepdims: int(0) });
