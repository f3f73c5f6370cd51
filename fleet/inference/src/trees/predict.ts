import { treeCount, type TreeEnsemble } from './ensemble.ts';

/** Rows of features in memory: column-major or row-major, as the strides say. */
export interface FeatureRows {
  readonly values: Float32Array;
  readonly rowStride: number;
  readonly columnStride: number;
}

export const rowMajor = (values: Float32Array, columns: number): FeatureRows => ({ values, rowStride: columns, columnStride: 1 });
export const columnMajor = (values: Float32Array, rows: number): FeatureRows => ({ values, rowStride: 1, columnStride: rows });

/** Whether a value goes left at a split. */
export function goesLeft(trees: TreeEnsemble, node: number, value: number): boolean {
  const setAt = trees.setAt[node] as number;
  if (setAt < 0) return Number.isNaN(value) ? trees.missingLeft[node] === 1 : value <= (trees.value[node] as number);
  if (!(value >= 0 && value < (trees.levels[trees.feature[node] as number] as number))) return trees.missingLeft[node] === 1;
  const level = Math.trunc(value);
  return (((trees.sets[setAt + (level >>> 5)] as number) >>> (level & 31)) & 1) === 1;
}

/** Adds what the tree that begins at `root` says of rows `from` to `to` to one margin of each. */
export function addTree(
  trees: TreeEnsemble,
  root: number,
  { values, rowStride, columnStride }: FeatureRows,
  margins: Float64Array,
  offset: number,
  stride: number,
  from: number,
  to: number,
): void {
  const { feature, right, value, setAt, missingLeft } = trees;
  for (let row = from; row < to; row += 1) {
    const at = row * rowStride;
    let node = root;
    for (let asked = feature[node] as number; asked >= 0; asked = feature[node] as number) {
      const found = values[at + asked * columnStride] as number;
      let left: boolean;
      if ((setAt[node] as number) >= 0) left = goesLeft(trees, node, found);
      // What is not a number compares with nothing.
      else left = found <= (value[node] as number) || ((missingLeft[node] as number) === 1 && found !== found);
      node = left ? node + 1 : (right[node] as number);
    }
    const place = offset + row * stride;
    margins[place] = (margins[place] as number) + (value[node] as number);
  }
}

/** The margins of rows, one row behind the other. */
export function marginsOf(trees: TreeEnsemble, rows: FeatureRows, count: number): Float64Array {
  const outputs = trees.base.length;
  const margins = new Float64Array(count * outputs);
  for (let at = 0; at < margins.length; at += 1) margins[at] = trees.base[at % outputs] as number;
  for (let tree = 0; tree < treeCount(trees); tree += 1) {
    addTree(trees, trees.roots[tree] as number, rows, margins, tree % outputs, outputs, 0, count);
  }
  return margins;
}

/** Numbers an answer has: the value, or a probability a class. */
export const answerWidth = ({ link, base }: TreeEnsemble): number => (link === 'logistic' ? 2 : base.length);

/** What the deployed graph answers, row by row: `probabilities` of the classes, or the `value`. */
export function predictTrees(trees: TreeEnsemble, rows: FeatureRows, count: number): Float32Array {
  const margins = marginsOf(trees, rows, count);
  if (trees.link === 'identity') return Float32Array.from(margins);
  return trees.link === 'logistic' ? logistic(margins) : softmax(margins, trees.base.length);
}

function logistic(margins: Float64Array): Float32Array {
  const answers = new Float32Array(margins.length * 2);
  margins.forEach((margin, row) => {
    answers[row * 2] = 1 / (1 + Math.exp(margin));
    answers[row * 2 + 1] = 1 / (1 + Math.exp(-margin));
  });
  return answers;
}

function softmax(margins: Float64Array, classes: number): Float32Array {
  const answers = new Float32Array(margins.length);
  for (let at = 0; at < margins.length; at += classes) {
    let most = -Infinity;
    for (let of = at; of < at + classes; of += 1) most = Math.max(most, margins[of] as number);
    let sum = 0;
    for (let of = at; of < at + classes; of += 1) sum += Math.exp((margins[of] as number) - most);
    for (let of = at; of < at + classes; of += 1) answers[of] = Math.exp((margins[of] as number) - most) / sum;
  }
  return answers;
}
