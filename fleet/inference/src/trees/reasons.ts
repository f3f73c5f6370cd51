import type { FeatureColumn } from '@serin/protocol/bundle/preprocessing';

import { explainRow, type Explainer } from './explain.ts';
import type { FeatureRows } from './predict.ts';

/** What a feature had to say, as people read it and devices send it. */
export interface Reason {
  readonly name: string;
  /** The number or the level; null where it was missing. */
  readonly value: number | string | null;
  /** What it adds to the margin: log-odds of a class, or the value itself. */
  readonly contribution: number;
}

export interface Explanation {
  /** The margin where nothing is known. */
  readonly expected: number;
  /** `expected` and all contributions. */
  readonly margin: number;
  /** Those that say most, first; `rest` is the sum of all others. */
  readonly reasons: readonly Reason[];
  readonly rest: number;
}

export interface ReasonsOptions {
  readonly columns: readonly FeatureColumn[];
  /** How many reasons at most. */
  readonly count?: number;
  /** Which margin: the class, where there are several. */
  readonly output?: number;
}

const reasonsUsual = 3;

/** Why a row got the answer it got. */
export function reasonsFor(explainer: Explainer, rows: FeatureRows, row: number, { columns, count = reasonsUsual, output = 0 }: ReasonsOptions): Explanation {
  const features = columns.length;
  const all = new Float64Array(features * explainer.expected.length);
  explainRow(explainer, rows, row, all);
  const contributions = all.subarray(output * features, (output + 1) * features);
  const order = Array.from(contributions.keys()).sort((a, b) => Math.abs(contributions[b] as number) - Math.abs(contributions[a] as number) || a - b);
  const named = order.slice(0, count).filter((feature) => contributions[feature] !== 0);
  const reasons = named.map((feature) => {
    const column = columns[feature] as FeatureColumn;
    return {
      name: column.name,
      value: valueOf(column, rows.values[row * rows.rowStride + feature * rows.columnStride] as number),
      contribution: contributions[feature] as number,
    };
  });
  const expected = explainer.expected[output] as number;
  const sum = contributions.reduce((total, each) => total + each, 0);
  return { expected, margin: expected + sum, reasons, rest: sum - reasons.reduce((total, { contribution }) => total + contribution, 0) };
}

function valueOf(column: FeatureColumn, value: number): number | string | null {
  if (column.kind === 'category') return column.levels[Math.trunc(value)] ?? null;
  return Number.isNaN(value) ? null : shortest(value);
}

/** 825.2, not 825.2000122070312: the fewest digits that are the same number in single precision. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
