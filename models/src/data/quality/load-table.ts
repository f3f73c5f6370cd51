import { SerinError } from '@serin/protocol/errors';
import type { SchemaColumn, TableSchema } from '@serin/protocol/table-schema';

import { throwIfCancelled } from '../../train/cancellation.ts';
import { defaultShares, splitOf, type SplitName, type SplitShares } from '../dataset.ts';
import { addProblem, type ProblemKind, type Problems } from '../problems.ts';
import type { Cell, RecordBatch } from '../records/batch.ts';
import type { Column, Table } from '../table.ts';
import { isMissing, numberOf } from './cells.ts';
import { hashed, hashText, mixInto } from './hashes.ts';
import { columnOfRole, patternOf } from './schema.ts';

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

export type Labels =
  | { readonly kind: 'classes'; readonly levels: readonly string[]; readonly codes: Int32Array }
  | { readonly kind: 'number'; readonly values: Float64Array };

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

/** A typed array that grows. */
interface Growing<Values extends Float64Array | Int32Array | Uint16Array | Uint8Array> {
  values: Values;
}

function put<Values extends Float64Array | Int32Array | Uint16Array | Uint8Array>(into: Growing<Values>, at: number, value: number): void {
  if (at >= into.values.length) {
    const larger = new (into.values.constructor as new (length: number) => Values)(Math.max(1024, into.values.length * 2));
    larger.set(into.values);
    into.values = larger;
  }
  into.values[at] = value;
}

type Report = (kind: ProblemKind, detail: string) => void;

/** Takes the cells of one column, a record at a time; false for one that cannot be used. */
interface Taker {
  take(cell: Cell, at: number, report: Report): boolean;
}

interface FeatureTaker extends Taker {
  finish(rows: number): Column;
  /** Values that became missing because no level is theirs. */
  readonly unseen?: { count: number };
}

const shown = (cell: Cell): string => `"${String(cell).slice(0, 60)}"`;
const textOf = (cell: Cell): string => String(cell).trim();

function numberTaker(name: string, whole: boolean): FeatureTaker {
  const growing: Growing<Float64Array> = { values: new Float64Array() };
  return {
    take(cell, at, report) {
      const value = isMissing(cell) ? Number.NaN : numberIn(cell);
      put(growing, at, value ?? Number.NaN);
      if (value !== undefined && (isMissing(cell) || (Number.isFinite(value) && (!whole || Number.isInteger(value))))) return true;
      report(
        'value-invalid',
        `${name} is ${shown(cell)}, ${value === undefined ? `no ${whole ? 'whole ' : ''}number` : Number.isFinite(value) ? 'no whole number' : 'not finite'}`,
      );
      return false;
    },
    finish: (rows) => ({ kind: 'number', name, values: growing.values.slice(0, rows) }),
  };
}

function numberIn(cell: Cell): number | undefined {
  if (typeof cell === 'number') return cell;
  if (typeof cell === 'boolean') return cell ? 1 : 0;
  const value = numberOf(cell as string);
  return Number.isNaN(value) ? undefined : value;
}

/** Levels that were given stay in their order; without any, those that occur are sorted at the end. */
function categoryTaker({ name, levels, closed }: SchemaColumn, closedByDefault: boolean): FeatureTaker {
  const growing: Growing<Int32Array> = { values: new Int32Array() };
  const places = new Map((levels ?? []).map((level, place) => [level, place]));
  const isOpen = levels === undefined;
  const unseen = { count: 0 };
  return {
    unseen,
    take(cell, at, report) {
      put(growing, at, -1);
      if (isMissing(cell)) return true;
      const level = textOf(cell);
      const place = places.get(level);
      if (place !== undefined) growing.values[at] = place;
      else if (isOpen) {
        growing.values[at] = places.size;
        places.set(level, places.size);
      } else if (closed ?? closedByDefault) {
        report('value-unseen', `${name} is ${shown(cell)}, none of its ${places.size} levels`);
        return false;
      } else unseen.count += 1;
      return true;
    },
    finish(rows) {
      const codes = growing.values.slice(0, rows);
      if (!isOpen) return { kind: 'category', name, levels: [...places.keys()], codes };
      const sorted = [...places.keys()].sort();
      const final = new Map(sorted.map((level, place) => [level, place]));
      const moves = Int32Array.from(places.keys(), (level) => final.get(level) as number);
      return { kind: 'category', name, levels: sorted, codes: codes.map((code) => (code < 0 ? -1 : (moves[code] as number))) };
    },
  };
}

