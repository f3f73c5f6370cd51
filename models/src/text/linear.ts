import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, longs, type Model } from '../onnx/graph.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { minimise } from '../linear/minimise.ts';
import { compactRows, type SparseRows } from './sparse.ts';

/** What each bucket says for each class. Of two classes one column is enough: how much it speaks for the second. */
export interface LinearWeights {
  readonly columns: number;
  /** [buckets, columns] */
  readonly table: Float32Array;
  readonly bias: Float32Array;
}

/**
 * Which buckets the penalty lets speak up: all alike, the rarer the louder (inverse document frequency), or those that
 * one class has more often than the others (log-count ratio, Wang and Manning 2012). It ends up in the weights.
 */
export type Scaling = 'none' | 'rarity' | 'log-ratio';

export interface LinearSettings {
  readonly l2: number;
  readonly scaling: Scaling;
  /** How much a mistake counts by the true class. */
  readonly classWeights: readonly number[];
  readonly iterationsMax: number;
  readonly tolerance: number;
}

export interface LinearProgress {
  readonly iteration: number;
  readonly loss: number;
  /** Length of the gradient over that at the beginning. */
  readonly gradientShare: number;
}

export interface LinearFit {
  readonly weights: LinearWeights;
  readonly iterations: number;
  readonly loss: number;
  readonly converged: boolean;
}

export interface LinearHooks {
  readonly onProgress?: ((progress: LinearProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const numbersMax = 2 ** 26;

/** Logistic regression, softmax for more than two classes. Equal data and settings give equal weights, bit for bit. */
export async function fitLinear(
  all: SparseRows,
  labels: ArrayLike<number>,
  classes: number,
  settings: LinearSettings,
  { onProgress, signal }: LinearHooks = {},
): Promise<LinearFit> {
  const columns = classes === 2 ? 1 : classes;
  const { rows, used } = compactRows(all);
  if (rows.width * columns > numbersMax)
    throw new SerinError('TRAINING_DATA_INVALID', {
      detail: `${rows.width} buckets for ${columns} classes are more than ${numbersMax} weights`,
      hint: 'Use fewer buckets, or shorter runs of words',
    });
  const scales = settings.scaling === 'none' ? undefined : scalesOf(rows, labels, columns, settings.scaling);
  const point = new Float64Array((rows.width + 1) * columns);
  const objective = objectiveOf(rows, labels, columns, settings, scales);
  const found = await minimise(objective, point, {
    roundsMax: settings.iterationsMax,
    gradientShare: settings.tolerance,
    // A vector has a number a bucket and class.
    memory: 6,
    onRound: async (iteration, loss, gradientShare) => {
      onProgress?.({ iteration, loss, gradientShare });
      // Whoever cancels must get a turn.
      await new Promise(setImmediate);
      throwIfCancelled(signal);
    },
  });
  const table = new Float32Array(all.width * columns);
  used.forEach((bucket, place) => {
    for (let column = 0; column < columns; column += 1) {
      const index = place * columns + column;
      table[bucket * columns + column] = (point[index] ?? 0) * (scales?.[index] ?? 1);
    }
  });
  const weights = { columns, table, bias: Float32Array.from(point.subarray(rows.width * columns)) };
  return { weights, iterations: found.rounds, loss: found.value, converged: found.converged };
}

function objectiveOf(rows: SparseRows, labels: ArrayLike<number>, columns: number, settings: LinearSettings, scales: Float64Array | undefined) {
  const { l2, classWeights } = settings;
  const { count, starts, columns: buckets, values, width } = rows;
  let total = 0;
  for (let row = 0; row < count; row += 1) total += classWeights[labels[row] ?? 0] ?? 1;
  const speak = new Float64Array(width * columns);
  const scores = new Float64Array(columns);
  return (point: Float64Array, gradient: Float64Array): number => {
    const weighted = speak.length;
    for (let index = 0; index < weighted; index += 1) speak[index] = (point[index] ?? 0) * (scales?.[index] ?? 1);
    gradient.fill(0);
    let loss = 0;
    for (let row = 0; row < count; row += 1) {
      const [from, to] = [starts[row] ?? 0, starts[row + 1] ?? 0];
      for (let column = 0; column < columns; column += 1) {
        let score = point[weighted + column] ?? 0;
        for (let at = from; at < to; at += 1) score += (values[at] ?? 0) * (speak[(buckets[at] ?? 0) * columns + column] ?? 0);
        scores[column] = score;
      }
      const label = labels[row] ?? 0;
      const share = (classWeights[label] ?? 1) / total;
      loss += share * surprise(scores, label);
      for (let column = 0; column < columns; column += 1) {
        const slope = share * (scores[column] ?? 0);
        gradient[weighted + column] = (gradient[weighted + column] ?? 0) + slope;
        for (let at = from; at < to; at += 1) {
          const index = (buckets[at] ?? 0) * columns + column;
          gradient[index] = (gradient[index] ?? 0) + slope * (values[at] ?? 0);
        }
      }
    }
    for (let index = 0; index < weighted; index += 1) {
      const weight = point[index] ?? 0;
      loss += (l2 / 2) * weight * weight;
      gradient[index] = (gradient[index] ?? 0) * (scales?.[index] ?? 1) + l2 * weight;
    }
    return loss;
  };
}

/** Minus the log-likelihood of the label; the scores become its slopes. One score speaks for the second of two classes. */
function surprise(scores: Float64Array, label: number): number {
  if (scores.length === 1) {
    const margin = (scores[0] ?? 0) * (label === 1 ? 1 : -1);
    const miss = 1 / (1 + Math.exp(margin));
    scores[0] = label === 1 ? -miss : miss;
    return margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin;
  }
  let top = -Infinity;
  for (const score of scores) top = Math.max(top, score);
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - top);
  const whole = top + Math.log(sum);
  const own = scores[label] ?? 0;
  for (let column = 0; column < scores.length; column += 1) scores[column] = Math.exp((scores[column] ?? 0) - whole) - (column === label ? 1 : 0);
  return whole - own;
}

function scalesOf(rows: SparseRows, labels: ArrayLike<number>, columns: number, scaling: Exclude<Scaling, 'none'>): Float64Array {
  const { count, width, starts, columns: buckets, values } = rows;
  const scales = new Float64Array(width * columns);
  if (scaling === 'rarity') {
    const documents = new Int32Array(width);
    for (const bucket of buckets) documents[bucket] = (documents[bucket] ?? 0) + 1;
    for (let index = 0; index < scales.length; index += 1) {
      scales[index] = 1 + Math.log((1 + count) / (1 + (documents[Math.floor(index / columns)] ?? 0)));
    }
    return scales;
  }
  const own = new Float64Array(width * columns).fill(1);
  const others = new Float64Array(width * columns).fill(1);
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const isOwn = (labels[row] ?? 0) === (columns === 1 ? 1 : column);
      const into = isOwn ? own : others;
      for (let at = starts[row] ?? 0; at < (starts[row + 1] ?? 0); at += 1) {
        const index = (buckets[at] ?? 0) * columns + column;
        into[index] = (into[index] ?? 0) + (values[at] ?? 0);
      }
    }
  }
  for (let column = 0; column < columns; column += 1) {
    let [ownSum, otherSum] = [0, 0];
    for (let index = column; index < scales.length; index += columns) {
      ownSum += own[index] ?? 0;
      otherSum += others[index] ?? 0;
    }
    for (let index = column; index < scales.length; index += columns) {
      // The sign is free for the weight to choose; what no class has more of still may say a little.
      scales[index] = Math.abs(Math.log((own[index] ?? 1) / ownSum) - Math.log((others[index] ?? 1) / otherSum));
    }
  }
  return scales;
}

