import type { SliceReport } from '@serin/protocol/api/runs';

import { differenceOf, estimateOf, resampleAwake, simultaneous, type BootstrapOptions, type Resampled } from './bootstrap.ts';
import { meanOf, type Counted } from './ranking.ts';

/** The rows that share one value of a column. */
export interface Slice {
  readonly column: string;
  readonly value: string;
  readonly rows: Uint32Array;
}

/** Fewer rows than this say nothing that could be told from chance. */
export const sliceRowsMin = 20;
const slicesMax = 500;

/** Only the rows of the slice, or only those outside of it, count. */
function within(metric: Counted, inside: Uint8Array, wanted: 0 | 1): Counted {
  const masked = new Uint16Array(inside.length);
  return (counts) => {
    for (let row = 0; row < masked.length; row += 1) masked[row] = inside[row] === wanted ? (counts[row] as number) : 0;
    return metric(masked);
  };
}

export interface SliceOptions extends BootstrapOptions {
  readonly onProgress?: (fraction: number) => void;
  readonly slices: readonly Slice[];
  readonly metric: Counted;
  /** 1 where the class that is looked for is true, and where it is answered; without one, shares of it are not told. */
  readonly positives?: { readonly truth: ArrayLike<number>; readonly answered: ArrayLike<number> } | undefined;
}

export interface SlicesFound {
  readonly slices: SliceReport[];
  /** Slices left out, and why, in words. */
  readonly notes: string[];
}

/**
 * How the model does on each slice, and how that differs from everybody else. Intervals of the slices themselves stand alone;
 * those of the differences hold all at once, so that looking at many slices finds no difference by chance more often than stated.
 */
export async function judgeSlices(options: SliceOptions): Promise<SlicesFound> {
  const { metric, positives, rows, alpha = 0.05 } = options;
  const notes: string[] = [];
  const small = options.slices.filter((slice) => slice.rows.length < sliceRowsMin);
  if (small.length > 0)
    notes.push(
      `${small.length} slice${small.length === 1 ? ' has' : 's have'} fewer than ${sliceRowsMin} rows and ${small.length === 1 ? 'is' : 'are'} left out: ${namesOf(small)}`,
    );
  const large = options.slices.filter((slice) => slice.rows.length >= sliceRowsMin && slice.rows.length < rows);
  const chosen = large.toSorted((one, other) => other.rows.length - one.rows.length).slice(0, slicesMax);
  if (chosen.length < large.length) notes.push(`${large.length - chosen.length} of the smaller slices are left out; at most ${slicesMax} are looked at`);

  const metrics: Record<string, Counted> = {};
  chosen.forEach((slice, index) => {
    const inside = new Uint8Array(rows);
    for (const row of slice.rows) inside[row] = 1;
    metrics[`in ${index}`] = within(metric, inside, 1);
    metrics[`out ${index}`] = within(metric, inside, 0);
    if (positives !== undefined) metrics[`answered ${index}`] = within(meanOf(positives.answered), inside, 1);
  });
  const found = await resampleAwake(metrics, options, options.onProgress);
  const pair = (index: number): [Resampled, Resampled] => [found[`in ${index}`] as Resampled, found[`out ${index}`] as Resampled];
  const differences = simultaneous(
    chosen.map((_, index) => differenceOf(...pair(index))),
    alpha,
  );
  const undefinedOnes: Slice[] = [];
  const slices = chosen.flatMap((slice, index): SliceReport[] => {
    const own = estimateOf(pair(index)[0], alpha);
    const difference = differences[index];
    if (own === undefined || difference === undefined) {
      undefinedOnes.push(slice);
      return [];
    }
    const { column, value } = slice;
    const share = positives === undefined ? null : slice.rows.reduce((sum, row) => sum + (positives.truth[row] ?? 0), 0) / slice.rows.length;
    const answered = positives === undefined ? null : (estimateOf(found[`answered ${index}`] as Resampled, alpha) ?? null);
    return [{ column, value, count: slice.rows.length, positives: share, answered, metric: own, difference }];
  });
  if (undefinedOnes.length > 0)
    notes.push(
      `the metric is not defined on ${undefinedOnes.length} slice${undefinedOnes.length === 1 ? '' : 's'} (one class only): ${namesOf(undefinedOnes)}`,
    );
  return { slices, notes };
}

const namesOf = (slices: readonly Slice[]): string =>
  slices
    .slice(0, 8)
    .map(({ column, value }) => `${column}=${value}`)
    .join(', ') + (slices.length > 8 ? ', ...' : '');
