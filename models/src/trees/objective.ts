import { sigmoid } from './sigmoid.ts';
import type { SharedRows, TreeJob } from './tree-job.ts';
import type { TreeObjective } from './tree-options.ts';

export const outputsOf = (objective: TreeObjective): number => (objective.kind === 'multi-class' ? objective.classes : 1);
export const linkOf = (objective: TreeObjective): 'identity' | 'logistic' | 'softmax' =>
  objective.kind === 'regression' ? 'identity' : objective.kind === 'binary' ? 'logistic' : 'softmax';

/** No probability is further from 0 and 1: a class without rows must not make a margin infinite. */
const shareMin = 1e-9;

/** The margins that fit best before there is any tree. */
export function baseMargins(
  objective: TreeObjective,
  { labels, weights, weight, rows }: Pick<SharedRows, 'labels' | 'weights' | 'weight' | 'rows'>,
): Float32Array {
  if (objective.kind === 'regression') {
    if (objective.loss === 'absolute') return Float32Array.of(weightedMedian(labels, weights));
    let sum = 0;
    for (let row = 0; row < rows; row += 1) sum += (labels[row] as number) * (weights[row] as number);
    return Float32Array.of(sum / weight);
  }
  const sums = new Float64Array(objective.kind === 'binary' ? 2 : objective.classes);
  for (let row = 0; row < rows; row += 1) sums[labels[row] as number] = (sums[labels[row] as number] as number) + (weights[row] as number);
  const shares = sums.map((sum) => Math.min(1 - shareMin, Math.max(shareMin, sum / weight)));
  if (objective.kind === 'binary') return Float32Array.of(Math.log((shares[1] as number) / (shares[0] as number)));
  return Float32Array.from(shares, Math.log);
}

export function weightedMedian(values: Float64Array, weights: Float64Array): number {
  const order = Array.from(values.keys()).sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
  let half = 0;
  for (const weight of weights) half += weight / 2;
  let seen = 0;
  for (const at of order) {
    seen += weights[at] as number;
    if (seen >= half) return values[at] as number;
  }
  return 0;
}

/** No second derivative is smaller; a row that is sure counts a little. */
const hessianMin = 1e-16;

/** Sums of a chunk: the loss, gradients without their sign, second derivatives, the largest and the smallest of these. */
export type ChunkSums = Float64Array;

function finish(sums: ChunkSums, at: number, gradients: Float32Array, hessians: Float32Array, from: number, to: number): void {
  let [gradient, hessian, most, least] = [0, 0, 0, Infinity];
  for (let row = from; row < to; row += 1) {
    gradient += Math.abs(gradients[row] as number);
    const h = hessians[row] as number;
    hessian += h;
    if (h > most) most = h;
    if (h < least) least = h;
  }
  sums[at + 1] = gradient;
  sums[at + 2] = hessian;
  sums[at + 3] = most;
  sums[at + 4] = least;
}

/** Gradients of the loss by one margin of each row, of a chunk of rows; its sums go to `chunkSums`. */
export function chunkGradients(job: TreeJob, output: number, chunk: number, from: number, to: number): void {
  const { objective, train, gradients, hessians, probabilities } = job;
  const at = chunk * 5;
  if (objective.kind === 'multi-class') {
    if (output === 0) train.chunkSums[at] = softmaxLoss(train, objective.classes, probabilities, from, to);
    softmaxGradients(train, objective.classes, output, probabilities, gradients, hessians, from, to);
  } else if (objective.kind === 'binary') {
    train.chunkSums[at] = logisticLoss(train, gradients, hessians, from, to);
  } else {
    train.chunkSums[at] = regressionLoss(train, objective.loss ?? 'squared', objective.delta ?? 1, gradients, hessians, from, to);
  }
  finish(train.chunkSums, at, gradients, hessians, from, to);
}

const nothing = new Float32Array();

