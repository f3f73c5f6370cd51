import { SerinError } from '@serin/protocol/errors';

import { addProblem, noProblems, refuseProblems, type Problems } from '../data/problems.ts';
import { binsLimit } from './bin-bounds.ts';
import { outputsOf } from './objective.ts';
import type { LabelledFeatures, TrainTreesOptions, TreeObjective } from './tree-options.ts';

/** Sums of whole numbers over more rows would be too coarse. */
const rowsMax = 2 ** 24;
const featuresMax = 4096;
const cellsMax = 2 ** 30;
const leavesMax = 4096;
const nodesMax = 2 ** 23;
const classesMax = 1024;
const threadsMax = 64;

/** Ranges of the options; whole numbers unless said otherwise. */
const ranges: Readonly<Record<string, readonly [least: number, most: number, isShare?: true]>> = {
  trees: [1, 100_000],
  rate: [1e-6, 10, true],
  leavesMax: [2, leavesMax],
  depthMax: [0, 1024],
  leafRowsMin: [1, rowsMax],
  leafHessianMin: [0, 1e12, true],
  l2: [0, 1e12, true],
  gainMin: [0, 1e300, true],
  binsMax: [2, binsLimit],
  rowShare: [1e-6, 1, true],
  featureShare: [1e-6, 1, true],
  categorySmoothing: [0, 1e12, true],
  categoryL2: [0, 1e12, true],
  levelRowsMin: [1, rowsMax],
  patience: [1, 100_000],
};

const tooMuch = (detail: string, hint: string): SerinError => new SerinError('BAD_REQUEST', { detail, hint });

/** Refuses what no run should begin with: options out of range at once, and everything that is wrong with the data together. */
export function checkTrees({ features, labels, weights, validation, objective, options = {}, threads = 1 }: TrainTreesOptions): void {
  const limits: typeof ranges = { ...ranges, threads: [1, threadsMax] };
  for (const [name, [least, most, isShare]] of Object.entries(limits)) {
    const value = name === 'threads' ? threads : options[name as keyof typeof options];
    if (value === undefined) continue;
    if (typeof value === 'number' && value >= least && value <= most && (isShare === true || Number.isInteger(value))) continue;
    throw tooMuch(`${name} is ${String(value)}`, `It must be a ${isShare === true ? '' : 'whole '}number from ${least} to ${most}`);
  }
  if (objective.kind === 'multi-class' && !(Number.isInteger(objective.classes) && objective.classes >= 2 && objective.classes <= classesMax)) {
    throw tooMuch(`${objective.classes} classes`, `There must be from 2 to ${classesMax}`);
  }
  const { classWeights } = options;
  const classes = objective.kind === 'binary' ? 2 : objective.kind === 'multi-class' ? objective.classes : 0;
  if (Array.isArray(classWeights) && (classWeights.length !== classes || !classWeights.every((weight) => weight > 0 && weight < Infinity))) {
    throw tooMuch(`class weights ${classWeights.join(', ')} for ${classes} classes`, 'Give each class a number above 0, or say balanced');
  }
  if (objective.kind === 'regression' && objective.delta !== undefined && !(objective.delta > 0 && objective.delta < Infinity)) {
    throw tooMuch(`delta is ${objective.delta}`, 'It must be a number above 0');
  }
  const nodes = (options.trees ?? 0) * outputsOf(objective) * (2 * (options.leavesMax ?? 2) - 1);
  if (nodes > nodesMax)
    throw tooMuch(`${options.trees} trees of ${options.leavesMax} leaves may have ${nodes} nodes`, `Fewer trees or leaves: the limit is ${nodesMax} nodes`);
  const problems = noProblems();
  checkRows({ features, labels, ...(weights === undefined ? {} : { weights }) }, objective, '', problems);
  if (validation !== undefined) {
    checkRows(validation, objective, 'validation ', problems);
    if (JSON.stringify(validation.features.columns) !== JSON.stringify(features.columns)) {
      addProblem(problems, { kind: 'format', file: 'validation features', detail: 'their columns are not those of the training features' });
    }
  }
  refuseProblems(problems);
}

/** What is wrong with features, labels or weights, which are named as files are in other data. */
export function checkRows({ features, labels, weights }: LabelledFeatures, objective: TreeObjective, which: string, problems: Problems): void {
  const { rows, columns, values } = features;
  const say = (file: string, detail: string, row?: number, kind: 'format' | 'too-large' | 'empty' | 'label-missing' | 'label-out-of-range' = 'format'): void =>
    addProblem(problems, { kind, file: `${which}${file}`, ...(row === undefined ? {} : { at: `row ${row + 1}` }), detail });
  if (rows === 0) say('features', 'there is no row', undefined, 'empty');
  if (columns.length === 0) say('features', 'there is no column', undefined, 'empty');
  if (rows > rowsMax) say('features', `${rows} rows, more than the limit of ${rowsMax}`, undefined, 'too-large');
  if (columns.length > featuresMax) say('features', `${columns.length} columns, more than the limit of ${featuresMax}`, undefined, 'too-large');
  if (rows * columns.length > cellsMax) say('features', `${rows * columns.length} cells, more than the limit of ${cellsMax}`, undefined, 'too-large');
  if (values.length !== rows * columns.length) say('features', `${values.length} values, not one for each of ${rows} rows and ${columns.length} columns`);
  if (labels.length !== rows) say('labels', `${labels.length} labels for ${rows} rows`);
  if (weights !== undefined && weights.length !== rows) say('weights', `${weights.length} weights for ${rows} rows`);
  const classes = objective.kind === 'binary' ? 2 : objective.kind === 'multi-class' ? objective.classes : 0;
  for (let row = 0; row < labels.length; row += 1) {
    const label = labels[row] as number;
    if (!Number.isFinite(label)) say('labels', 'it has no label', row, 'label-missing');
    else if (classes > 0 && !(Number.isInteger(label) && label >= 0 && label < classes))
      say('labels', `its label is ${label}, classes are 0 to ${classes - 1}`, row, 'label-out-of-range');
  }
  let weight = 0;
  for (let row = 0; row < (weights?.length ?? 0); row += 1) {
    const each = weights?.[row] as number;
    if (!(each >= 0 && each < Infinity)) say('weights', `its weight is ${each}`, row);
    weight += each;
  }
  if (weights !== undefined && rows > 0 && weight === 0) say('weights', 'all weights are 0', undefined, 'empty');
}
