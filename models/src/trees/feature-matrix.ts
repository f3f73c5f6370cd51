import type { FeatureColumn } from '@serin/protocol/bundle/preprocessing';

import { addProblem, noProblems, refuseProblems } from '../data/problems.ts';
import type { Column, Table } from '../data/table.ts';

export type { FeatureColumn } from '@serin/protocol/bundle/preprocessing';

/** What tabular models learn from: the rows of a model's input `features`, column by column. */
export interface FeatureMatrix {
  readonly rows: number;
  readonly columns: readonly FeatureColumn[];
  /** Column-major. A category is the index of its level; missing is NaN. Single precision, because the deployed graph sees no more. */
  readonly values: Float32Array;
}

/** The columns of a table as a model takes them; levels are matched by name, and one that the column does not list is missing. */
export function featuresOf(table: Table, columns: readonly FeatureColumn[]): FeatureMatrix {
  const problems = noProblems();
  const byName = new Map(table.columns.map((column) => [column.name, column]));
  const values = new Float32Array(table.rows * columns.length);
  columns.forEach((column, place) => {
    const found = byName.get(column.name);
    const into = values.subarray(place * table.rows, (place + 1) * table.rows);
    const fault = found === undefined ? 'the table has no such column' : fill(into, found, column);
    if (fault !== undefined) addProblem(problems, { kind: 'format', file: `column ${column.name}`, detail: fault });
  });
  refuseProblems(problems);
  return { rows: table.rows, columns, values };
}

/** What is wrong, in words; undefined when nothing is. */
function fill(into: Float32Array, found: Column, wanted: FeatureColumn): string | undefined {
  if (wanted.kind === 'number') {
    if (found.kind !== 'number') return `it holds ${found.kind === 'text' ? 'texts' : 'categories'}, the model takes numbers`;
    into.set(found.values);
    return undefined;
  }
  if (found.kind === 'number') return 'it holds numbers, the model takes categories';
  const places = new Map(wanted.levels.map((level, index) => [level, index]));
  const placeOf = (level: string | undefined): number => (level === undefined ? Number.NaN : (places.get(level) ?? Number.NaN));
  if (found.kind === 'text') {
    found.values.forEach((level, row) => (into[row] = placeOf(level)));
    return undefined;
  }
  const placeOfCode = found.levels.map(placeOf);
  found.codes.forEach((code, row) => (into[row] = placeOfCode[code] ?? Number.NaN));
  return undefined;
}