/** The loss of a chunk of rows alone. */
export function chunkLoss(objective: TreeObjective, rows: SharedRows, from: number, to: number): number {
  if (objective.kind === 'multi-class') return softmaxLoss(rows, objective.classes, nothing, from, to);
  if (objective.kind === 'binary') return logisticLoss(rows, nothing, nothing, from, to);
  return regressionLoss(rows, objective.loss ?? 'squared', objective.delta ?? 1, nothing, nothing, from, to);
}

/** Logarithms are slow: one is taken of a product of so many numbers from 1/2 to 1. */
const productMax = 512;

function logisticLoss({ margins, labels, weights, isPlain }: SharedRows, gradients: Float32Array, hessians: Float32Array, from: number, to: number): number {
  const wantsGradients = gradients.length > 0;
  let loss = 0;
  let product = 1;
  // Nothing is decided by a label or by the sign of a margin: neither can be guessed by the processor.
  for (let row = from; row < to; row += 1) {
    const margin = margins[row] as number;
    const label = labels[row] as number;
    const probability = sigmoid(margin);
    const other = 1 - probability;
    const wrong = (1 - 2 * label) * margin;
    const beyond = 0.5 * (wrong + Math.abs(wrong));
    const sure = 0.5 + Math.abs(probability - 0.5);
    if (isPlain) {
      loss += beyond;
      product *= sure;
      if (((row - from) & (productMax - 1)) === productMax - 1) {
        loss -= Math.log(product);
        product = 1;
      }
    } else loss += (weights[row] as number) * (beyond - Math.log(sure));
    if (!wantsGradients) continue;
    const weight = weights[row] as number;
    gradients[row] = weight * (probability - label);
    hessians[row] = weight * (probability * other + hessianMin);
  }
  return loss - Math.log(product);
}

function softmaxLoss({ margins, labels, weights }: SharedRows, classes: number, probabilities: Float32Array, from: number, to: number): number {
  const wantsProbabilities = probabilities.length > 0;
  let loss = 0;
  for (let row = from; row < to; row += 1) {
    const at = row * classes;
    let most = -Infinity;
    for (let place = at; place < at + classes; place += 1) most = Math.max(most, margins[place] as number);
    let sum = 0;
    for (let place = at; place < at + classes; place += 1) {
      const part = Math.exp((margins[place] as number) - most);
      sum += part;
      if (wantsProbabilities) probabilities[place] = part;
    }
    loss += (weights[row] as number) * (Math.log(sum) + most - (margins[at + (labels[row] as number)] as number));
    if (wantsProbabilities) for (let place = at; place < at + classes; place += 1) probabilities[place] = (probabilities[place] as number) / sum;
  }
  return loss;
}

function softmaxGradients(
  { labels, weights }: SharedRows,
  classes: number,
  output: number,
  probabilities: Float32Array,
  gradients: Float32Array,
  hessians: Float32Array,
  from: number,
  to: number,
): void {
  // The margins have a direction too many; with this a tree a class steps as far as it should.
  const factor = classes / (classes - 1);
  for (let row = from; row < to; row += 1) {
    const probability = probabilities[row * classes + output] as number;
    const weight = weights[row] as number;
    gradients[row] = weight * (probability - (labels[row] === output ? 1 : 0));
    hessians[row] = weight * Math.max(hessianMin, factor * probability * (1 - probability));
  }
}

function regressionLoss(
  { margins, labels, weights }: SharedRows,
  kind: 'squared' | 'absolute' | 'huber',
  delta: number,
  gradients: Float32Array,
  hessians: Float32Array,
  from: number,
  to: number,
): number {
  const wantsGradients = gradients.length > 0;
  let loss = 0;
  for (let row = from; row < to; row += 1) {
    const error = (margins[row] as number) - (labels[row] as number);
    const weight = weights[row] as number;
    const size = Math.abs(error);
    const isFar = kind === 'huber' && size > delta;
    loss += weight * (kind === 'absolute' ? size : isFar ? delta * (2 * size - delta) : error * error);
    if (!wantsGradients) continue;
    gradients[row] = weight * (kind === 'absolute' ? Math.sign(error) : isFar ? Math.sign(error) * delta : error);
    hessians[row] = weight;
  }
  return loss;
}
