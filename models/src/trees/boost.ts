import { seededRandom, shuffle } from '@serin/inference/random';
import type { TreeNodes } from '@serin/inference/trees/ensemble';
import { addTree, columnMajor } from '@serin/inference/trees/predict';

import { fillBins, layBins } from './bin-layout.ts';
import type { Crew } from './crew.ts';
import { finishTree } from './finished-tree.ts';
import { createGrower, type Grower } from './grower.ts';
import { rowsOf, type Growth } from './growth.ts';
import { chunkGradients, chunkLoss, linkOf, outputsOf, weightedMedian } from './objective.ts';
import { packRows, scalesFor, type Scales } from './packed-sums.ts';
import { chunkFields, chunkRows, type BoostStep, type SharedRows, type TreeJob } from './tree-job.ts';
import { isBetter } from './tree-history.ts';
import type { TreePoint } from './tree-options.ts';

interface Booster {
  readonly job: TreeJob;
  readonly crew: Crew;
  readonly grower: Grower;
  /** Rows that the tree at hand does not see. */
  readonly unseen: Int32Array;
}

/** Grows trees until there are enough; every thread of the crew runs this with the same job, and all come to the same trees. */
export function* boost(job: TreeJob, crew: Crew): Generator<BoostStep> {
  const { train, validation, options, begun } = job;
  const layout = layBins(job.levels.length, train.rows, crew.size);
  fillBins(job, layout, crew);
  for (const rows of [train, validation]) if (rows !== undefined) beginMargins(job, crew, rows);
  crew.meet();
  const booster: Booster = { job, crew, grower: createGrower(job, layout, crew), unseen: new Int32Array(train.rows) };

  const history: TreePoint[] = [...(begun?.history ?? [])];
  let iteration = history.at(-1)?.iteration ?? 0;
  let grown: TreeNodes[] = [];
  let best = history.reduce((top, point) => (isBetter(point, top) ? point : top), history[0]);
  let isExhausted = false;
  for (;;) {
    findGradients(job, crew, 0);
    if (grown.length > 0) {
      const point: TreePoint = { iteration, train: meanOf(train), ...(validation === undefined ? {} : { validation: meanOf(validation) }) };
      if (best === undefined || isBetter(point, best)) best = point;
      const isSpent = validation !== undefined && options.patience !== undefined && iteration - best.iteration >= options.patience;
      const end = isSpent ? 'early' : iteration >= options.trees || isExhausted ? 'finished' : undefined;
      yield { point, best: best.iteration, trees: grown, end };
      if (end !== undefined) return;
    }
    iteration += 1;
    grown = growIteration(booster, iteration);
    // Were the next tree to see the same rows and features, it would find no split either.
    isExhausted = options.rowShare === 1 && options.featureShare === 1 && grown.every(({ feature }) => feature.length === 1);
  }
}

/** A tree for each margin. */
function growIteration({ job, crew, grower, unseen }: Booster, iteration: number): TreeNodes[] {
  const { train, validation, objective, options } = job;
  const grown: TreeNodes[] = [];
  const random = seededRandom(job.seed).fork(`iteration ${iteration}`);
  const seen = chooseRows(train.rows, options.rowShare, random, unseen);
  const isActive = chooseFeatures(job.levels.length, options.featureShare, random);
  for (let output = 0; output < outputsOf(objective); output += 1) {
    if (output > 0) findGradients(job, crew, output);
    const scales = scalesOf(train);
    forChunks(train.rows, crew, (_, from, to) => packRows(job.gradients, job.hessians, scales, job.packed, from, to));
    crew.meet();
    placeRows(grower.growth.rows, unseen, train.rows, seen);
    grower.grow(seen, scales, isActive);
    settleLeaves(job, grower.growth, scales, crew, output);
    crew.meet();
    const tree = finishTree(job, grower.growth, scales);
    const isLast = output === outputsOf(objective) - 1;
    if (validation !== undefined) addToValidation(job, crew, validation, tree, output, isLast);
    if (seen < train.rows) {
      addToUnseen(job, crew, tree, output, unseen.subarray(0, train.rows - seen));
      crew.meet();
    }
    grown.push(tree);
  }
  return grown;
}

function forChunks(rows: number, crew: Crew, work: (chunk: number, from: number, to: number) => void): void {
  for (let chunk = crew.index; chunk * chunkRows < rows; chunk += crew.size) work(chunk, chunk * chunkRows, Math.min(rows, (chunk + 1) * chunkRows));
}

function findGradients(job: TreeJob, crew: Crew, output: number): void {
  forChunks(job.train.rows, crew, (chunk, from, to) => chunkGradients(job, output, chunk, from, to));
  crew.meet();
}

function meanOf({ rows, weight, chunkSums }: SharedRows): number {
  let sum = 0;
  for (let chunk = 0; chunk * chunkRows < rows; chunk += 1) sum += chunkSums[chunk * chunkFields] as number;
  return sum / weight;
}

function scalesOf({ rows, chunkSums }: SharedRows): Scales {
  let [gradients, hessians, most, least] = [0, 0, 0, Infinity];
  for (let chunk = 0; chunk * chunkRows < rows; chunk += 1) {
    const at = chunk * chunkFields;
    gradients += chunkSums[at + 1] as number;
    hessians += chunkSums[at + 2] as number;
    most = Math.max(most, chunkSums[at + 3] as number);
    least = Math.min(least, chunkSums[at + 4] as number);
  }
  return scalesFor(rows, gradients, hessians, most, least);
}

