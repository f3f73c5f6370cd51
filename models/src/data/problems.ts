import { SerinError } from '@serin/protocol/errors';

export type ProblemKind =
  /** The label file itself cannot be read as what it should be. */
  | 'format'
  /** What a look at all records together found. */
  | 'anomaly'
  | 'label-missing'
  | 'label-unknown'
  | 'label-out-of-range'
  | 'label-conflict'
  | 'class-empty'
  | 'box-invalid'
  | 'box-outside'
  | 'size-differs'
  | 'path-escapes'
  | 'file-missing'
  | 'file-unreadable'
  | 'image-unknown'
  | 'image-damaged'
  | 'too-large'
  | 'duplicate'
  /** A file of a set lacks a column, has one more, or has it under another name. */
  | 'column-missing'
  | 'column-unknown'
  | 'column-renamed'
  /** Values of one column are of several types, or nested. */
  | 'type-mixed'
  | 'nested'
  /** A number that does not fit a double: reading it would change it. */
  | 'number-imprecise'
  /** Of delimited text: its first row, what parts its fields, its quotes, its bytes, and rows of more or fewer fields. */
  | 'header'
  | 'delimiter'
  | 'quote'
  | 'encoding'
  | 'row-ragged'
  /** A value that cannot be of its column's type, and one that is none of its levels. */
  | 'value-invalid'
  | 'value-unseen'
  | 'empty';

/** One thing that is wrong with the training data. */
export interface Problem {
  readonly kind: ProblemKind;
  /** The file, as a path below the folder; the folder itself when no file is to blame. */
  readonly file: string;
  /** Where exactly: `row 12` of a CSV file (its header is row 1), `annotation 31` or `image 7` of a COCO file. */
  readonly at?: string;
  readonly detail: string;
}

export const problemsMax = 100_000;
const shownMax = 12;

/** Problems as they are found. Beyond the limit they are only counted: a label file of the wrong kind has one a row. */
export interface Problems {
  readonly list: Problem[];
  total: number;
}

export const noProblems = (): Problems => ({ list: [], total: 0 });

export function addProblem(problems: Problems, problem: Problem): void {
  problems.total += 1;
  if (problems.list.length < problemsMax) problems.list.push(problem);
}

export function mergeProblems(parts: readonly Problems[]): Problems {
  const merged = noProblems();
  for (const part of parts) {
    for (const problem of part.list) addProblem(merged, problem);
    merged.total += part.total - part.list.length;
  }
  return merged;
}

const describe = ({ file, at, detail }: Problem): string => `${file}${at === undefined ? '' : ` (${at})`}: ${detail}`;

/** Everything that is wrong at once, so that it can be mended at once. */
export class TrainingDataError extends SerinError {
  readonly problems: readonly Problem[];
  readonly total: number;

  constructor({ list, total }: Problems) {
    const lines = list.slice(0, shownMax).map(describe);
    const more = total - lines.length;
    super('TRAINING_DATA_INVALID', {
      detail: `${total} problem${total === 1 ? '' : 's'}\n${lines.map((line) => `  ${line}`).join('\n')}${more > 0 ? `\n  and ${more} more` : ''}`,
    });
    this.problems = list;
    this.total = total;
  }
}

export function refuseProblems(problems: Problems): void {
  if (problems.total > 0) throw new TrainingDataError(problems);
}
