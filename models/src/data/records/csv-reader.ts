import { isUtf8 } from 'node:buffer';

import { addProblem, type ProblemKind } from '../problems.ts';
import { batchRows, type Cell, type RecordBatch } from './batch.ts';
import { detectDelimiter, hasDecimalCommas, suspectDelimiter, withDecimalPoint, type CsvDelimiter } from './csv-dialect.ts';
import { headerNames } from './csv-header.ts';
import { chunkOf, emptyRow, readRow, syntaxOf, type Chunk, type RowCells, type Syntax } from './csv-row.ts';
import type { ReadCsvOptions } from './csv.ts';
import { decodeWestern, type TextEncoding } from './encoding.ts';
import { recordLimits } from './input.ts';

const sniffedBytes = 64 * 2 ** 10;
const fieldBytesMax = 2 ** 20;
/** Cells and bytes of one batch, so that a wide file takes no more memory than a narrow one. */
const batchCells = 2 ** 18;
const batchBytes = 8 * 2 ** 20;
const rowsMax = 2 ** 31 - 2;
/** A file with as many broken rows, more than sound ones, is not what it was taken for. */
const faultyRows = 1000;
/** Each may have been looked for over the whole length of a row. */
const openQuotesMax = 100;

const decoders: Record<string, Syntax['decode']> = {
  'utf-8': (bytes, start, end) => (isUtf8(bytes.subarray(start, end)) ? bytes.toString('utf8', start, end) : undefined),
  'windows-1252': (bytes, start, end) => decodeWestern(bytes.subarray(start, end)),
};

export interface CsvReader {
  readonly stopped: boolean;
  take(piece: Buffer, isLast: boolean): Generator<RecordBatch>;
}

interface Layout {
  readonly syntax: Syntax;
  readonly names: readonly string[];
  readonly rowsMax: number;
}

