import type { ColumnType } from '@serin/protocol/api/datasets';

import type { ColumnState } from './column-state.ts';

/** Shares of the cells that are not missing: the rest are then mistakes of the column, not another type. */
const mostly = 0.75;
const paddedMin = 0.01;
const levelsFew = 20;
export const levelsMax = 1000;
const levelLengthMax = 64;

export const presentOf = ({ count, missing }: ColumnState): number => count - missing.count;

/** What a column is, by what most of its cells look like. */
export function typeOf(state: ColumnState): ColumnType {
  const { votes, values, lengths } = state;
  const present = presentOf(state);
  if (present === 0) return 'text';
  const enough = (count: number): boolean => count >= mostly * present;
  const coded = votes.padded.count >= Math.max(1, paddedMin * present) && votes.number.count === 0;
  if (!coded) {
    const whole = votes.integer.count + votes.padded.count;
    const numbers = whole + votes.number.count + votes.infinite.count;
    if (enough(whole) && votes.number.count === 0) return 'integer';
    if (enough(numbers)) return 'number';
  }
  if (enough(votes.boolean.count)) return 'boolean';
  if (enough(votes.time.count)) return 'time';
  const distinct = values?.size ?? Number.POSITIVE_INFINITY;
  const repeats = distinct <= Math.max(levelsFew, Math.min(levelsMax, present * 0.1)) && (distinct <= present / 2 || distinct === 1);
  return repeats && lengths.max <= 4 * levelLengthMax ? 'category' : 'text';
}
