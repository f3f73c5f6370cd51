import { split } from './split-search.ts';

/** A tree that is being grown: its nodes in the order they came to be, each with the rows that came by. */
export interface Growth {
  nodes: number;
  readonly begins: Int32Array;
  readonly ends: Int32Array;
  /** -1 for a leaf. */
  readonly lefts: Int32Array;
  readonly rights: Int32Array;
  readonly depths: Int32Array;
  /** The best split of each node, `split.fields` numbers. */
  readonly splits: readonly Float64Array[];
  /** Packed sums of the nodes' rows. */
  readonly sums: Float64Array;
  /** What a leaf's best split wins; 0 where it has none. */
  readonly gains: Float64Array;
  /** Ordered so that the rows of a node lie beside each other. */
  readonly rows: Int32Array;
}

export function createGrowth(leavesMax: number, rows: number): Growth {
  const nodesMax = 2 * leavesMax - 1;
  const splits = new Float64Array(nodesMax * split.fields);
  return {
    nodes: 0,
    begins: new Int32Array(nodesMax),
    ends: new Int32Array(nodesMax),
    lefts: new Int32Array(nodesMax),
    rights: new Int32Array(nodesMax),
    depths: new Int32Array(nodesMax),
    splits: Array.from({ length: nodesMax }, (_, node) => splits.subarray(node * split.fields, (node + 1) * split.fields)),
    sums: new Float64Array(nodesMax),
    gains: new Float64Array(nodesMax),
    rows: new Int32Array(rows),
  };
}

export function addNode(growth: Growth, from: number, to: number, depth: number, sum: number): number {
  const node = growth.nodes;
  growth.nodes += 1;
  growth.begins[node] = from;
  growth.ends[node] = to;
  growth.lefts[node] = -1;
  growth.depths[node] = depth;
  growth.sums[node] = sum;
  growth.gains[node] = 0;
  return node;
}

export const rowsOf = ({ begins, ends }: Growth, node: number): number => (ends[node] as number) - (begins[node] as number);

/** The leaf that wins most by its split, or -1 where none wins anything. */
export function richestLeaf({ nodes, gains }: Growth): number {
  let richest = 0;
  for (let node = 1; node < nodes; node += 1) if ((gains[node] as number) > (gains[richest] as number)) richest = node;
  return (gains[richest] as number) > 0 ? richest : -1;
}