export function openCsvReader(name: string, encoding: TextEncoding, options: ReadCsvOptions): CsvReader {
  const { problems, limits } = options;
  const rowBytesMax = limits?.lineBytesMax ?? recordLimits.lineBytesMax;
  const columnsMax = limits?.columnsMax ?? recordLimits.columnsMax;
  const row = emptyRow();
  let buffer = Buffer.alloc(8 * sniffedBytes + 1);
  let had = 0;
  let layout: Layout | undefined;
  let decimalComma = options.decimalComma;
  let told = false;
  let batch: OpenBatch | undefined;
  let number = 0;
  let faults = 0;
  let openQuotes = 0;
  let sound = 0;
  let stopped = false;
  /** Inside a row that is too long: everything up to its end is passed over. */
  let skipping = false;

  const report = (kind: ProblemKind, detail: string, at?: number): void =>
    addProblem(problems, { kind, file: name, ...(at === undefined ? {} : { at: `row ${at}` }), detail });
  const stop = (kind: ProblemKind, detail: string): void => {
    report(kind, detail);
    stopped = true;
  };

  function append(piece: Buffer): void {
    if (had + piece.length + 1 > buffer.length) {
      const larger = Buffer.alloc(Math.max(buffer.length * 2, had + piece.length + 1));
      buffer.copy(larger, 0, 0, had);
      buffer = larger;
    }
    piece.copy(buffer, had);
    had += piece.length;
  }

  function layOut(chunk: Chunk, isLast: boolean): number {
    const head = chunk.text.slice(0, sniffedBytes);
    const delimiter = options.delimiter ?? detectDelimiter(head);
    const syntax = syntaxOf(delimiter, fieldBytesMax, decoders[encoding.startsWith('utf-16') ? 'utf-8' : encoding] as Syntax['decode']);
    let at = 0;
    let next = 0;
    do {
      at = next;
      if (at >= chunk.end) return at;
      next = readRow(chunk, at, isLast, row, syntax);
      // Rows before it were counted and are not read again.
      if (next < 0) return at;
      number += 1;
    } while (isBlank(row));
    const named = options.header ?? options.names === undefined;
    const header = headerNames(row, named, options, (kind, detail) => report(kind, detail, number));
    if (row.count === 1) {
      const other = suspectDelimiter(head, delimiter);
      if (other !== undefined && options.delimiter === undefined) {
        stop(
          'delimiter',
          `its header has one column but its rows are full of ${other === '\t' ? 'tabs' : `"${other}"`}; set delimiter if that is what parts them`,
        );
      }
    }
    if (row.count > columnsMax) stop('too-large', `it has ${row.count} columns; at most ${columnsMax} are read`);
    layout = { syntax, names: header, rowsMax: Math.max(1, Math.min(batchRows, Math.floor(batchCells / header.length))) };
    if (named) return next;
    number -= 1;
    return at;
  }

  /** What is wrong with the row that was read; true when it is sound. */
  function check(width: number, from: number): boolean {
    const { fault, count } = row;
    if (fault === undefined && count === width) return true;
    const column = layout?.names[row.faultField] ?? `column ${row.faultField + 1}`;
    if (fault === 'quote-open') report('quote', `a quote in ${column} is opened and never closed`, number);
    else if (fault === 'quote-text') report('quote', `in ${column} there is something behind the closing quote; quotes within a field are doubled`, number);
    else if (fault === 'encoding') {
      report('encoding', `${column} is not UTF-8: ${shown(buffer, from, had)}; set encoding: 'windows-1252' if that is what the file has`, number);
    } else if (fault === 'zero-byte') report('encoding', `${column} has a byte that is zero; the file is damaged or not text`, number);
    else if (fault === 'field-long') report('too-large', `${column} has more than ${fieldBytesMax} bytes`, number);
    else report('row-ragged', `it has ${count} field${count === 1 ? '' : 's'}, the header ${width}; a field with the delimiter in it needs quotes`, number);
    faults += 1;
    if (fault === 'quote-open' || fault === 'quote-text') openQuotes += 1;
    if (openQuotes >= openQuotesMax && openQuotes > sound) stop('quote', `it was left at row ${number}: quotes are wrong in ${openQuotes} rows`);
    else if (faults >= faultyRows && faults > sound) stop('format', `it was left at row ${number}: ${faults} of its rows are wrong, ${sound} are not`);
    return false;
  }

  function finish(open: OpenBatch): RecordBatch {
    const { names } = layout as Layout;
    const columns = open.rows === open.size ? open.columns : open.columns.map((column) => column.slice(0, open.rows));
    if (!told) {
      told = true;
      decimalComma ??= (layout as Layout).syntax.delimiter !== comma && columns.some((column) => hasDecimalCommas(column, open.rows));
      options.onDialect?.({ encoding, delimiter: String.fromCharCode((layout as Layout).syntax.delimiter) as CsvDelimiter, decimalComma, names });
    }
    if (decimalComma === true) {
      for (const column of columns) {
        for (let at = 0; at < column.length; at += 1) {
          const cell = column[at];
          if (typeof cell === 'string') column[at] = withDecimalPoint(cell);
        }
      }
    }
    return { file: name, names, columns, rows: open.rows, numbers: open.numbers.subarray(0, open.rows) };
  }

  function* take(piece: Buffer, isLast: boolean): Generator<RecordBatch> {
    append(piece);
    const chunk = chunkOf(buffer, had);
    let at = 0;
    if (skipping) {
      at = passLine(chunk);
      skipping = at > chunk.end;
      at = Math.min(at, chunk.end);
    }
    if (layout === undefined && !skipping) {
      at = layOut(chunk, isLast);
      if (layout === undefined && at >= had && isLast) report('empty', 'it has no rows');
      if (stopped) return;
    }
    while (layout !== undefined && at >= 0 && at < chunk.end && !stopped) {
      const { syntax, names, rowsMax: most } = layout as Layout;
      const next = readRow(chunk, at, isLast, row, syntax);
      if (next < 0) break;
      number += 1;
      if (!isBlank(row) && check(names.length, at)) {
        batch ??= openBatch(names.length, most);
        put(batch, row, number);
        batch.bytes += next - at;
        sound += 1;
        if (batch.rows === most || batch.bytes >= batchBytes) {
          yield finish(batch);
          batch = undefined;
        }
      }
      at = next;
      if (number > rowsMax) stop('too-large', `it has more than ${rowsMax} rows; part it`);
    }
    at = Math.max(at, 0);
    buffer.copyWithin(0, at, had);
    had -= at;
    if (had > rowBytesMax && !stopped) {
      number += 1;
      report('too-large', `the row has more than ${rowBytesMax} bytes; is a quote not closed?`, number);
      had = 0;
      skipping = true;
      if (layout === undefined) stopped = true;
    }
    if ((isLast || stopped) && batch !== undefined) {
      yield finish(batch);
      batch = undefined;
    }
  }

  return {
    get stopped() {
      return stopped;
    },
    take,
  };
}

const comma = 44;

interface OpenBatch {
  readonly columns: Cell[][];
  readonly numbers: Int32Array;
  readonly size: number;
  rows: number;
  bytes: number;
}

const openBatch = (width: number, size: number): OpenBatch => ({
  columns: Array.from({ length: width }, () => Array.from<Cell>({ length: size }).fill(null)),
  numbers: new Int32Array(size),
  size,
  rows: 0,
  bytes: 0,
});

function put(batch: OpenBatch, { cells }: RowCells, number: number): void {
  const { columns, rows } = batch;
  for (let at = 0; at < columns.length; at += 1) (columns[at] as Cell[])[rows] = cells[at] as Cell;
  batch.numbers[rows] = number;
  batch.rows = rows + 1;
}

/** Spreadsheets leave rows of nothing but delimiters behind. */
function isBlank({ cells, count, fault }: RowCells): boolean {
  if (cells[0] !== null || fault !== undefined) return false;
  for (let at = 1; at < count; at += 1) if (cells[at] !== null) return false;
  return true;
}

/** Where the line ends that the chunk begins in; beyond the chunk when it does not. */
function passLine({ bytes, end }: Chunk): number {
  for (let at = 0; at < end; at += 1) if (bytes[at] === 10 || bytes[at] === 13) return at + 1;
  return end + 1;
}

/** The beginning of a row, with a mark for what cannot be read. */
const shown = (bytes: Buffer, from: number, end: number): string =>
  JSON.stringify(bytes.toString('utf8', from, Math.min(end, from + 40)).split(/[\r\n]/)[0] ?? '');
