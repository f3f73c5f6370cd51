import { isUtf8 } from 'node:buffer';

import { addProblem, type ProblemKind } from '../problems.ts';
import { batchRows, type RecordBatch } from './batch.ts';
import { closeBatch, openBatch, putRow, type OpenBatch } from './csv-batch.ts';
import { detectDelimiter, hasDecimalCommas, suspectDelimiter, type CsvDelimiter } from './csv-dialect.ts';
import { faultOf, reasonToLeave, type Tally } from './csv-fault.ts';
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
  const tally: Tally = { sound: 0, faulty: 0, openQuotes: 0 };
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

  /** Whether the row that was read is sound; what is wrong with it is told. */
  function check(names: readonly string[], from: number): boolean {
    if (row.fault === undefined && row.count === names.length) return true;
    const [kind, detail] = faultOf(row, names, shown(buffer, from, had), fieldBytesMax);
    report(kind, detail, number);
    tally.faulty += 1;
    if (kind === 'quote') tally.openQuotes += 1;
    const reason = reasonToLeave(tally, number);
    if (reason !== undefined) stop(...reason);
    return false;
  }

  function finish(open: OpenBatch): RecordBatch {
    const { names, syntax } = layout as Layout;
    if (!told) {
      told = true;
      decimalComma ??= syntax.delimiter !== comma && open.columns.some((column) => hasDecimalCommas(column, open.rows));
      options.onDialect?.({ encoding, delimiter: String.fromCharCode(syntax.delimiter) as CsvDelimiter, decimalComma, names });
    }
    return closeBatch(open, name, names, decimalComma === true);
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
      if (!isBlank(row) && check(names, at)) {
        batch ??= openBatch(names.length, most);
        putRow(batch, row, number);
        batch.bytes += next - at;
        tally.sound += 1;
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
