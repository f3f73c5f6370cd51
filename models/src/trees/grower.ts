import type { BinLayout } from './bin-layout.ts';
import type { Crew } from './crew.ts';
import { addNode, createGrowth, richestLeaf, rowsOf, type Growth } from './growth.ts';
import { createHistogramPool } from './histogram-pool.ts';
import { binPlaces, partition, subtract } from './histogram.ts';
import { markBins, searchNodes, type GrowerState } from './node-search.ts';
import type { Scales } from './packed-sums.ts';
import { split } from './split-search.ts';
import type { TreeJob } from './tree-job.ts';

export interface Grower {
  readonly growth: Growth;
  /** Grows a tree on the first `count` of `growth.rows`; all threads do, and all get the same tree. */
  grow(count: number, scales: Scales, isActive: Uint8Array): void;
}

export function createGrower(job: TreeJob, layout: BinLayout, crew: Crew): Grower {
  const growth = createGrowth(job.options.leavesMax, job.train.rows);
  const state: GrowerState = {
    job,
    layout,
    crew,
    growth,
    pool: createHistogramPool(job, layout, crew.index, growth),
    isLeft: new Int32Array(256),
    spare: new Int32Array(job.train.rows),
    counts: new Int32Array((layout.features[crew.index] as Int32Array).length * binPlaces),
    terms: { l2: 0, categoryL2: 0, smoothing: 0, hessianMin: 1, leafRowsMin: 1, levelRowsMin: 0 },
    scales: { gradient: 1, hessian: 1, rowHessianMax: 1 },
    isActive: new Uint8Array(),
    turn: 0,
    partTurn: 0,
  };
  return {
    growth,
    grow: (count, scales, isActive) => {
      prepare(state, count, scales, isActive);
      grow(state);
    },
  };
}

function prepare(state: GrowerState, count: number, scales: Scales, isActive: Uint8Array): void {
  const { growth, job } = state;
  const { l2, categoryL2, categorySmoothing, leafHessianMin, leafRowsMin, levelRowsMin } = job.options;
  state.scales = scales;
  state.isActive = isActive;
  state.terms = {
    l2: l2 * scales.hessian,
    categoryL2: (l2 + categoryL2) * scales.hessian,
    smoothing: categorySmoothing * scales.hessian,
    hessianMin: Math.max(1, leafHessianMin * scales.hessian),
    leafRowsMin,
    levelRowsMin,
  };
  growth.nodes = 0;
  let sum = 0;
  for (let at = 0; at < count; at += 1) sum += job.packed[growth.rows[at] as number] as number;
  addNode(growth, 0, count, 0, sum);
}

function grow(state: GrowerState): void {
  const { growth, pool, scales, job } = state;
  if (!canSplit(state, 0) || scales.gradient === 0 || scales.hessian === 0) return;
  pool.fill(0, (pool.ofNode[0] = pool.take(growth.gains)));
  searchNodes(state, [0]);
  for (let leaves = 1; leaves < job.options.leavesMax; leaves += 1) {
    const node = richestLeaf(growth);
    if (node < 0) break;
    splitNode(state, node, leaves === job.options.leavesMax - 1);
  }
  for (let node = 0; node < growth.nodes; node += 1) pool.drop(node);
}

function canSplit({ growth, job }: GrowerState, node: number): boolean {
  const { leafRowsMin, depthMax } = job.options;
  return rowsOf(growth, node) >= 2 * leafRowsMin && (depthMax === 0 || (growth.depths[node] as number) < depthMax);
}

/** The children of the last split are leaves for good: nobody asks for their splits. */
function splitNode(state: GrowerState, node: number, isLast: boolean): void {
  const { growth, pool } = state;
  const best = growth.splits[node] as Float64Array;
  const [from, to, depth] = [growth.begins[node] as number, growth.ends[node] as number, (growth.depths[node] as number) + 1];
  markBins(state, node);
  const middle = (to - from < togetherMin ? partAlone : partTogether)(state, from, to, best[split.feature] as number);
  const leftSum = best[split.leftSum] as number;
  const left = addNode(growth, from, middle, depth, leftSum);
  const right = addNode(growth, middle, to, depth, (growth.sums[node] as number) - leftSum);
  growth.lefts[node] = left;
  growth.rights[node] = right;
  growth.gains[node] = 0;
  const nodes = [left, right].filter((child) => canSplit(state, child));
  if (isLast || nodes.length === 0) {
    pool.drop(node);
    return;
  }
  fillChildren(state, node, left, right);
  searchNodes(state, nodes);
  for (const child of [left, right]) if (!nodes.includes(child)) pool.drop(child);
}

/** Rows of a node from which on threads share the work: they must meet for it. */
const togetherMin = 4096;

function partAlone({ growth, job, isLeft, spare }: GrowerState, from: number, to: number, feature: number): number {
  return partition(growth.rows, from, to, job.columns, feature * job.train.rows, isLeft, spare);
}

/** Each thread parts a stretch of the rows and shows it; copying what the others did is much less work. */
function partTogether(state: GrowerState, from: number, to: number, feature: number): number {
  const { crew, growth, job } = state;
  if (crew.size === 1) return partAlone(state, from, to, feature);
  state.partTurn = state.partTurn === 0 ? 1 : 0;
  const [rowsAt, countsAt] = [state.partTurn * job.train.rows, state.partTurn * crew.size];
  const beginOf = (thread: number): number => from + Math.floor(((to - from) * thread) / crew.size);
  const [begin, end] = [beginOf(crew.index), beginOf(crew.index + 1)];
  job.partedLeft[countsAt + crew.index] = partAlone(state, begin, end, feature) - begin;
  job.parted.set(growth.rows.subarray(begin, end), rowsAt + begin);
  crew.meet();
  let left = from;
  for (let thread = 0; thread < crew.size; thread += 1) {
    const [first, count] = [rowsAt + beginOf(thread), job.partedLeft[countsAt + thread] as number];
    growth.rows.set(job.parted.subarray(first, first + count), left);
    left += count;
  }
  let right = left;
  for (let thread = 0; thread < crew.size; thread += 1) {
    const [first, last] = [rowsAt + beginOf(thread) + (job.partedLeft[countsAt + thread] as number), rowsAt + beginOf(thread + 1)];
    growth.rows.set(job.parted.subarray(first, last), right);
    right += last - first;
  }
  return left;
}

/** The smaller child's rows are counted; the larger one's are the rest of the parent's. */
function fillChildren({ growth, pool }: GrowerState, node: number, left: number, right: number): void {
  const [small, large] = rowsOf(growth, left) <= rowsOf(growth, right) ? [left, right] : [right, left];
  const ofSmall = pool.take(growth.gains, node);
  pool.ofNode[small] = ofSmall;
  pool.fill(small, ofSmall);
  const parent = pool.ofNode[node];
  pool.ofNode[node] = undefined;
  const ofLarge = parent ?? pool.take(growth.gains, small);
  pool.ofNode[large] = ofLarge;
  if (parent === undefined) pool.fill(large, ofLarge);
  else subtract(parent.all, ofSmall.all);
}
