import type { BinLayout } from './bin-layout.ts';
import type { Crew } from './crew.ts';
import { createHistogramPool, type Histogram } from './histogram-pool.ts';
import { binPlaces, countRows, partition, subtract } from './histogram.ts';
import { gradientOf, hessianOf, type Scales } from './packed-sums.ts';
import { byCategory, isInMask, scoreOf, searchCategory, searchNumber, searchNumberWithMissing, split, type SearchTerms } from './split-search.ts';
import type { TreeJob } from './tree-job.ts';

/** A tree that is being grown: its nodes in the order they came to be, each with the rows that came by. */
export interface Growth {
  nodes: number;
  readonly begins: Int32Array;
  readonly ends: Int32Array;
  /** -1 for a leaf. */
  readonly lefts: Int32Array;
  readonly rights: Int32Array;
  readonly depths: Int32Array;
  /** A split a node, `split.fields` numbers each. */
  readonly splits: Float64Array;
  readonly sums: Float64Array;
  /** Ordered so that the rows of a node lie beside each other. */
  readonly rows: Int32Array;
}

export interface Grower {
  readonly growth: Growth;
  /** Grows a tree on the first `count` of `growth.rows`; all threads do, and all get the same tree. */
  grow(count: number, scales: Scales, isActive: Uint8Array): void;
}

/** A share of the score by which a split must be better: less is rounding. */
const scoreTolerance = 1e-10;