/** `buckets` and `weights` to `probabilities`; scores are divided by the temperature. */
export function linearModel({ columns, table, bias }: LinearWeights, temperature = 1): Model {
  const builder = createGraphBuilder('text-linear');
  const classes = columns === 1 ? 2 : columns;
  const scaled = (values: Float32Array): Float32Array => values.map((value) => value / temperature);
  builder.input('buckets', 'int64', ['N', 'K']);
  builder.input('weights', 'float32', ['N', 'K']);
  const rows = builder.constant(floats([table.length / columns, columns], scaled(table)), 'table.weight');
  const gathered = builder.add('Gather', [rows, 'buckets']);
  const spread = builder.add('Unsqueeze', ['weights', builder.constant(longs([-1]))]);
  const sums = builder.add('ReduceSum', [builder.add('Mul', [gathered, spread]), builder.constant(longs([1]))], { keepdims: int(0) });
  const scores = builder.add('Add', [sums, builder.constant(floats([columns], scaled(bias)), 'table.bias')]);
  const all = columns === 1 ? builder.add('Concat', [builder.add('Mul', [scores, builder.constant(floats([1], [0]))]), scores], { axis: int(1) }) : scores;
  builder.add('Softmax', [all], { axis: int(-1) }, ['probabilities']);
  builder.output('probabilities', 'float32', ['N', classes]);
  return createModel(builder.finish());
}

/** The scores of rows as the graph adds them up, in more digits. */
export function scoreRows({ count, starts, columns: buckets, values }: SparseRows, { columns, table, bias }: LinearWeights): Float64Array {
  const scores = new Float64Array(count * columns);
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      let sum = bias[column] ?? 0;
      for (let at = starts[row] ?? 0; at < (starts[row + 1] ?? 0); at += 1) sum += (values[at] ?? 0) * (table[(buckets[at] ?? 0) * columns + column] ?? 0);
      scores[row * columns + column] = sum;
    }
  }
  return scores;
}
