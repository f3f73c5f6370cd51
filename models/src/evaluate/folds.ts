import { seededRandom, shuffle } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

export interface FoldOptions {
  readonly folds: number;
  /** Examples of one number stay together: near-duplicates, one author, one device. */
  readonly groups: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
  readonly seed: number | string;
}

/** The fold of each example. Whole groups, the largest first, go where their classes are still most wanting. */
export function groupFolds({ folds, groups, labels, seed }: FoldOptions): Int32Array {
  const count = labels.length;
  if (groups.length !== count) throw new RangeError(`${groups.length} groups for ${count} labels`);
  const members = new Map<number, number[]>();
  for (let index = 0; index < count; index += 1) {
    const group = groups[index] ?? 0;
    const list = members.get(group);
    if (list === undefined) members.set(group, [index]);
    else list.push(index);
  }
  if (!Number.isInteger(folds) || folds < 2 || members.size < folds)
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', {
      detail: `${members.size} groups of examples cannot be dealt out into ${folds} folds`,
      hint: 'At least two folds, and at least as many groups that differ',
    });
  const classes = 1 + Array.from(labels).reduce((most, label) => Math.max(most, label), 0);
  const totals = countLabels(
    Array.from({ length: count }, (_, index) => index),
    labels,
    classes,
  );
  const held = Array.from({ length: folds }, () => ({ size: 0, classes: new Float64Array(classes) }));
  const result = new Int32Array(count);
  // Sorting keeps the shuffled order among groups of one size.
  const order = shuffle(seededRandom(seed).fork('folds'), [...members.values()]).toSorted((one, other) => other.length - one.length);
  for (const group of order) {
    const added = countLabels(group, labels, classes);
    const worthOf = ({ size, classes: own }: (typeof held)[number]): number =>
      added.reduce((sum, more, label) => sum + (more * (own[label] ?? 0)) / Math.max(1, totals[label] ?? 0), 0) + size / count / 1e3;
    const costs = held.map(worthOf);
    const chosen = costs.indexOf(Math.min(...costs));
    const fold = held[chosen];
    if (fold === undefined) continue;
    fold.size += group.length;
    added.forEach((more, label) => (fold.classes[label] = (fold.classes[label] ?? 0) + more));
    for (const index of group) result[index] = chosen;
  }
  return result;
}

function countLabels(indices: readonly number[], labels: ArrayLike<number>, classes: number): Float64Array {
  const counts = new Float64Array(classes);
  for (const index of indices) counts[labels[index] ?? 0] = (counts[labels[index] ?? 0] ?? 0) + 1;
  return counts;
}

/** The examples of a fold, and those of all others. */
export function splitFold(folds: Int32Array, fold: number): { inside: number[]; outside: number[] } {
  const inside: number[] = [];
  const outside: number[] = [];
  folds.forEach((own, index) => (own === fold ? inside : outside).push(index));
  return { inside, outside };
}
