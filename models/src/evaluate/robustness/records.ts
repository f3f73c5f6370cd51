import type { Random } from '@serin/inference/random';

import type { Column, Table } from '../../data/table.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import type { Severity } from '../measured.ts';
import { breath, severities, type Perturbation } from './perturbation.ts';

interface Kind {
  /** At severity 0, where nothing happens, 1, 2 and 3. */
  readonly levels: readonly [none: number, number, number, number];
  words(level: number): string;
  /** Columns it can happen to. */
  fits(column: Column): boolean;
  apply(column: Column, level: number, random: Random): Column;
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

const kinds = {
  missing: {
    levels: [0, 0.05, 0.1, 0.2],
    words: (share) => `${percent(share)} of the cells missing`,
    fits: () => true,
    apply: loseCells,
  },
  jitter: {
    levels: [0, 0.1, 0.2, 0.5],
    words: (share) => `noise of ${share} deviations on every number`,
    fits: ({ kind }) => kind === 'number',
    apply: (column, share, random) => (column.kind === 'number' ? { ...column, values: jitter(column.values, share, random) } : column),
  },
  typos: {
    levels: [0, 0.05, 0.1, 0.2],
    words: (share) => `two letters swapped in ${percent(share)} of the words`,
    fits: ({ kind }) => kind === 'text',
    apply: (column, share, random) => changeWords(column, (word) => (random.uniform() < share ? swapLetters(word, random) : word)),
  },
  'dropped-words': {
    levels: [0, 0.1, 0.2, 0.4],
    words: (share) => `${percent(share)} of the words dropped`,
    fits: ({ kind }) => kind === 'text',
    apply: (column, share, random) => changeWords(column, (word) => (random.uniform() < share ? '' : word)),
  },
} satisfies Readonly<Record<string, Kind>>;

export type RecordKind = keyof typeof kinds;
export const recordKinds = Object.keys(kinds) as RecordKind[];

function loseCells(column: Column, share: number, random: Random): Column {
  const isLost = (): boolean => random.uniform() < share;
  if (column.kind === 'number') return { ...column, values: column.values.map((value) => (isLost() ? Number.NaN : value)) };
  if (column.kind === 'category') return { ...column, codes: column.codes.map((code) => (isLost() ? -1 : code)) };
  return { ...column, values: column.values.map((value) => (isLost() ? undefined : value)) };
}

function jitter(values: Float64Array, share: number, random: Random): Float64Array {
  const known = values.filter((value) => Number.isFinite(value));
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const deviation = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length);
  return values.map((value) => (Number.isFinite(value) ? value + share * deviation * random.normal() : value));
}

function changeWords(column: Column, change: (word: string) => string): Column {
  if (column.kind !== 'text') return column;
  return { ...column, values: column.values.map((value) => value?.replaceAll(/\S+/g, change)) };
}

/** Two neighbours, as fingers do it. A word of one letter stays. */
function swapLetters(word: string, random: Random): string {
  const letters = Array.from(word);
  if (letters.length < 2) return word;
  const at = random.integer(letters.length - 1);
  const [one = '', other = ''] = letters.slice(at, at + 2);
  letters.splice(at, 2, other, one);
  return letters.join('');
}

/** The table with these columns changed; severity 0 leaves it as it is. */
export function perturbTable(kind: RecordKind, severity: 0 | Severity, table: Table, columns: readonly string[], random: Random): Table {
  if (severity === 0) return table;
  const { levels, fits, apply }: Kind = kinds[kind];
  return {
    rows: table.rows,
    columns: table.columns.map((column) =>
      columns.includes(column.name) && fits(column) ? apply(column, levels[severity], random.fork(column.name)) : column,
    ),
  };
}

/** What happens to records: lost cells, inexact numbers, careless typing. `columns` are those a model looks at. */
export function recordPerturbations(table: Table, columns: readonly string[], wanted: readonly RecordKind[] = recordKinds): Perturbation<Table>[] {
  const looked = table.columns.filter(({ name }) => columns.includes(name));
  const possible = wanted.filter((kind) => looked.some((column) => (kinds[kind] as Kind).fits(column)));
  return possible.flatMap((kind) =>
    severities.map((severity) => ({
      kind,
      severity,
      words: kinds[kind].words(kinds[kind].levels[severity]),
      apply: async (examples, { random, signal }) => {
        await breath();
        throwIfCancelled(signal);
        return perturbTable(kind, severity, examples, columns, random);
      },
    })),
  );
}