function textTaker(name: string, budget: { bytes: number }): FeatureTaker {
  const values: (string | undefined)[] = [];
  return {
    take(cell, at) {
      const text = isMissing(cell) ? undefined : String(cell);
      values[at] = text;
      budget.bytes += 2 * (text?.length ?? 0);
      return true;
    },
    finish: (rows) => ({ kind: 'text', name, values: values.slice(0, rows) }),
  };
}

function featureTaker(column: SchemaColumn, schema: TableSchema, budget: { bytes: number }): FeatureTaker {
  const { name, type } = column;
  if (type === 'integer' || type === 'number') return numberTaker(name, type === 'integer');
  if (type === 'text') return textTaker(name, budget);
  return categoryTaker(column, schema.rows === 0);
}

interface LabelTaker extends Taker {
  finish(rows: number): Labels;
}

/** A record without a label, or with one that is unknown, cannot be learnt from. */
function labelTaker(column: SchemaColumn): LabelTaker {
  const { name, type, levels } = column;
  if (levels === undefined && (type === 'integer' || type === 'number')) {
    const numbers = numberTaker(name, type === 'integer');
    return {
      take(cell, at, report) {
        if (!isMissing(cell)) return numbers.take(cell, at, report);
        report('label-missing', `${name} is missing`);
        return false;
      },
      finish: (rows) => ({ kind: 'number', values: (numbers.finish(rows) as { values: Float64Array }).values }),
    };
  }
  const classes = categoryTaker({ ...column, closed: true }, true);
  return {
    take(cell, at, report) {
      if (!isMissing(cell)) return classes.take(cell, at, (_, detail) => report('label-unknown', detail));
      report('label-missing', `${name} is missing`);
      return false;
    },
    finish(rows) {
      const { levels: found, codes } = classes.finish(rows) as { levels: readonly string[]; codes: Int32Array };
      return { kind: 'classes', levels: found, codes };
    },
  };
}

interface Place {
  readonly column: SchemaColumn;
  readonly taker: Taker;
  readonly pattern: RegExp | undefined;
}

/**
 * Reads records into typed arrays as the schema says. Everything that cannot be used goes to the problems; the split of a
 * record is decided by its group, its id, or its content where it has neither, so equal records stay on one side.
 */
export async function loadTable(batches: AsyncIterable<RecordBatch>, schema: TableSchema, options: LoadOptions): Promise<LoadedTable> {
  const { problems, shares = defaultShares, signal, onRows } = options;
  const limits = { ...loadLimits, ...options.limits };
  const budget = { bytes: 0 };
  const features = schema.columns
    .filter(({ role }) => role === 'feature')
    .map((column) => ({ column, taker: featureTaker(column, schema, budget), pattern: patternIn(column) }));
  const labelColumn = columnOfRole(schema, 'label');
  const label = labelColumn === undefined ? undefined : { column: labelColumn, taker: labelTaker(labelColumn), pattern: patternIn(labelColumn) };
  const named = columnOfRole(schema, 'group') ?? columnOfRole(schema, 'id');
  const rowsMax = Math.min(limits.rows, Math.floor(limits.cells / Math.max(1, features.length)));
  const splits: Growing<Uint8Array> = { values: new Uint8Array() };
  const numbers: Growing<Int32Array> = { values: new Int32Array() };
  const fileOf: Growing<Uint16Array> = { values: new Uint16Array() };
  const files: string[] = [];
  let names: readonly string[] | undefined;
  let cellsOf: readonly (number | undefined)[] = [];
  let rows = 0;
  const wanted: readonly Place[] = [...features, ...(label === undefined ? [] : [label])];
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
    if (rows > rowsMax || budget.bytes > limits.textBytes) {
      const what = rows > rowsMax ? `more than ${rowsMax} records of ${features.length} columns` : `more than ${limits.textBytes} bytes of text`;
      throw new SerinError('TRAINING_DATA_INVALID', { detail: `${what} do not fit in memory`, hint: 'Train on a sample, or ignore columns' });
    }
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
    notes: features.flatMap(({ column, taker }) =>
      (taker.unseen?.count ?? 0) > 0
        ? [`${taker.unseen?.count} value${taker.unseen?.count === 1 ? '' : 's'} of ${column.name} of no known level count as missing`]
        : [],
    ),
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
