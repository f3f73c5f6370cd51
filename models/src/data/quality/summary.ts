import type { ColumnType } from '@serin/protocol/api/datasets';

import { associationOf, classesMax, tellClasses, tellNumber, type Telling } from './association.ts';
import { momentsOf, type ColumnState, type Extreme } from './column-state.ts';
import { estimateDistinct } from './hashes.ts';
import { copiesOf, isExact } from './key-table.ts';
import type { Marks, Place } from './marks.ts';
import type { ProfileState } from './profile.ts';
import { isSketchExact, quantileOf, rankErrorMax, rankOf, weightedValues, type Weighted } from './quantile-sketch.ts';
import type { Vote } from './seen-value.ts';
import { presentOf, typeOf } from './types.ts';

/** A distribution function at some of its values. */
export interface Distribution {
  readonly at: readonly number[];
  /** Share of the numbers that are as large as the value at the same place, or smaller. */
  readonly upTo: readonly number[];
  /** How far the shares may be off. */
  readonly error: number;
  /** There are no other values than these. */
  readonly complete: boolean;
}

export interface NumberProfile {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
  /** At `summaryShares`. */
  readonly quantiles: readonly number[];
  readonly edges: readonly number[];
  readonly counts: readonly number[];
  readonly distribution: Distribution;
  /** The few smallest and largest, and where they stand. */
  readonly lowest: readonly Extreme[];
  readonly highest: readonly Extreme[];
}

export interface ValueProfile {
  readonly value: string;
  readonly count: number;
  /** Where it stands first. */
  readonly place: Place;
}

export interface Copies {
  /** Records that equal an earlier one; an estimate unless exact. */
  readonly count: number;
  readonly exact: boolean;
  readonly places: readonly Place[];
}

export interface ColumnProfile {
  readonly name: string;
  readonly type: ColumnType;
  /** Cells, missing ones among them; fewer than there are rows when some files lack the column. */
  readonly count: number;
  readonly missing: Marks;
  readonly votes: Readonly<Record<Vote, Marks>>;
  readonly distinct: number;
  readonly distinctExact: boolean;
  /** Every value, the most frequent first; null when there were too many or they are numbers of many values. */
  readonly values: readonly ValueProfile[] | null;
  readonly top: readonly ValueProfile[];
  readonly numbers: NumberProfile | null;
  readonly times: { readonly count: number; readonly min: number; readonly max: number; readonly outOfOrder: Marks } | null;
  readonly lengths: { readonly min: number; readonly mean: number; readonly max: number } | null;
  readonly damaged: Marks;
  /** Null when the column is plainly no id. */
  readonly copies: Copies | null;
  /** How well it tells the label by itself; null for the label and where nothing can be told. */
  readonly telling: Telling | null;
  readonly association: number | null;
}

/** The summary of some records, as plain data that can be kept, shown, and compared with that of others. */
export interface TableProfile {
  readonly v: 1;
  readonly rows: number;
  readonly files: readonly { readonly name: string; readonly rows: number; readonly columns: readonly string[] }[];
  readonly label: string | null;
  readonly columns: readonly ColumnProfile[];
  readonly copies: Copies;
  /** Rows drawn for what columns tell about the label. */
  readonly sampled: number;
}

export const summaryShares = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;
const topMax = 20;
const fewValues = 256;
const bins = 32;
const distributionPoints = 128;

/** `label` names the column that is to be told, and `apart` those that are no features. */
export function summarise(
  state: ProfileState,
  { label, apart = [] }: { label?: string | undefined; apart?: readonly string[] | undefined } = {},
): TableProfile {
  const columns = state.columns.map((column) => summariseColumn(column));
  const labelAt = state.columns.findIndex(({ name }) => name === label);
  const told = labelAt < 0 ? undefined : columns[labelAt];
  const rows = state.sample.rows;
  const labels = rows.map(({ cells }) => cells[labelAt] ?? null);
  const asClasses = told !== undefined && isClasses(told);
  const withTelling = columns.map((column, at): ColumnProfile => {
    if (told === undefined || at === labelAt || apart.includes(column.name) || !(asClasses || told.numbers !== null)) return column;
    const cells = rows.map((row) => row.cells[at] ?? null);
    const asNumbers = column.type === 'integer' || column.type === 'number' || column.type === 'time';
    if (!asClasses && !asNumbers) return column;
    const telling = asClasses ? tellClasses(cells, labels, asNumbers) : tellNumber(cells, labels);
    return { ...column, telling, association: associationOf(telling) };
  });
  return {
    v: 1,
    rows: state.rows,
    files: state.files.map((file) => ({ ...file })),
    label: told?.name ?? null,
    columns: withTelling,
    copies: { count: copiesOf(state.rowKeys), exact: isExact(state.rowKeys), places: state.rowKeys.marks.places },
    sampled: rows.length,
  };
}

