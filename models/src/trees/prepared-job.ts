import { layBins } from './bin-layout.ts';
import { crewWords } from './crew.ts';
import { binPlaces } from './histogram.ts';
import { baseMargins, outputsOf } from './objective.ts';
import { split } from './split-search.ts';
import { chunkFields, chunkRows, shared, type SharedRows, type TreeJob } from './tree-job.ts';
import type { LabelledFeatures, TrainTreesOptions, TreeOptions } from './tree-options.ts';

export const treeDefaults = {
  trees: 100,
  rate: 0.1,
  leavesMax: 31,
  depthMax: 0,
  leafRowsMin: 20,
  leafHessianMin: 1e-3,
  l2: 0,
  gainMin: 0,
  binsMax: 255,
  rowShare: 1,
  featureShare: 1,
  categorySmoothing: 10,
  categoryL2: 10,
  levelRowsMin: 10,
} as const satisfies TreeOptions;

/** Everything the threads of a run share, from what was checked before. */
export function prepareJob({ features, labels, weights, validation, objective, options = {}, seed }: TrainTreesOptions, threadsMax: number): TreeJob {
  const { patience, classWeights, ...others } = options;
  const threads = Math.max(1, Math.min(threadsMax, features.columns.length));
  const outputs = outputsOf(objective);
  const { rows, columns } = features;
  const settings = { ...treeDefaults, ...others, patience };
  const train = shareRows({ features, labels, ...(weights === undefined ? {} : { weights }) }, outputs);
  if (classWeights !== undefined && objective.kind !== 'regression') weighClasses(train, objective.kind === 'binary' ? 2 : objective.classes, classWeights);
  return {
    train: withSums(train),
    validation: validation === undefined ? undefined : withSums(shareRows(validation, outputs)),
    levels: Int32Array.from(columns, (column) => (column.kind === 'category' ? column.levels.length : 0)),
    objective,
    options: settings,
    seed,
    threads,
    histogramBytesMax: 512 * 2 ** 20,
    base: baseMargins(objective, withSums(train)),
    begun: undefined,
    words: shared.int32(crewWords),
    bins: shared.uint8(layBins(columns.length, rows, threads).bytes),
    columns: shared.uint8(columns.length * rows),
    binCounts: shared.int32(columns.length),
    binEdges: shared.float32(columns.length * binPlaces),
    gradients: shared.float32(rows),
    hessians: shared.float32(rows),
    packed: shared.float64(rows),
    probabilities: shared.float32(objective.kind === 'multi-class' ? rows * outputs : 0),
    leafValues: shared.float64(2 * settings.leavesMax - 1),
    parted: shared.int32(threads === 1 ? 0 : 2 * rows),
    partedLeft: shared.int32(2 * threads),
    found: shared.float64(2 * threads * 2 * split.fields),
  };
}

type Rows = Omit<SharedRows, 'weight' | 'isPlain'>;

function shareRows({ features, labels, weights }: LabelledFeatures, outputs: number): Rows {
  const { rows } = features;
  const made = {
    rows,
    values: shared.float32(features.values.length),
    labels: shared.float64(rows),
    weights: shared.float64(rows),
    margins: shared.float64(rows * outputs),
    chunkSums: shared.float64(Math.ceil(rows / chunkRows) * chunkFields),
  };
  made.values.set(features.values);
  made.labels.set(labels);
  if (weights === undefined) made.weights.fill(1);
  else made.weights.set(weights);
  return made;
}

function withSums(rows: Rows): SharedRows {
  let weight = 0;
  let isPlain = true;
  for (const each of rows.weights) {
    weight += each;
    isPlain &&= each === 1;
  }
  return { ...rows, weight, isPlain };
}

function weighClasses({ labels, weights, rows }: Rows, classes: number, by: 'balanced' | readonly number[]): void {
  const sums = new Float64Array(classes);
  for (let row = 0; row < rows; row += 1) sums[labels[row] as number] = (sums[labels[row] as number] as number) + (weights[row] as number);
  const present = sums.filter((sum) => sum > 0);
  const mean = present.reduce((sum, each) => sum + each, 0) / Math.max(1, present.length);
  for (let row = 0; row < rows; row += 1) {
    const label = labels[row] as number;
    weights[row] = (weights[row] as number) * (by === 'balanced' ? mean / (sums[label] as number) : (by[label] ?? 1));
  }
}