export function createGrower(job: TreeJob, layout: BinLayout, crew: Crew): Grower {
  const { options, packed, bins } = job;
  const { leavesMax } = options;
  const nodesMax = 2 * leavesMax - 1;
  const features = layout.features[crew.index] as Int32Array;
  const [begin, stride] = [layout.begins[crew.index] as number, layout.strides[crew.index] as number];
  const spare = new Int32Array(job.train.rows);
  const isLeft = new Int32Array(256);
  const growth: Growth = {
    nodes: 0,
    begins: new Int32Array(nodesMax),
    ends: new Int32Array(nodesMax),
    lefts: new Int32Array(nodesMax),
    rights: new Int32Array(nodesMax),
    depths: new Int32Array(nodesMax),
    splits: new Float64Array(nodesMax * split.fields),
    sums: new Float64Array(nodesMax),
    rows: new Int32Array(job.train.rows),
  };
  const splitOf = Array.from({ length: nodesMax }, (_, node) => growth.splits.subarray(node * split.fields, (node + 1) * split.fields));
  const counts = new Int32Array(features.length * binPlaces);

  const pool = createHistogramPool(job, layout, crew.index, growth);
  const gains = new Float64Array(nodesMax);

  let terms: SearchTerms = { l2: 0, categoryL2: 0, smoothing: 0, hessianMin: 1, leafRowsMin: 1, levelRowsMin: 0 };
  let scales: Scales = { gradient: 1, hessian: 1, rowHessianMax: 1 };
  let isActive: Uint8Array = new Uint8Array();

  const rowsOf = (node: number): number => (growth.ends[node] as number) - (growth.begins[node] as number);
  const leastScore = (node: number): number => {
    const sum = growth.sums[node] as number;
    const before = scoreOf(gradientOf(sum), Math.max(1, hessianOf(sum)), terms.l2);
    return before * (1 + scoreTolerance) + (options.gainMin * scales.gradient ** 2) / scales.hessian;
  };

  /** The best split of this thread's features. */
  const search = (node: number, counted: Int32Array | undefined): void => {
    const best = splitOf[node] as Float64Array;
    best.fill(0);
    best[split.score] = leastScore(node);
    best[split.feature] = -1;
    const leaf = { sum: growth.sums[node] as number, rows: rowsOf(node), counts: counted };
    const { all } = pool.ofNode[node] as Histogram;
    for (let place = 0; place < features.length; place += 1) {
      const feature = features[place] as number;
      const count = job.binCounts[feature] as number;
      if (isActive[feature] === 0 || count === 0) continue;
      if ((job.levels[feature] as number) > 0) searchCategory(all, place * binPlaces, count, leaf, terms, feature, best);
      else if (job.hasMissing[feature] === 1) searchNumberWithMissing(all, place * binPlaces, count, leaf, terms, feature, best);
      else searchNumber(all, place * binPlaces, count, leaf, terms, feature, best);
    }
  };

  let turn = 0;
  /** Every thread shows what it found of these nodes and takes the best of all. */
  const agree = (nodes: readonly number[]): void => {
    if (crew.size === 1) return;
    turn = 1 - turn;
    const places = 2 * split.fields;
    const at = turn * crew.size * places;
    nodes.forEach((node, place) => job.found.set(splitOf[node] as Float64Array, at + crew.index * places + place * split.fields));
    crew.meet();
    nodes.forEach((node, place) => {
      const best = splitOf[node] as Float64Array;
      for (let thread = 0; thread < crew.size; thread += 1) {
        const from = at + thread * places + place * split.fields;
        const [score, feature] = [job.found[from] as number, job.found[from + split.feature] as number];
        if (feature < 0) continue;
        const [top, mine] = [best[split.score] as number, best[split.feature] as number];
        if (mine < 0 || score > top || (score === top && feature < mine)) best.set(job.found.subarray(from, from + split.fields));
      }
    });
  };

  /** Fills `isLeft` for the bins of a node's split. */
  const markBins = (node: number): void => {
    const best = splitOf[node] as Float64Array;
    const [feature, bin] = [best[split.feature] as number, best[split.bin] as number];
    const missing = job.binCounts[feature] as number;
    for (let each = 0; each <= missing; each += 1)
      isLeft[each] = (bin === byCategory ? isInMask(best, each) : each === missing ? best[split.restLeft] === 1 : each <= bin) ? 1 : 0;
  };

  /** Whether both sides have rows enough. Second derivatives tell for most; rows are counted where they do not. */
  const isTooSmall = (node: number): boolean => {
    const best = splitOf[node] as Float64Array;
    const feature = best[split.feature] as number;
    if (feature < 0) return false;
    const left = best[split.leftSum] as number;
    const enough = options.leafRowsMin * scales.rowHessianMax;
    if (hessianOf(left) >= enough && hessianOf((growth.sums[node] as number) - left) >= enough) return false;
    markBins(node);
    const block = layout.blockOf[feature] as number;
    const [first, step] = [(layout.begins[block] as number) + (layout.placeOf[feature] as number), layout.strides[block] as number];
    let count = 0;
    for (let at = growth.begins[node] as number; at < (growth.ends[node] as number); at += 1) {
      count += isLeft[bins[first + (growth.rows[at] as number) * step] as number] as number;
    }
    return count < options.leafRowsMin || rowsOf(node) - count < options.leafRowsMin;
  };

  const canSplit = (node: number): boolean =>
    rowsOf(node) >= 2 * options.leafRowsMin && (options.depthMax === 0 || (growth.depths[node] as number) < options.depthMax);

  /** Finds the best splits of nodes that have histograms. */
  const searchAll = (nodes: readonly number[]): void => {
    for (const node of nodes) search(node, undefined);
    agree(nodes);
    const small = nodes.filter(isTooSmall);
    if (small.length > 0) {
      for (const node of small) {
        countRows(growth.rows, growth.begins[node] as number, growth.ends[node] as number, bins, begin, stride, counts, features.length);
        search(node, counts);
      }
      agree(small);
    }
    for (const node of nodes) {
      const best = splitOf[node] as Float64Array;
      gains[node] = (best[split.feature] as number) < 0 ? 0 : (best[split.score] as number) - leastScore(node);
      if (gains[node] === 0) pool.drop(node);
    }
  };

  const addNode = (from: number, to: number, depth: number): number => {
    const node = growth.nodes;
    growth.nodes += 1;
    growth.begins[node] = from;
    growth.ends[node] = to;
    growth.lefts[node] = -1;
    growth.depths[node] = depth;
    gains[node] = 0;
    return node;
  };

  const splitNode = (node: number, isLast: boolean): void => {
    const best = splitOf[node] as Float64Array;
    const feature = best[split.feature] as number;
    markBins(node);
    const block = layout.blockOf[feature] as number;
    const [from, to, depth] = [growth.begins[node] as number, growth.ends[node] as number, (growth.depths[node] as number) + 1];
    const middle = partition(
      growth.rows,
      from,
      to,
      bins,
      (layout.begins[block] as number) + (layout.placeOf[feature] as number),
      layout.strides[block] as number,
      isLeft,
      spare,
    );
    const left = addNode(from, middle, depth);
    const right = addNode(middle, to, depth);
    growth.lefts[node] = left;
    growth.rights[node] = right;
    growth.sums[left] = best[split.leftSum] as number;
    growth.sums[right] = (growth.sums[node] as number) - (best[split.leftSum] as number);
    gains[node] = 0;
    const nodes = [left, right].filter(canSplit);
    if (isLast || nodes.length === 0) pool.drop(node);
    else {
      fillChildren(node, left, right);
      searchAll(nodes);
      if (!nodes.includes(left)) pool.drop(left);
      if (!nodes.includes(right)) pool.drop(right);
    }
  };

  /** The smaller child's rows are counted; the larger one's are the rest of the parent's. */
  const fillChildren = (node: number, left: number, right: number): void => {
    const [small, large] = rowsOf(left) <= rowsOf(right) ? [left, right] : [right, left];
    const ofSmall = pool.take(gains, node);
    pool.ofNode[small] = ofSmall;
    pool.fill(small, ofSmall);
    const parent = pool.ofNode[node];
    pool.ofNode[node] = undefined;
    const ofLarge = parent ?? pool.take(gains, small);
    pool.ofNode[large] = ofLarge;
    if (parent === undefined) pool.fill(large, ofLarge);
    else subtract(parent.all, ofSmall.all);
  };

  const prepare = (count: number): void => {
    growth.nodes = 0;
    terms = {
      l2: options.l2 * scales.hessian,
      categoryL2: (options.l2 + options.categoryL2) * scales.hessian,
      smoothing: options.categorySmoothing * scales.hessian,
      hessianMin: Math.max(1, options.leafHessianMin * scales.hessian),
      leafRowsMin: options.leafRowsMin,
      levelRowsMin: options.levelRowsMin,
    };
    addNode(0, count, 0);
    let sum = 0;
    for (let at = 0; at < count; at += 1) sum += packed[growth.rows[at] as number] as number;
    growth.sums[0] = sum;
  };

  return {
    growth,
    grow: (count, scalesOfTree, activeFeatures) => {
      scales = scalesOfTree;
      isActive = activeFeatures;
      prepare(count);
      if (!canSplit(0) || scales.gradient === 0 || scales.hessian === 0) return;
      const ofRoot = pool.take(gains);
      pool.ofNode[0] = ofRoot;
      pool.fill(0, ofRoot);
      searchAll([0]);
      for (let leaves = 1; leaves < leavesMax; leaves += 1) {
        let next = 0;
        for (let node = 1; node < growth.nodes; node += 1) if ((gains[node] as number) > (gains[next] as number)) next = node;
        if (!((gains[next] as number) > 0)) break;
        splitNode(next, leaves === leavesMax - 1);
      }
      for (let node = 0; node < growth.nodes; node += 1) pool.drop(node);
    },
  };
}
