import { addProblem, type Problem, type Problems } from '../problems.ts';
import { batchRows, type Cell, type RecordBatch } from './batch.ts';
import { fileName, readBytes, recordLimits, reportFault, type ReadRecordsOptions } from './input.ts';
import { reportLine } from './lines.ts';
import { splitLines } from './split-lines.ts';

const depthMax = 8;
const batchLettersMax = 16 * 2 ** 20;
/** So many lines that are no objects, and nothing else: the file is something else. */
const hopelessLines = 100;

type Kind = 'number' | 'text' | 'boolean' | 'list';
const kindNames: Record<Kind, string> = { number: 'a number', text: 'text', boolean: 'true or false', list: 'a list' };

interface ColumnFacts {
  readonly first: Partial<Record<Kind, number>>;
  readonly counts: Record<Kind, number>;
}

interface Reading {
  readonly file: string;
  readonly problems: Problems;
  readonly columnsMax: number;
  readonly nameLengthMax: number;
  /** Place of each column; no more are added once the first batch is out. */
  readonly places: Map<string, number>;
  readonly facts: ColumnFacts[];
  frozen: boolean;
  columns: Cell[][];
  numbers: number[];
  letters: number;
  sound: number;
  faulty: number;
}

/** The record that is being read. */
interface Current {
  readonly line: number;
  readonly row: number;
  readonly text: string;
  /** Columns there were before it. */
  readonly known: number;
  cells: number;
  shared: boolean;
}

/**
 * An object a line. Values of objects within become columns with dotted names; null and absent are the same. The columns are those of
 * the first records (4,096, or 16 MiB): one that comes later is reported, for a table has its columns from the start.
 */
export async function* readJsonl(file: string, options: ReadRecordsOptions): AsyncGenerator<RecordBatch> {
  const limits = { ...recordLimits, ...options.limits };
  const reading: Reading = {
    file: fileName(file, options),
    problems: options.problems,
    columnsMax: limits.columnsMax,
    nameLengthMax: limits.nameLengthMax,
    places: new Map(),
    facts: [],
    frozen: false,
    columns: [],
    numbers: [],
    letters: 0,
    sound: 0,
    faulty: 0,
  };
  try {
    lines: for await (const lines of splitLines(readBytes(file, options), limits.lineBytesMax)) {
      for (const line of lines) {
        reportLine(line, reading.file, limits.lineBytesMax, reading.problems);
        if (line.text === undefined || line.text.trim() === '') continue;
        readRecord(reading, line.text, line.number);
        if (reading.sound === 0 && reading.faulty >= hopelessLines) {
          report(reading, 'format', undefined, `none of its first ${hopelessLines} lines is a JSON object; is it of another format?`);
          break lines;
        }
        if (reading.numbers.length >= batchRows || reading.letters >= batchLettersMax) yield cutBatch(reading);
      }
    }
  } catch (error) {
    reportFault(error, reading.file, reading.problems);
  }
  if (reading.numbers.length > 0) yield cutBatch(reading);
  reportColumns(reading);
}

function report({ file, problems }: Reading, kind: Problem['kind'], line: number | undefined, detail: string): void {
  addProblem(problems, { kind, file, ...(line === undefined ? {} : { at: `line ${line}` }), detail });
}

function cutBatch(reading: Reading): RecordBatch {
  const { file, places, columns, numbers } = reading;
  const batch = { file, names: [...places.keys()], columns, rows: numbers.length, numbers: Int32Array.from(numbers) };
  reading.frozen = true;
  reading.columns = columns.map(() => []);
  reading.numbers = [];
  reading.letters = 0;
  return batch;
}

