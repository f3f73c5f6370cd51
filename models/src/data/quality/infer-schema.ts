import type { ColumnRole, DataSpec } from '@serin/protocol/api/datasets';
import type { SchemaColumn, TableSchema } from '@serin/protocol/table-schema';

import { shareAtMost } from './evidence.ts';
import { isClasses, type ColumnProfile, type NumberProfile, type TableProfile } from './summary.ts';

export interface InferOptions {
  /** What people say columns are for. */
  readonly spec?: Partial<Pick<DataSpec, 'label' | 'id' | 'group' | 'time' | 'text' | 'ignore'>> | undefined;
  /** Columns that were written by hand or inferred before: they stay as they are. */
  readonly declared?: readonly SchemaColumn[] | undefined;
}

/** Chance that a limit inferred from good records is too tight for records of the same kind. */
const alpha = 1e-4;
/** Chance that a single good value lies beyond the inferred range, over some thousand values. */
const lnOutside = Math.log(1e8);
const rowsForRange = 50;
const rangeSlack = 1.5;
const rowsForUnique = 20;
const idName = /(^|[_\s-])(id|uuid|guid|key|index|row|nr|no)$|^(id|uuid|guid|index|row)([_\s-]|$)|[a-z]I[dD]$/;

/** The schema that records like those of the profile satisfy, with room for chance; what was declared wins. */
export function inferSchema(profile: TableProfile, { spec = {}, declared = [] }: InferOptions = {}): TableSchema {
  const written = new Map(declared.map((column) => [column.name, column]));
  // Times order records; as features they would have to be numbers first. More than one is for people to sort out.
  const time =
    spec.time ?? declared.find(({ role }) => role === 'time')?.name ?? profile.columns.find(({ type, name }) => type === 'time' && name !== spec.label)?.name;
  const found = profile.columns.map((column) => written.get(column.name) ?? inferColumn(column, profile.rows, { ...spec, time }));
  const absent = declared.filter(({ name }) => !profile.columns.some((column) => column.name === name));
  return { v: 1, rows: profile.rows, columns: [...found, ...absent] };
}

function inferColumn(column: ColumnProfile, rows: number, spec: NonNullable<InferOptions['spec']>): SchemaColumn {
  // What is said to be text is read as text, whatever it looks like.
  if (spec.text?.includes(column.name) === true && column.name !== spec.label) {
    return {
      name: column.name,
      type: 'text',
      role: 'feature',
      required: false,
      unique: false,
      ordered: false,
      missingMax: missingMaxOf(column.missing.count, column.count),
    };
  }
  const role = roleOf(column, rows, spec);
  const { name, type, numbers, values, missing, count, times } = column;
  const base = { name, type, role, required: role === 'label' || role === 'id', unique: role === 'id', ordered: false };
  if (role === 'ignored') return base;
  const limited = base.required ? {} : { missingMax: missingMaxOf(missing.count, count) };
  if (role === 'id' || role === 'group') return { ...base, ...limited };
  if (role === 'label' && isClasses(column)) {
    return { ...base, ...limited, levels: (values ?? []).map(({ value }) => value.trim()), closed: true };
  }
  if (type === 'time') return { ...base, ...limited, ordered: times !== null && times.outOfOrder.count === 0 && times.count >= 100 };
  if (numbers !== null) return { ...base, ...limited, ...rangeOf(numbers, type === 'integer') };
  if (type === 'category' || type === 'boolean')
    return { ...base, ...limited, levels: [...new Set((values ?? []).map(({ value }) => value.trim()))], closed: false };
  return { ...base, ...limited };
}

function roleOf(column: ColumnProfile, rows: number, { label, id, group, time, ignore = [] }: NonNullable<InferOptions['spec']>): ColumnRole {
  const { name } = column;
  if (name === label) return 'label';
  if (name === id) return 'id';
  if (name === group) return 'group';
  if (name === time) return 'time';
  if (ignore.includes(name)) return 'ignored';
  if (column.type === 'time') return 'ignored';
  return looksLikeId(column, rows) ? 'ignored' : 'feature';
}

/** A value of its own in every record, and no measure: it names the record and says nothing about others. */
function looksLikeId({ name, type, copies, count, missing, numbers, lengths }: ColumnProfile, rows: number): boolean {
  if (rows < rowsForUnique || missing.count > 0 || copies === null || copies.count > 0 || type === 'number') return false;
  if (idName.test(name)) return true;
  if (type === 'integer') return numbers !== null && numbers.max - numbers.min < 2 * count;
  return type === 'text' && lengths !== null && lengths.max <= 40 && lengths.max - lengths.min <= 4;
}

/** Rounded up, so that people read a number they could have written. */
function missingMaxOf(missing: number, count: number): number {
  const most = shareAtMost(missing, count, alpha);
  return Math.min(1, Math.ceil(most * 10_000) / 10_000);
}

/**
 * How far values of the same kind may reach: the tail between a quantile and the largest value, drawn on as exp(-(x / s)^c)
 * to where one value in a hundred million lies, and half as far again. Heavy tails so get far more room than light ones.
 */
function rangeOf(numbers: NumberProfile, whole: boolean): { min?: number; max?: number } {
  const { count, quantiles, min, max } = numbers;
  const median = quantiles[3] as number;
  const up = reachOf(
    [quantiles[5], quantiles[6]].map((value) => (value as number) - median),
    max - median,
    count,
  );
  const down = reachOf(
    [quantiles[1], quantiles[0]].map((value) => median - (value as number)),
    median - min,
    count,
  );
  return {
    ...(down === undefined ? {} : { min: tidy(median - down, whole, Math.floor) }),
    ...(up === undefined ? {} : { max: tidy(median + up, whole, Math.ceil) }),
  };
}

const lnBeyond = [Math.log(20), Math.log(100)];

function reachOf(tails: readonly number[], extreme: number, count: number): number | undefined {
  if (count < rowsForRange) return undefined;
  const at = tails.findIndex((tail) => tail > 0);
  if (at < 0) return undefined;
  const lnCount = Math.log(count);
  const [tail, lnTail] = [tails[at] as number, lnBeyond[at] as number];
  const power = lnCount > lnTail ? Math.log(lnCount / lnTail) / Math.log(Math.max(extreme / tail, 1.0001)) : 1;
  return extreme * ((lnOutside + lnCount) / lnCount) ** (1 / Math.min(2, Math.max(0.2, power))) * rangeSlack;
}

/** Three digits, away from the middle. */
function tidy(value: number, whole: boolean, round: (value: number) => number): number {
  if (value === 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 2);
  const tidied = Number((round(value / unit) * unit).toPrecision(12));
  return whole ? round(tidied) : tidied;
}