/** Whether a label is one of some classes: words, or a handful of whole numbers. */
export const isClasses = ({ type, distinct, distinctExact }: Pick<ColumnProfile, 'type' | 'distinct' | 'distinctExact'>): boolean =>
  distinctExact && (type === 'integer' ? distinct <= 20 : type !== 'number' && type !== 'time' && distinct <= classesMax);

function summariseColumn(state: ColumnState): ColumnProfile {
  const type = typeOf(state);
  const values = state.values === null ? null : sortedValues(state.values);
  const isWords = type === 'category' || type === 'boolean';
  return {
    name: state.name,
    type,
    count: state.count,
    missing: state.missing,
    votes: state.votes,
    distinct: state.values?.size ?? Math.min(presentOf(state), estimateDistinct(state.registers as Uint8Array)),
    distinctExact: state.values !== null,
    values: values !== null && (isWords || values.length <= fewValues) ? values : null,
    top: (values ?? []).slice(0, topMax),
    numbers: type === 'integer' || type === 'number' ? summariseNumbers(state) : null,
    times: type === 'time' && state.times.count > 0 ? timesOf(state.times) : null,
    lengths: state.lengths.count === 0 ? null : lengthsOf(state.lengths),
    damaged: state.damaged,
    copies: state.keys === null ? null : { count: copiesOf(state.keys), exact: isExact(state.keys), places: state.keys.marks.places },
    telling: null,
    association: null,
  };
}

const timesOf = ({ count, min, max, outOfOrder }: ColumnState['times']): ColumnProfile['times'] => ({ count, min, max, outOfOrder });

const lengthsOf = ({ min, max, total, count }: ColumnState['lengths']): ColumnProfile['lengths'] => ({ min, mean: total / count, max });

const sortedValues = (values: NonNullable<ColumnState['values']>): ValueProfile[] =>
  Array.from(values, ([value, { count, place }]) => ({ value, count, place })).sort(
    (one, other) => other.count - one.count || (one.value < other.value ? -1 : 1),
  );

function summariseNumbers(state: ColumnState): NumberProfile | null {
  const { sketch, values, lowest, highest } = state;
  const [least, most] = [lowest[0], highest[0]];
  if (least === undefined || most === undefined) return null;
  const moments = momentsOf(state);
  const weighted = weightedValues(sketch, values === null ? [] : [...values.values()]);
  const [min, max] = [least.value, most.value];
  return {
    count: moments.count,
    min,
    max,
    mean: moments.mean,
    deviation: moments.count > 1 ? Math.sqrt(moments.squares / (moments.count - 1)) : 0,
    quantiles: summaryShares.map((share) => quantileOf(weighted, share)),
    ...histogramOf(weighted, min, max),
    distribution: distributionOf(weighted, values !== null || isSketchExact(sketch)),
    lowest,
    highest,
  };
}

/** Bins of one width. Their counts come from the sketch, so they are as exact as it is. */
function histogramOf(weighted: Weighted, min: number, max: number): { edges: number[]; counts: number[] } {
  const width = (max - min) / bins;
  if (!(width > 0) || !Number.isFinite(width)) return { edges: [min, max], counts: [weighted.upTo.at(-1) ?? 0] };
  const edges = Array.from({ length: bins + 1 }, (_, at) => (at === bins ? max : min + at * width));
  const ranks = edges.map((edge) => rankOf(weighted, edge));
  return { edges, counts: Array.from({ length: bins }, (_, at) => (ranks[at + 1] as number) - (at === 0 ? 0 : (ranks[at] as number))) };
}

function distributionOf(weighted: Weighted, exact: boolean): Distribution {
  const at = new Set<number>();
  for (let point = 0; point <= distributionPoints; point += 1) at.add(quantileOf(weighted, point / distributionPoints));
  const total = weighted.upTo.at(-1) as number;
  const points = [...at];
  const complete = exact && points.length === new Set(weighted.values).size;
  return { at: points, upTo: points.map((value) => rankOf(weighted, value) / total), error: exact ? 0 : rankErrorMax, complete };
}
