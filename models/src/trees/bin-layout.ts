import { binCategories, binNumbers, binnedLevels, boundsOf } from './bin-bounds.ts';
import type { Crew } from './crew.ts';
import { binPlaces } from './histogram.ts';
import type { TreeJob } from './tree-job.ts';

/**
 * Where bins lie: a block a thread, of the features it looks after. Within a block a row's bins lie beside each other, padded
 * to whole words, so that one pass over rows fills the histograms of many features.
 */
export interface BinLayout {
  readonly threads: number;
  /** Features of each block, in order. */
  readonly features: readonly Int32Array[];
  /** Where the block begins, and bytes from row to row. */
  readonly begins: readonly number[];
  readonly strides: readonly number[];
  readonly bytes: number;
}

export function layBins(features: number, rows: number, threads: number): BinLayout {
  const blocks = Array.from({ length: threads }, (_, thread) =>
    Int32Array.from({ length: Math.ceil((features - thread) / threads) }, (__, place) => thread + place * threads),
  );
  const strides = blocks.map(({ length }) => Math.ceil(length / 4) * 4);
  const begins: number[] = [];
  let bytes = 0;
  for (const stride of strides) {
    begins.push(bytes);
    bytes += stride * rows;
  }
  return { threads, features: blocks, begins, strides, bytes };
}

/** Sorts the values of this thread's features into bins. */
export function fillBins({ train, levels, options, bins, columns, binCounts, binEdges }: TreeJob, layout: BinLayout, crew: Crew): void {
  const { rows, values } = train;
  const [begin, stride] = [layout.begins[crew.index] as number, layout.strides[crew.index] as number];
  (layout.features[crew.index] as Int32Array).forEach((feature, place) => {
    const column = values.subarray(feature * rows, (feature + 1) * rows);
    const binned = columns.subarray(feature * rows, (feature + 1) * rows);
    const levelCount = levels[feature] as number;
    const edges = levelCount > 0 ? binnedLevels(column, levelCount, options.binsMax) : boundsOf(column, options.binsMax);
    const count = levelCount > 0 ? edges.length : edges.length + 1;
    if (edges instanceof Int32Array) binCategories(column, levelCount, edges, binned);
    else binNumbers(column, edges, binned);
    binEdges.set(edges, feature * binPlaces);
    binCounts[feature] = count;
    spread(binned, bins, begin + place, stride);
  });
}

function spread(column: Uint8Array, into: Uint8Array, begin: number, stride: number): void {
  for (let row = 0, at = begin; row < column.length; row += 1, at += stride) into[at] = column[row] as number;
}
