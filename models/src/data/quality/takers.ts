import type { SchemaColumn, TableSchema } from '@serin/protocol/table-schema';

import type { ProblemKind } from '../problems.ts';
import type { Cell } from '../records/batch.ts';
import type { Column } from '../table.ts';
import { isMissing, numberOf } from './cells.ts';

export type Labels =
  | { readonly kind: 'classes'; readonly levels: readonly string[]; readonly codes: Int32Array }
  | { readonly kind: 'number'; readonly values: Float64Array };

/** A typed array that grows. */
export interface Growing<Values extends Float64Array | Int32Array | Uint16Array | Uint8Array> {
  values: Values;
}

export function put<Values extends Float64Array | Int32Array | Uint16Array | Uint8Array>(into: Growing<Values>, at: number, value: number): void {
  if (at >= into.values.length) {
    const larger = new (into.values.constructor as new (length: number) => Values)(Math.max(1024, into.values.length * 2));
    larger.set(into.values);
    into.values = larger;
  }
  into.values[at] = value;
}

export type Report = (kind: ProblemKind, detail: string) => void;

/** Takes the cells of one column, a record at a time; false for one that cannot be used. */
export interface Taker {
  take(cell: Cell, at: number, report: Report): boolean;
}

export interface FeatureTaker extends Taker {
  finish(rows: number): Column;
  /** Values that became missing because no level is theirs. */
  readonly unseen?: { count: number };
}

export const shown = (cell: Cell): string => `"${String(cell).slice(0, 60)}"`;
export const textOf = (cell: Cell): string => String(cell).trim();

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

export function featureTaker(column: SchemaColumn, schema: TableSchema, budget: { bytes: number }): FeatureTaker {
  const { name, type } = column;
  if (type === 'integer' || type === 'number') return numberTaker(name, type === 'integer');
  if (type === 'text') return textTaker(name, budget);
  return categoryTaker(column, schema.rows === 0);
}

export interface LabelTaker extends Taker {
  finish(rows: number): Labels;
}

/** A record without a label, or with one that is unknown, cannot be learnt from. */
export function labelTaker(column: SchemaColumn): LabelTaker {
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
