/**
 * Frozen histograms. The edges travel in the signed profile, a device only counts, and windows of the same
 * edges merge by adding vectors. Layout of the counts: [under, bin 0 .. bin B-1, over, NaN], so B + 3 cells.
 */

/** Cells that a histogram has beside its bins: under, over, NaN. */
export const EXTRA_CELLS = 3;

type WritableCounts = { [index: number]: number; readonly length: number };

/**
 * `bins + 1` edges from the smallest to the largest finite value, the same number of values in each bin (as far
 * as ties allow: repeated values give bins of no width, which stay empty and change no distance).
 */
export function equalMassEdges(values: ArrayLike<number>, bins: number): number[] {
  if (!Number.isInteger(bins) || bins < 1) throw new RangeError(`bins must be a positive integer, got ${bins}`);
  const sorted = Float64Array.from(values)
    .filter((value) => Number.isFinite(value))
    .sort();
  const last = sorted.length - 1;
  if (last < 0) throw new RangeError('no finite value to make edges from');
  return Array.from({ length: bins + 1 }, (_, i) => (i === bins ? sorted[last]! : sorted[Math.floor((i * sorted.length) / bins)]!));
}

export function emptyCounts(edges: ArrayLike<number>): number[] {
  return Array.from({ length: edges.length - 1 + EXTRA_CELLS }, () => 0);
}

/** The cell of a value: bin b holds edges[b] <= value < edges[b+1], the last bin its upper edge too. */
export function cellOf(edges: ArrayLike<number>, value: number): number {
  const bins = edges.length - 1;
  if (value !== value) return bins + 2;
  if (value < edges[0]!) return 0;
  if (value > edges[bins]!) return bins + 1;
  let low = 0;
  let high = bins;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (edges[middle]! <= value) low = middle;
    else high = middle;
  }
  return low + 1;
}

/** Counts one value in place; runs for every frame, so it allocates nothing. */
export function countInto(counts: WritableCounts, edges: ArrayLike<number>, value: number): void {
  const cell = cellOf(edges, value);
  counts[cell] = counts[cell]! + 1;
}

/** Adds `from` to `into` in place; exact, since counts are integers. */
export function addCounts(into: WritableCounts, from: ArrayLike<number>): void {
  if (into.length !== from.length) {
    throw new RangeError(`counts of ${from.length} cells do not fit counts of ${into.length} cells`);
  }
  for (let i = 0; i < from.length; i++) into[i] = into[i]! + from[i]!;
}

export function totalCount(counts: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  return total;
}
