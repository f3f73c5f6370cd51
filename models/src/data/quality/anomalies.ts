import type { Anomaly } from '@serin/protocol/api/datasets';

import type { Problem, Problems } from '../problems.ts';
import type { Place } from './marks.ts';

/** What can be found wrong with records, and what it means; docs/data-quality.md says the same at more length. */
export const anomalyKinds = {
  empty: 'there is no record',
  shrunk: 'far fewer records than before',
  'column-missing': 'a column of the schema is not there',
  'column-extra': 'a column the schema does not know',
  'mixed-schema': 'files of one set have different columns',
  'wrong-type': 'values that are not of the type of the column',
  'not-finite': 'infinite numbers',
  'out-of-range': 'numbers beyond the limits of the schema',
  pattern: 'values that do not match the pattern of the schema',
  missing: 'more values are missing than the schema bears',
  'label-missing': 'records without a label',
  unseen: 'values of a category that were never seen',
  'class-new': 'labels that were never seen',
  'class-vanished': 'a class that is gone',
  'class-rare': 'a class with too few records to learn it',
  'label-shift': 'the classes are balanced otherwise than before',
  duplicates: 'records that are there more than once',
  'id-duplicate': 'ids that are there more than once',
  'label-leak': 'a column that tells the label by itself',
  'split-leak': 'records or groups that are on both sides of a split',
  constant: 'a column with one value',
  shift: 'values are distributed otherwise than before',
  unit: 'values differ from those before by the factor of a unit',
  'time-order': 'times that go back',
  'time-future': 'times that lie ahead',
  encoding: 'texts whose letters were damaged',
  variants: 'spellings of one category that differ in case or blanks',
} as const;
export type AnomalyKind = keyof typeof anomalyKinds;

const rowsMax = 20;
const wordsMax = 1000;
const nameMax = 128;
const fileMax = 1024;

export interface Finding {
  readonly kind: AnomalyKind;
  readonly severity: Anomaly['severity'];
  readonly column?: string | undefined;
  readonly places?: readonly Place[] | undefined;
  readonly file?: string | undefined;
  readonly count: number;
  readonly words: string;
}

/** Rows are of one file, the first that is concerned. */
export function anomalyOf({ kind, severity, column, places = [], file, count, words }: Finding, files: readonly { readonly name: string }[]): Anomaly {
  const first = places[0]?.[0];
  const name = file ?? (first === undefined ? undefined : files[first]?.name);
  // A file that was read in parts is there once a part.
  const rows = places.flatMap(([at, row]) => (at === first || (name !== undefined && files[at]?.name === name) ? [row] : []));
  rows.sort((one, other) => one - other);
  return {
    kind,
    severity,
    column: column === undefined ? null : column.slice(0, nameMax),
    file: name === undefined ? null : name.slice(0, fileMax),
    rows: rows.slice(0, rowsMax),
    count: Math.round(count),
    words: words.slice(0, wordsMax),
  };
}

/** Problems of reading, a kind and file at a time, as what validation lists: both are shown in one place. */
export function anomaliesOfProblems({ list, total }: Problems): Anomaly[] {
  const groups = new Map<string, Problem[]>();
  for (const problem of list) {
    const key = `${problem.kind}\n${isPicture(problem) ? '' : problem.file}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [problem]);
    else group.push(problem);
  }
  const anomalies = Array.from(groups.values(), (group): Anomaly => {
    const { kind, file, detail, at } = group[0] as Problem;
    const rows = group
      .slice(0, rowsMax)
      .flatMap((problem) => (/^(?:row|line|record|text) \d+$/.test(problem.at ?? '') ? [Number(problem.at?.split(' ')[1])] : []));
    const more = group.length - 1;
    const words = `${file}${at === undefined ? '' : ` (${at})`}: ${detail}${more > 0 ? `, and ${more} more like it` : ''}`;
    return { kind, severity: 'error', column: null, file: file.slice(0, fileMax), rows, count: group.length, words: words.slice(0, wordsMax) };
  });
  const beyond = total - list.length;
  if (beyond > 0) {
    anomalies.push({
      kind: 'format',
      severity: 'error',
      column: null,
      file: null,
      rows: [],
      count: beyond,
      words: `${beyond} more problems were only counted; mend those listed first`,
    });
  }
  return anomalies;
}

/** Such a problem is of a picture of its own, so that there is one a file. */
const isPicture = ({ kind }: Problem): boolean => kind.startsWith('image-') || kind === 'duplicate' || kind === 'label-conflict' || kind === 'size-differs';

const percent = (share: number): string => {
  const value = share * 100;
  return `${value !== 0 && value < 0.1 ? value.toPrecision(1) : value.toFixed(value < 10 ? 1 : 0)} %`;
};
export const inPercent = percent;

/** A number as people write it: no more digits than say something. */
export const figure = (value: number): string => String(Number(value.toPrecision(4)));

export const quoted = (value: string): string => `"${value.length > 60 ? `${value.slice(0, 57)}...` : value}"`;

export const some = (values: readonly string[], most = 5): string =>
  `${values.slice(0, most).join(', ')}${values.length > most ? ` and ${values.length - most} more` : ''}`;

export const counted = (count: number, what: string): string => `${Math.round(count).toLocaleString('en')} ${what}${Math.round(count) === 1 ? '' : 's'}`;