function parseObject(reading: Reading, text: string, line: number): object | undefined {
  const fail = (detail: string): undefined => {
    reading.faulty += 1;
    report(reading, 'format', line, detail);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (/[:[,]\s*-?(NaN|Infinity)\b/.test(text)) return fail('NaN and Infinity are not JSON; write null');
    return fail(`it is not JSON (${error instanceof Error ? error.message.slice(0, 120) : String(error)})`);
  }
  if (Array.isArray(value)) return fail('it is a list; write one object a line');
  if (typeof value !== 'object' || value === null) return fail('it is not an object');
  return value;
}

function readRecord(reading: Reading, text: string, line: number): void {
  const record = parseObject(reading, text, line);
  if (record === undefined) return;
  reading.sound += 1;
  const current: Current = { line, row: reading.numbers.length, text, known: reading.places.size, cells: 0, shared: false };
  for (const column of reading.columns) column.push(null);
  flatten(reading, record, '', 0, current);
  if (current.cells === 0) {
    for (const column of reading.columns) column.pop();
    return report(reading, 'empty', line, 'the record has no values');
  }
  if (current.known > 0 && !current.shared) {
    report(reading, 'column-unknown', line, `the record shares no column with those before it; it has ${Object.keys(record).slice(0, 6).join(', ')}`);
  }
  reading.numbers.push(line);
  reading.letters += text.length;
}

/** Whether the text has a whole number that reading changes. */
function hasImprecise(text: string): boolean {
  return [...text.matchAll(/[:[,]\s*(-?\d{16,400})\s*(?=[,}\]])/g)].some(([, digits = '0']) => BigInt(digits) !== BigInt(Number(digits)));
}

function flatten(reading: Reading, record: object, prefix: string, depth: number, current: Current): void {
  for (const [key, value] of Object.entries(record) as [string, unknown][]) {
    const name = prefix === '' ? key : prefix + key;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) putCell(reading, name, value, current);
    else if (depth + 1 < depthMax) flatten(reading, value, `${name}.`, depth + 1, current);
    else report(reading, 'nested', current.line, `${name.slice(0, 80)} nests deeper than ${depthMax} levels`);
  }
}

function putCell(reading: Reading, name: string, value: unknown, current: Current): void {
  const place = reading.places.get(name) ?? addColumn(reading, name, current);
  const [column, facts] = [reading.columns[place], reading.facts[place]];
  if (column === undefined || facts === undefined) return;
  const { line, row } = current;
  current.cells += 1;
  current.shared ||= place < current.known;
  if (value === null) return;
  if (column[row] !== null) report(reading, 'format', line, `it has ${name.slice(0, 80)} twice, as a name with a dot and within an object`);
  const kind: Kind = typeof value === 'number' ? 'number' : typeof value === 'string' ? 'text' : typeof value === 'boolean' ? 'boolean' : 'list';
  facts.counts[kind] += 1;
  facts.first[kind] ??= line;
  if (kind === 'list') return;
  column[row] = value as Cell;
  if (kind === 'number' && !Number.isSafeInteger(value) && Number.isInteger(value) && hasImprecise(current.text)) {
    report(reading, 'number-imprecise', line, `${name} has more digits than a number can hold; write it as text`);
  }
}

/** The place of a column that was not there before; -1 where there may be none. */
function addColumn(reading: Reading, name: string, { line, row }: Current): number {
  const { places, frozen, columnsMax, nameLengthMax, facts, columns } = reading;
  const refuse = (kind: Problem['kind'], detail: string): number => {
    report(reading, kind, line, detail);
    return -1;
  };
  if (name.trim() === '') return refuse('format', 'a name is empty');
  if (name.length > nameLengthMax) return refuse('format', `a name has ${name.length} letters; at most ${nameLengthMax} are read`);
  if (frozen)
    return refuse('column-unknown', `${name} is not among the columns of the records before; give it in the first one, with null where it is unknown`);
  if (places.size >= columnsMax) return refuse('too-large', `there are more than ${columnsMax} columns`);
  places.set(name, places.size);
  facts.push({ first: {}, counts: { number: 0, text: 0, boolean: 0, list: 0 } });
  // Records before had none.
  return columns.push(Array.from({ length: row + 1 }, () => null)) - 1;
}

/** What shows over the whole file only: one line a column, not one a record. */
function reportColumns(reading: Reading): void {
  for (const [name, place] of reading.places) {
    const { counts, first } = reading.facts[place] ?? { counts: { number: 0, text: 0, boolean: 0, list: 0 }, first: {} };
    if (counts.list > 0) {
      report(
        reading,
        'nested',
        first.list,
        `${name} is a list (in ${counts.list} record${counts.list === 1 ? '' : 's'}); give its values columns of their own`,
      );
    }
    const kinds = (['number', 'text', 'boolean'] as const).filter((kind) => counts[kind] > 0).sort((one, other) => counts[other] - counts[one]);
    if (kinds.length < 2) continue;
    const rarest = kinds.at(-1) ?? 'text';
    const words = kinds.map((kind) => `${kindNames[kind]} in ${counts[kind]}`).join(', ');
    report(reading, 'type-mixed', first[rarest], `${name} is ${words} records; here is the first that is ${kindNames[rarest]}`);
  }
}
