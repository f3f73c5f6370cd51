import type { Random } from '@serin/inference/random';

import type { Cell } from '../records/batch.ts';

/** One row of the sample: cells in the order of the profile's columns, those of later columns missing. */
export interface SampledRow {
  readonly priority: number;
  readonly cells: readonly Cell[];
}

/**
 * A uniform sample of rows of a fixed size: every row draws a number, the smallest stay. Samples of parts merge into one of
 * the whole by the same rule.
 */
export interface RowSample {
  readonly most: number;
  rows: SampledRow[];
  /** Rows that draw more are not among the smallest any more. */
  limit: number;
}

export const emptySample = (most: number): RowSample => ({ most, rows: [], limit: 2 ** 32 });

/** Calls `cellsOf` for the few rows that are taken. */
export function offerRows(sample: RowSample, random: Random, rows: number, cellsOf: (row: number) => Cell[]): void {
  for (let row = 0; row < rows; row += 1) {
    const priority = random.bits();
    if (priority >= sample.limit) continue;
    sample.rows.push({ priority, cells: cellsOf(row) });
    if (sample.rows.length >= 2 * sample.most) cut(sample);
  }
}

export function cut(sample: RowSample): void {
  if (sample.rows.length <= sample.most) return;
  sample.rows.sort((one, other) => one.priority - other.priority);
  sample.rows.length = sample.most;
  sample.limit = sample.rows.at(-1)?.priority ?? sample.limit;
}

/** `places` says where the columns of the second are among those of the whole. */
export function mergeSamples(one: RowSample, other: RowSample, places: readonly number[]): RowSample {
  const moved = other.rows.map(({ priority, cells }): SampledRow => {
    const row: Cell[] = [];
    cells.forEach((cell, at) => (row[places[at] as number] = cell));
    return { priority, cells: Array.from(row, (cell) => cell ?? null) };
  });
  const merged: RowSample = { most: one.most, rows: [...one.rows, ...moved], limit: Math.min(one.limit, other.limit) };
  cut(merged);
  return merged;
}
