import { seededRandom, type Random } from '@serin/inference/random';

import { throwIfCancelled } from '../../train/cancellation.ts';
import type { Cell, RecordBatch } from '../records/batch.ts';
import { addCells, beginFile, emptyColumn, mergeColumns, type ColumnState } from './column-state.ts';
import { addKey, emptyKeys, mergeKeys, type KeyTable } from './key-table.ts';
import { cut, emptySample, mergeSamples, offerRows, type RowSample } from './row-sample.ts';

export interface FileState {
  readonly name: string;
  rows: number;
  readonly columns: readonly string[];
}

/** What one pass over records keeps of them. Plain data: it can be sent to another thread, and parts merge. */
export interface ProfileState {
  rows: number;
  files: FileState[];
  columns: ColumnState[];
  /** Hashes of whole rows, without the columns that are left out on purpose. */
  rowKeys: KeyTable;
  sample: RowSample;
}

export interface ProfileOptions {
  /** Of the sample. */
  readonly seed?: number | string | undefined;
  /** Columns whose values name records or groups of them: all are kept, to find copies and what two splits share. */
  readonly keys?: readonly string[] | undefined;
  /** Columns that do not count when two rows are compared. */
  readonly apart?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: ((rows: number) => void) | undefined;
}

export const filesMax = 65_535;
const rowSlotsMax = 2 ** 22;
const sampleRowsMax = 10_000;
const sampleCellsMax = 400_000;

const emptyState = (columns: number): ProfileState => ({
  rows: 0,
  files: [],
  columns: [],
  rowKeys: emptyKeys(rowSlotsMax),
  sample: emptySample(Math.max(100, Math.min(sampleRowsMax, Math.floor(sampleCellsMax / Math.max(1, columns))))),
});

/** One pass over records in memory that does not grow with them, but for the hashes of some three million rows. */
export async function profileRecords(batches: AsyncIterable<RecordBatch>, options: ProfileOptions = {}): Promise<ProfileState> {
  const { seed = 0, keys = [], apart = [], signal, onRows } = options;
  let state: ProfileState | undefined;
  let names: readonly string[] | undefined;
  let order: Ordered[] = [];
  let random: Random = seededRandom(seed);
  for await (const batch of batches) {
    throwIfCancelled(signal);
    state ??= emptyState(batch.names.length);
    const known = state.files.at(-1)?.name === batch.file;
    if (!known || names !== batch.names) {
      names = batch.names;
      order = orderColumns(state, batch.names, keys, apart);
    }
    if (!known) {
      if (state.files.length < filesMax) state.files.push({ name: batch.file, rows: 0, columns: batch.names });
      for (const column of state.columns) beginFile(column);
      random = seededRandom(`${seed}/${batch.file}`);
    }
    addBatch(state, batch, order, random);
    onRows?.(state.rows);
  }
  const done = state ?? emptyState(0);
  cut(done.sample);
  return done;
}

interface Ordered {
  readonly column: ColumnState;
  /** In the batch. */
  readonly place: number;
  readonly counts: boolean;
}

/** The profile's order, whatever that of the file: rows of two files are then compared alike. */
function orderColumns(state: ProfileState, names: readonly string[], keys: readonly string[], apart: readonly string[]): Ordered[] {
  const places = new Map(names.map((name, place) => [name, place]));
  const known = new Set(state.columns.map(({ name }) => name));
  for (const name of names) if (!known.has(name)) state.columns.push(emptyColumn(name, keys.includes(name), names.length));
  return state.columns.flatMap((column) => {
    const place = places.get(column.name);
    return place === undefined ? [] : [{ column, place, counts: !apart.includes(column.name) }];
  });
}

function addBatch(state: ProfileState, batch: RecordBatch, order: readonly Ordered[], random: Random): void {
  const { rows, numbers, columns } = batch;
  const file = state.files.length - 1;
  const words = new Uint32Array(2 * rows);
  for (const { column, place, counts } of order) addCells(column, columns[place] as readonly Cell[], rows, numbers, file, counts ? words : undefined);
  for (let row = 0; row < rows; row += 1) addKey(state.rowKeys, words[2 * row] as number, words[2 * row + 1] as number, file, numbers[row] as number);
  const places = new Map(order.map(({ column, place }) => [column, place]));
  const sampled = state.columns.map((column) => columns[places.get(column) ?? -1]);
  offerRows(state.sample, random, rows, (row) => sampled.map((cells) => cells?.[row] ?? null));
  state.rows += rows;
  (state.files[file] as FileState).rows += rows;
}

/** The profile of both parts' records; counts are exact, sketches within their bounds. */
export function mergeProfiles(one: ProfileState, other: ProfileState): ProfileState {
  if (one.rows === 0) return other;
  if (other.rows === 0) return one;
  const files = one.files.length;
  const names = [...new Set([...one.columns, ...other.columns].map(({ name }) => name))];
  const find = (state: ProfileState, name: string): ColumnState | undefined => state.columns.find((column) => column.name === name);
  return {
    rows: one.rows + other.rows,
    files: [...one.files, ...other.files].slice(0, filesMax),
    columns: names.map((name) => {
      const isKey = find(one, name)?.isKey ?? find(other, name)?.isKey ?? false;
      return mergeColumns(find(one, name) ?? emptyColumn(name, isKey, names.length), find(other, name) ?? emptyColumn(name, isKey, names.length), files);
    }),
    rowKeys: mergeKeys(one.rowKeys, other.rowKeys, files),
    sample: mergeSamples(
      one.sample,
      other.sample,
      other.columns.map(({ name }) => names.indexOf(name)),
    ),
  };
}
