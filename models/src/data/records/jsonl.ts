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
  const cells = new Map<string, Cell>();
  const known = reading.places.size;
  flatten(reading, record, '', 0, cells, line);
  if (cells.size === 0) return report(reading, 'empty', line, 'the record has no values');
  if (known > 0 && ![...cells.keys()].some((name) => (reading.places.get(name) ?? known) < known)) {
    report(reading, 'column-unknown', line, `the record shares no column with those before it; it has ${[...cells.keys()].slice(0, 6).join(', ')}`);
  }
  const row = reading.numbers.length;
  reading.columns.forEach((column) => column.push(null));
  for (const [name, cell] of cells) {
    const column = reading.columns[reading.places.get(name) ?? -1];
    if (column !== undefined) column[row] = cell;
    if (typeof cell === 'number' && !Number.isSafeInteger(cell) && Number.isInteger(cell) && hasImprecise(text)) {
      report(reading, 'number-imprecise', line, `${name} has more digits than a number can hold; write it as text`);
    }
  }
  reading.numbers.push(line);
  reading.letters += text.length;
}

/** Whether the text has a whole number that reading changes. */
function hasImprecise(text: string): boolean {
  return [...text.matchAll(/[:[,]\s*(-?\d{16,400})\s*(?=[,}\]])/g)].some(([, digits = '0']) => BigInt(digits) !== BigInt(Number(digits)));
}

function flatten(reading: Reading, record: object, prefix: string, depth: number, cells: Map<string, Cell>, line: number): void {
  for (const [key, value] of Object.entries(record)) {
    const name = prefix + key;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      if (depth + 1 < depthMax) flatten(reading, value as object, `${name}.`, depth + 1, cells, line);
      else report(reading, 'nested', line, `${name.slice(0, 80)} nests deeper than ${depthMax} levels`);
      continue;
    }
    if (!placeColumn(reading, name, line)) continue;
    if (cells.has(name)) report(reading, 'format', line, `it has ${name.slice(0, 80)} twice, as a name with a dot and within an object`);
    note(reading, name, value, line);
    cells.set(name, Array.isArray(value) ? null : (value as Cell));
  }
}

function placeColumn(reading: Reading, name: string, line: number): boolean {
  const { places, frozen, columnsMax, nameLengthMax, facts } = reading;
  if (places.has(name)) return true;
  if (name.trim() === '' || name.length > nameLengthMax) {
    report(reading, 'format', line, name.trim() === '' ? 'a name is empty' : `a name has ${name.length} letters; at most ${nameLengthMax} are read`);
    return false;
  }
  if (frozen) {
    report(reading, 'column-unknown', line, `${name} is not among the columns of the records before; give it in the first one, with null where it is unknown`);
    return false;
  }
  if (places.size >= columnsMax) {
    report(reading, 'too-large', line, `there are more than ${columnsMax} columns`);
    return false;
  }
  places.set(name, places.size);
  facts.push({ first: {}, counts: { number: 0, text: 0, boolean: 0, list: 0 } });
  // Records before had none.
  reading.columns.push(Array.from({ length: reading.numbers.length }, () => null));
  return true;
}

function note({ places, facts }: Reading, name: string, value: unknown, line: number): void {
  const column = facts[places.get(name) ?? -1];
  if (value === null || column === undefined) return;
  const kind: Kind = Array.isArray(value) ? 'list' : typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'text';
  column.counts[kind] += 1;
  column.first[kind] ??= line;
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
