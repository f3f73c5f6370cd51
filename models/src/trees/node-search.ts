import type { BinLayout } from './bin-layout.ts';
import type { Crew } from './crew.ts';
import { rowsOf, type Growth } from './growth.ts';
import type { HistogramPool } from './histogram-pool.ts';
import { binPlaces, countLeft, countRows } from './histogram.ts';
import { gradientOf, hessianOf, type Scales } from './packed-sums.ts';
import { byCategory, isInMask, scoreOf, searchCategory, searchNumber, split, type SearchTerms } from './split-search.ts';
import type { TreeJob } from './tree-job.ts';

/** What a thread grows a tree with. */
export interface GrowerState {
  readonly job: TreeJob;
  readonly layout: BinLayout;
  readonly crew: Crew;
  readonly growth: Growth;
  readonly pool: HistogramPool;
  /** Of the split at hand, 1 for each bin that goes left. */
  readonly isLeft: Int32Array;
  readonly spare: Int32Array;
  /** Rows by bin, for leaves whose sizes must be exact. */
  readonly counts: Int32Array;
  terms: SearchTerms;
  scales: Scales;
  isActive: Uint8Array;
  /** Threads show what they found, or parted, in two places by turns: nobody overwrites what another still reads. */
  turn: 0 | 1;
  partTurn: 0 | 1;
}

/** A share of the score by which a split must be better: less is rounding. */
const scoreTolerance = 1e-10;

/** Finds the best splits of nodes that have histograms. */
export function searchNodes(state: GrowerState, nodes: readonly number[]): void {
  const { growth, pool } = state;
  for (const node of nodes) searchNode(state, node, undefined);
  agree(state, nodes);
  const small = nodes.filter((node) => isTooSmall(state, node));
  for (const node of small) {
    countOwn(state, node);
    searchNode(state, node, state.counts);
  }
  if (small.length > 0) agree(state, small);
  for (const node of nodes) {
    const best = growth.splits[node] as Float64Array;
    const gain = (best[split.feature] as number) < 0 ? 0 : (best[split.score] as number) - leastScore(state, node);
    growth.gains[node] = gain;
    if (gain === 0) pool.drop(node);
  }
}

function leastScore({ growth, terms, scales, job }: GrowerState, node: number): number {
  const sum = growth.sums[node] as number;
  const before = scoreOf(gradientOf(sum), Math.max(1, hessianOf(sum)), terms.l2);
  return before * (1 + scoreTolerance) + (job.options.gainMin * scales.gradient ** 2) / scales.hessian;
}

/** The best split of this thread's features. */
function searchNode(state: GrowerState, node: number, counts: Int32Array | undefined): void {
  const { job, layout, crew, growth, pool, terms, isActive } = state;
  const histogram = pool.ofNode[node];
  if (histogram === undefined) throw new Error(`node ${node} has no histogram to search`);
  const best = growth.splits[node] as Float64Array;
  best.fill(0);
  best[split.score] = leastScore(state, node);
  best[split.feature] = -1;
  const leaf = { sum: growth.sums[node] as number, rows: rowsOf(growth, node), counts };
  const features = layout.features[crew.index] as Int32Array;
  for (let place = 0; place < features.length; place += 1) {
    const feature = features[place] as number;
    const bins = job.binCounts[feature] as number;
    if (isActive[feature] === 0 || bins === 0) continue;
    const search = (job.levels[feature] as number) > 0 ? searchCategory : searchNumber;
    search(histogram.all, place * binPlaces, bins, leaf, terms, feature, best);
  }
}

/** Every thread shows what it found of these nodes and takes the best of all. */
function agree(state: GrowerState, nodes: readonly number[]): void {
  const { crew, growth, job } = state;
  if (crew.size === 1) return;
  state.turn = state.turn === 0 ? 1 : 0;
  const places = 2 * split.fields;
  const at = state.turn * crew.size * places;
  nodes.forEach((node, place) => job.found.set(growth.splits[node] as Float64Array, at + crew.index * places + place * split.fields));
  crew.meet();
  nodes.forEach((node, place) => {
    const best = growth.splits[node] as Float64Array;
    for (let thread = 0; thread < crew.size; thread += 1) takeBetter(best, job.found, at + thread * places + place * split.fields);
  });
}

/** Of splits as good, the one by the first feature: what a single thread would have kept. */
function takeBetter(best: Float64Array, found: Float64Array, from: number): void {
  const [score, feature] = [found[from + split.score] as number, found[from + split.feature] as number];
  if (feature < 0) return;
  const [top, mine] = [best[split.score] as number, best[split.feature] as number];
  if (mine < 0 || score > top || (score === top && feature < mine))
    for (let field = 0; field < split.fields; field += 1) best[field] = found[from + field] as number;
}

/** Whether a side has too few rows. Second derivatives tell for most; rows are counted where they do not. */
function isTooSmall(state: GrowerState, node: number): boolean {
  const { growth, job, scales } = state;
  const { leafRowsMin } = job.options;
  const best = growth.splits[node] as Float64Array;
  const feature = best[split.feature] as number;
  if (feature < 0) return false;
  const left = best[split.leftSum] as number;
  const enough = leafRowsMin * scales.rowHessianMax;
  if (hessianOf(left) >= enough && hessianOf((growth.sums[node] as number) - left) >= enough) return false;
  markBins(state, node);
  const count = countLeft(growth.rows, growth.begins[node] as number, growth.ends[node] as number, job.columns, feature * job.train.rows, state.isLeft);
  return count < leafRowsMin || rowsOf(growth, node) - count < leafRowsMin;
}

function countOwn({ job, layout, crew, growth, counts }: GrowerState, node: number): void {
  const [begin, stride] = [layout.begins[crew.index] as number, layout.strides[crew.index] as number];
  const features = (layout.features[crew.index] as Int32Array).length;
  countRows(growth.rows, growth.begins[node] as number, growth.ends[node] as number, job.bins, begin, stride, counts, features);
}

/** Fills `isLeft` for the bins of a node's split. */
export function markBins({ growth, job, isLeft }: GrowerState, node: number): void {
  const best = growth.splits[node] as Float64Array;
  const [feature, bin] = [best[split.feature] as number, best[split.bin] as number];
  const missing = job.binCounts[feature] as number;
  for (let each = 0; each <= missing; each += 1)
    isLeft[each] = (bin === byCategory ? isInMask(best, each) : each === missing ? best[split.restLeft] === 1 : each <= bin) ? 1 : 0;
}