/** What the trees say that are there already, as it was added up when they were grown. */
function beginMargins({ base, begun, objective, levels }: TreeJob, crew: Crew, { rows, values, margins, chunkSums }: SharedRows): void {
  const outputs = base.length;
  const from = Math.floor((rows * crew.index) / crew.size);
  const to = Math.floor((rows * (crew.index + 1)) / crew.size);
  for (let at = from * outputs; at < to * outputs; at += 1) margins[at] = base[at % outputs] as number;
  begun?.trees.roots.subarray(0, -1).forEach((root, tree) => {
    addTree({ ...begun.trees, levels, link: linkOf(objective) }, root, columnMajor(values, rows), margins, tree % outputs, outputs, from, to);
  });
  if (crew.index === 0) chunkSums.fill(0);
}

/** How many rows the tree sees; the others are listed. */
function chooseRows(rows: number, share: number, random: ReturnType<typeof seededRandom>, unseen: Int32Array): number {
  if (share >= 1) return rows;
  const draw = random.fork('rows');
  let others = 0;
  for (let row = 0; row < rows; row += 1) {
    if (draw.uniform() < share) continue;
    unseen[others] = row;
    others += 1;
  }
  return rows - others;
}

function placeRows(order: Int32Array, unseen: Int32Array, rows: number, seen: number): void {
  if (seen === rows) {
    for (let row = 0; row < rows; row += 1) order[row] = row;
    return;
  }
  let [place, next] = [0, 0];
  for (let row = 0; row < rows; row += 1) {
    if (next < rows - seen && unseen[next] === row) next += 1;
    else {
      order[place] = row;
      place += 1;
    }
  }
}

function chooseFeatures(features: number, share: number, random: ReturnType<typeof seededRandom>): Uint8Array {
  if (share >= 1) return new Uint8Array(features).fill(1);
  const isActive = new Uint8Array(features);
  const order = shuffle(
    random.fork('features'),
    Int32Array.from({ length: features }, (_, feature) => feature),
  );
  for (const feature of order.subarray(0, Math.max(1, Math.round(features * share)))) isActive[feature] = 1;
  return isActive;
}

/** What each leaf adds, and to its rows' margins at once: whoever settles a leaf has its rows at hand. */
function settleLeaves(job: TreeJob, growth: Growth, scales: Scales, crew: Crew, output: number): void {
  const { train, base, leafValues } = job;
  for (const node of ownLeaves(growth, crew)) {
    const value = leafValue(job, growth, scales, node);
    leafValues[node] = value;
    // In single precision, as the tree will have it.
    addToRows(growth.rows, growth.begins[node] as number, growth.ends[node] as number, Math.fround(value), train.margins, output, base.length);
  }
}

/** This thread's share of the leaves: the largest first, each to who has the fewest rows so far. */
function ownLeaves(growth: Growth, crew: Crew): number[] {
  const leaves = Array.from({ length: growth.nodes }, (_, node) => node).filter((node) => (growth.lefts[node] as number) < 0);
  if (crew.size === 1) return leaves;
  const loads = Array.from({ length: crew.size }, () => 0);
  return leaves
    .sort((a, b) => rowsOf(growth, b) - rowsOf(growth, a) || a - b)
    .filter((node) => {
      const least = loads.indexOf(Math.min(...loads));
      loads[least] = (loads[least] as number) + rowsOf(growth, node);
      return least === crew.index;
    });
}

/** From the rows' gradients as they are: only splits were found by rounded ones. */
function leafValue(job: TreeJob, growth: Growth, scales: Scales, node: number): number {
  const { gradients, hessians, options, objective } = job;
  if (objective.kind === 'regression' && objective.loss === 'absolute') return options.rate * medianError(job, growth, node);
  let gradient = 0;
  let hessian = 0;
  for (let at = growth.begins[node] as number; at < (growth.ends[node] as number); at += 1) {
    const row = growth.rows[at] as number;
    gradient += gradients[row] as number;
    hessian += hessians[row] as number;
  }
  return hessian + options.l2 > 0 && scales.gradient > 0 ? (-options.rate * gradient) / (hessian + options.l2) : 0;
}

function medianError({ train }: TreeJob, { rows, begins, ends }: Growth, node: number): number {
  const ofLeaf = rows.subarray(begins[node], ends[node]);
  const errors = Float64Array.from(ofLeaf, (row) => (train.labels[row] as number) - (train.margins[row] as number));
  return weightedMedian(
    errors,
    Float64Array.from(ofLeaf, (row) => train.weights[row] as number),
  );
}

/** Adds the tree to the margins of training rows that it did not see: the others lie in its leaves already. */
function addToUnseen({ train, base, levels, objective }: TreeJob, crew: Crew, tree: TreeNodes, output: number, unseen: Int32Array): void {
  const whole = { ...tree, levels, link: linkOf(objective), base, roots: new Int32Array(2) };
  const rows = columnMajor(train.values, train.rows);
  for (let at = crew.index; at < unseen.length; at += crew.size) {
    const row = unseen[at] as number;
    addTree(whole, 0, rows, train.margins, output, base.length, row, row + 1);
  }
}

function addToRows(rows: Int32Array, from: number, to: number, value: number, margins: Float64Array, output: number, outputs: number): void {
  for (let at = from; at < to; at += 1) {
    const place = (rows[at] as number) * outputs + output;
    margins[place] = (margins[place] as number) + value;
  }
}

function addToValidation({ objective, base, levels }: TreeJob, crew: Crew, validation: SharedRows, tree: TreeNodes, output: number, isLast: boolean): void {
  const whole = { ...tree, levels, link: linkOf(objective), base, roots: new Int32Array(2) };
  const rows = columnMajor(validation.values, validation.rows);
  forChunks(validation.rows, crew, (chunk, from, to) => {
    addTree(whole, 0, rows, validation.margins, output, base.length, from, to);
    if (isLast) validation.chunkSums[chunk * chunkFields] = chunkLoss(objective, validation, from, to);
  });
}
