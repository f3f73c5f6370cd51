import path from 'node:path';

import type { DataSpec } from '@serin/protocol/api/datasets';

import { FileProblem } from '../folder.ts';
import { addProblem, type Problems } from '../problems.ts';
import type { Cell, RecordBatch } from './batch.ts';
import { readCsv } from './csv.ts';
import { readHead, reportFault, type ReadRecordsOptions } from './input.ts';
import { readJsonl } from './jsonl.ts';
import { readLines } from './lines.ts';
import { readParquet } from './parquet.ts';

export type RecordFormat = 'csv' | 'jsonl' | 'parquet' | 'lines';

/** A file of records: where it lies, and what problems call it (its name on the disk when left out). */
export interface RecordFile {
  readonly file: string;
  readonly name?: string;
}

export interface SetProgress {
  readonly file: string;
  /** Of all files. */
  readonly bytes: number;
  readonly files: number;
}

export interface OpenRecordsOptions {
  readonly problems: Problems;
  /** By the extension, and by the content where that says nothing, when left out. */
  readonly format?: RecordFormat | undefined;
  /** The columns every file must have; those of the first file when left out. */
  readonly columns?: readonly string[] | undefined;
  readonly encoding?: DataSpec['encoding'];
  readonly delimiter?: DataSpec['delimiter'];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: SetProgress) => void) | undefined;
  readonly limits?: ReadRecordsOptions['limits'];
}

const byExtension: Readonly<Record<string, RecordFormat>> = {
  '.csv': 'csv',
  '.tsv': 'csv',
  '.tab': 'csv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'jsonl',
  '.parquet': 'parquet',
  '.pq': 'parquet',
  '.txt': 'lines',
  '.text': 'lines',
};

export function formatOfName(name: string): RecordFormat | undefined {
  return byExtension[path.extname(name.toLowerCase().replace(/\.gz$/, ''))];
}

/** By the first bytes of a file whose name says nothing. */
export function formatOfContent(head: Uint8Array): RecordFormat {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 4096));
  if (text.startsWith('PAR1')) return 'parquet';
  if (/^(ï»¿)?\s*\{/.test(text)) return 'jsonl';
  return /^[^\n]*[,;\t|]/.test(text) ? 'csv' : 'lines';
}

/**
 * One stream of records over files that belong together. The columns of the first file are those of the set: where another file lacks
 * one, has one more or names it differently, that is reported once for the file, and its records come with the columns of the set.
 */
export async function* openRecords(
  files: Iterable<RecordFile | string> | AsyncIterable<RecordFile | string>,
  options: OpenRecordsOptions,
): AsyncGenerator<RecordBatch> {
  const { problems, onProgress } = options;
  let expected: { readonly columns: readonly string[]; readonly by: string } | undefined =
    options.columns === undefined ? undefined : { columns: options.columns, by: 'the schema' };
  let bytesBefore = 0;
  let done = 0;
  for await (const entry of files) {
    const { file, name = path.basename(file) } = typeof entry === 'string' ? { file: entry } : entry;
    let fileBytes = 0;
    const batches = await openOne(file, name, {
      ...options,
      name,
      onProgress: ({ bytes, totalBytes }) => {
        fileBytes = totalBytes;
        onProgress?.({ file: name, bytes: bytesBefore + bytes, files: done });
      },
    });
    let align: ((batch: RecordBatch) => RecordBatch) | undefined;
    for await (const batch of batches) {
      expected ??= { columns: batch.names, by: name };
      if (align === undefined) {
        reportDifferences(expected, batch.names, name, problems);
        align = aligner(expected.columns, batch.names);
      }
      yield align(batch);
    }
    bytesBefore += fileBytes;
    done += 1;
  }
  if (done === 0) addProblem(problems, { kind: 'empty', file: '.', detail: 'there is no file to read' });
}

async function openOne(file: string, name: string, options: Omit<OpenRecordsOptions, 'onProgress'> & ReadRecordsOptions): Promise<AsyncIterable<RecordBatch>> {
  const { problems, encoding, delimiter } = options;
  try {
    const format = options.format ?? formatOfName(name) ?? formatOfContent(await readHead(file, 4096));
    if (format === 'parquet') return readParquet(file, options);
    if (format === 'jsonl') return readJsonl(file, options);
    if (format === 'lines') return readLines(file, options);
    return readCsv(file, { ...options, encoding, delimiter });
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    reportFault(error, name, problems);
    return nothing();
  }
}

async function* nothing(): AsyncGenerator<RecordBatch> {}

const bare = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');

/** Same letters and digits, or the same place where all but one column agree. */
export function findRenamed(
  missing: readonly string[],
  extra: readonly string[],
  expected: readonly string[],
  found: readonly string[],
): [from: string, to: string][] {
  const pairs = missing.flatMap((from): [string, string][] => {
    const alike = extra.filter((to) => bare(to) === bare(from));
    return alike.length === 1 && alike[0] !== undefined ? [[from, alike[0]]] : [];
  });
  const [from, to] = [missing[0], extra[0]];
  if (pairs.length === 0 && missing.length === 1 && extra.length === 1 && from !== undefined && to !== undefined && expected.length > 1) {
    if (expected.indexOf(from) === found.indexOf(to)) return [[from, to]];
  }
  return pairs;
}

const listNames = (names: readonly string[]): string => `${names.slice(0, 12).join(', ')}${names.length > 12 ? `, and ${names.length - 12} more` : ''}`;

function reportDifferences(
  expected: { readonly columns: readonly string[]; readonly by: string },
  found: readonly string[],
  file: string,
  problems: Problems,
): void {
  const { columns, by } = expected;
  const [known, had] = [new Set(columns), new Set(found)];
  const missing = columns.filter((name) => !had.has(name));
  const extra = found.filter((name) => !known.has(name));
  const renamed = findRenamed(missing, extra, columns, found);
  const explained = new Set(renamed.flat());
  for (const [from, to] of renamed) addProblem(problems, { kind: 'column-renamed', file, detail: `the column ${from} of ${by} is called ${to} here` });
  const [lacking, more] = [missing, extra].map((names) => names.filter((name) => !explained.has(name)));
  if (lacking !== undefined && lacking.length > 0) {
    addProblem(problems, { kind: 'column-missing', file, detail: `it lacks ${listNames(lacking)}, which ${by} has; it has ${listNames(found)}` });
  }
  if (more !== undefined && more.length > 0) addProblem(problems, { kind: 'column-unknown', file, detail: `it has ${listNames(more)}, which ${by} lacks` });
}

function aligner(columns: readonly string[], found: readonly string[]): (batch: RecordBatch) => RecordBatch {
  if (columns.length === found.length && columns.every((name, place) => name === found[place])) return (batch) => batch;
  const places = columns.map((name) => found.indexOf(name));
  return (batch) => {
    const absent = Array.from<Cell>({ length: batch.rows }).fill(null);
    return { ...batch, names: columns, columns: places.map((place) => batch.columns[place] ?? absent) };
  };
}
