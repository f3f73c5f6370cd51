import { SerinError } from '@serin/protocol/errors';
import type { SchemaColumn, TableSchema } from '@serin/protocol/table-schema';

import { throwIfCancelled } from '../../train/cancellation.ts';
import { defaultShares, splitOf, type SplitName, type SplitShares } from '../dataset.ts';
import { addProblem, type Problems } from '../problems.ts';
import type { Cell, RecordBatch } from '../records/batch.ts';
import type { Table } from '../table.ts';
import { isMissing } from './cells.ts';
import { hashed, hashText, mixInto } from './hashes.ts';
import { columnOfRole, patternOf } from './schema.ts';
import {
  featureTaker,
  labelTaker,
  put,
  shown,
  textOf,
  type FeatureTaker,
  type Growing,
  type Labels,
  type LabelTaker,
  type Report,
  type Taker,
} from './takers.ts';

export interface LoadOptions {
  /** Takes every value that cannot be used, by its file and row; such a record is left out. */
  readonly problems: Problems;
  readonly shares?: SplitShares | undefined;
  readonly limits?: Partial<typeof loadLimits> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: ((rows: number) => void) | undefined;
}

/** A table in memory is one that is trained on. */
export const loadLimits = { rows: 50_000_000, cells: 1_000_000_000, textBytes: 2 * 2 ** 30 };

export const splitNames = ['train', 'validation', 'test'] as const satisfies readonly SplitName[];

export interface LoadedTable {
  /** The features, in the order of the schema. */
  readonly table: Table;
  /** Undefined when the schema has no label. */
  readonly labels: Labels | undefined;
  /** Of each record, its place among `splitNames`. */
  readonly splits: Uint8Array;
  /** Where each record stands: its file's place among `files`, and its number there. */
  readonly files: readonly string[];
  readonly fileOf: Uint16Array;
  readonly numbers: Int32Array;
  /** What was done to values on purpose, in words. */
  readonly notes: readonly string[];
}

interface Place<Kind extends Taker = Taker> {
  readonly column: SchemaColumn;
  readonly taker: Kind;
  readonly pattern: RegExp | undefined;
}

interface Takers {
  readonly features: readonly Place<FeatureTaker>[];
  readonly label: Place<LabelTaker> | undefined;
  readonly all: readonly Place[];
  /** Of the texts taken so far. */
  readonly budget: { readonly bytes: number };
}

function takersOf(schema: TableSchema): Takers {
  const budget = { bytes: 0 };
  const features = schema.columns
    .filter(({ role }) => role === 'feature')
    .map((column) => ({ column, taker: featureTaker(column, schema, budget), pattern: patternIn(column) }));
  const column = columnOfRole(schema, 'label');
  const label = column === undefined ? undefined : { column, taker: labelTaker(column), pattern: patternIn(column) };
  return { features, label, all: label === undefined ? features : [...features, label], budget };
}

function refuseTooLarge(rows: number, { features, budget }: Takers, limits: typeof loadLimits): void {
  const rowsMax = Math.min(limits.rows, Math.floor(limits.cells / Math.max(1, features.length)));
  if (rows <= rowsMax && budget.bytes <= limits.textBytes) return;
  const what = rows > rowsMax ? `more than ${rowsMax} records of ${features.length} columns` : `more than ${limits.textBytes} bytes of text`;
  throw new SerinError('TRAINING_DATA_INVALID', { detail: `${what} do not fit in memory`, hint: 'Train on a sample, or ignore columns' });
}

/** Values that count as missing, as they have no known level. */
const notesOf = ({ features }: Takers): string[] =>
  features.flatMap(({ column, taker: { unseen } }) => {
    const count = unseen?.count ?? 0;
    return count > 0 ? [`${count} value${count === 1 ? '' : 's'} of ${column.name} of no known level count as missing`] : [];
  });

/**
 * Reads records into typed arrays as the schema says. Everything that cannot be used goes to the problems; the split of a
 * record is decided by its group, its id, or its content where it has neither, so equal records stay on one side.
 */
export async function loadTable(batches: AsyncIterable<RecordBatch>, schema: TableSchema, options: LoadOptions): Promise<LoadedTable> {
  const { problems, shares = defaultShares, signal, onRows } = options;
  const limits = { ...loadLimits, ...options.limits };
  const takers = takersOf(schema);
  const { features, label, all: wanted } = takers;
  const named = columnOfRole(schema, 'group') ?? columnOfRole(schema, 'id');
  const splits: Growing<Uint8Array> = { values: new Uint8Array() };
  const numbers: Growing<Int32Array> = { values: new Int32Array() };
  const fileOf: Growing<Uint16Array> = { values: new Uint16Array() };
  const files: string[] = [];
  let names: readonly string[] | undefined;
  let cellsOf: readonly (number | undefined)[] = [];
  let rows = 0;
  for await (const batch of batches) {
    throwIfCancelled(signal);
    if (files.at(-1) !== batch.file) files.push(batch.file);
    if (names !== batch.names) {
      names = batch.names;
      cellsOf = wanted.map(({ column }) => findColumn(batch, column, problems));
    }
    const keys = keysOf(batch, wanted, cellsOf, named?.name);
    for (let row = 0; row < batch.rows; row += 1) {
      const number = batch.numbers[row] as number;
      if (!takeRow(batch, row, wanted, cellsOf, rows, problems)) continue;
      put(splits, rows, splitNames.indexOf(splitOf(keys(row), shares)));
      put(numbers, rows, number);
      put(fileOf, rows, files.length - 1);
      rows += 1;
    }
    refuseTooLarge(rows, takers, limits);
    onRows?.(rows);
  }
  if (rows === 0 && problems.total === 0) addProblem(problems, { kind: 'empty', file: files[0] ?? '', detail: 'there is no usable record' });
  return {
    table: { rows, columns: features.map(({ taker }) => taker.finish(rows)) },
    labels: label?.taker.finish(rows),
    splits: splits.values.slice(0, rows),
    files,
    fileOf: fileOf.values.slice(0, rows),
    numbers: numbers.values.slice(0, rows),
    notes: notesOf(takers),
  };
}

const patternIn = ({ pattern }: SchemaColumn): RegExp | undefined => (pattern === undefined ? undefined : patternOf(pattern));

function findColumn(batch: RecordBatch, { name, required, role, missingMax }: SchemaColumn, problems: Problems): number | undefined {
  const place = batch.names.indexOf(name);
  if (place >= 0) return place;
  if (required || role === 'label' || missingMax !== 1)
    addProblem(problems, { kind: 'column-missing', file: batch.file, detail: `column ${name} (${role}) is missing` });
  return undefined;
}

/** Every cell is looked at, so that all that is wrong with a row shows at once. */
function takeRow(batch: RecordBatch, row: number, wanted: readonly Place[], cellsOf: readonly (number | undefined)[], at: number, problems: Problems): boolean {
  const report: Report = (kind, detail) => addProblem(problems, { kind, file: batch.file, at: `row ${batch.numbers[row]}`, detail });
  let sound = true;
  for (let place = 0; place < wanted.length; place += 1) {
    const { column, taker, pattern } = wanted[place] as Place;
    const from = cellsOf[place];
    const cell = from === undefined ? null : ((batch.columns[from] as readonly Cell[])[row] as Cell);
    if (!taker.take(cell, at, report)) sound = false;
    else if (isMissing(cell)) {
      if (column.required) {
        report('value-invalid', `${column.name} is missing`);
        sound = false;
      }
    } else if (pattern !== undefined && !pattern.test(textOf(cell))) {
      report('value-invalid', `${column.name} is ${shown(cell)}, which does not match ${column.pattern}`);
      sound = false;
    }
  }
  return sound;
}

/** What decides the split of a record. */
function keysOf(batch: RecordBatch, wanted: readonly Place[], cellsOf: readonly (number | undefined)[], named: string | undefined): (row: number) => string {
  const ids = named === undefined ? undefined : batch.columns[batch.names.indexOf(named)];
  const contentOf = (row: number): string => {
    const words = new Uint32Array(2);
    wanted.forEach((_, place) => {
      const from = cellsOf[place];
      const cell = from === undefined ? null : ((batch.columns[from] as readonly Cell[])[row] as Cell);
      hashText(isMissing(cell) ? '' : textOf(cell));
      mixInto(words, 0, hashed.high, hashed.low);
    });
    return `${words[0]}/${words[1]}`;
  };
  return (row) => {
    const id = ids?.[row] ?? null;
    return isMissing(id) ? contentOf(row) : textOf(id);
  };
}
