import { isAscii } from 'node:buffer';

import type { Cell } from './batch.ts';

const lf = 10;
const cr = 13;
const quote = 34;
const space = 32;
const tab = 9;

/** Bytes with whole rows in them, and perhaps the beginning of one more. */
export interface Chunk {
  /** One byte longer than what is in it: the byte behind the end is free for a sentinel. */
  readonly bytes: Buffer;
  readonly end: number;
  /** A letter a byte, so that a place in one is the same place in the other. */
  readonly text: string;
  /** No byte in it is zero or beyond ASCII. */
  readonly isPlain: boolean;
}

export function chunkOf(bytes: Buffer, end: number): Chunk {
  const part = bytes.subarray(0, end);
  bytes[end] = lf;
  return { bytes, end, text: part.toString('latin1'), isPlain: isAscii(part) && !part.includes(0) };
}

export interface Syntax {
  /** 1 for the bytes that end a bare field. */
  readonly ends: Uint8Array;
  readonly delimiter: number;
  readonly fieldBytesMax: number;
  /** What the bytes from one place to another mean; undefined when they are no such text. */
  decode(bytes: Buffer, start: number, end: number): string | undefined;
}

export function syntaxOf(delimiter: string, fieldBytesMax: number, decode: Syntax['decode']): Syntax {
  const ends = new Uint8Array(256);
  const code = delimiter.charCodeAt(0);
  for (const byte of [lf, cr, code]) ends[byte] = 1;
  return { ends, delimiter: code, fieldBytesMax, decode };
}

type Fault = 'quote-open' | 'quote-text' | 'encoding' | 'zero-byte' | 'field-long';

/** One row, filled anew for each: nothing is allocated but the cells. */
export interface RowCells {
  readonly cells: Cell[];
  count: number;
  fault: Fault | undefined;
  /** The field in which the fault is, from 0. */
  faultField: number;
}

export const emptyRow = (): RowCells => ({ cells: [], count: 0, fault: undefined, faultField: 0 });

/** A longer slice would keep the whole chunk in memory for as long as the cell lives. */
const slicesCopiedMax = 12;

function cellOf(chunk: Chunk, start: number, end: number, row: RowCells, syntax: Syntax): Cell {
  if (start === end) return null;
  if (end - start > syntax.fieldBytesMax) fail(row, 'field-long');
  if (!chunk.isPlain) {
    for (let at = start; at < end; at += 1) {
      const byte = chunk.bytes[at] as number;
      if (byte === 0) fail(row, 'zero-byte');
      if (byte < 128) continue;
      const text = syntax.decode(chunk.bytes, start, end);
      if (text === undefined) fail(row, 'encoding');
      return text ?? null;
    }
  }
  return end - start <= slicesCopiedMax ? chunk.text.slice(start, end) : chunk.bytes.toString('latin1', start, end);
}

function fail(row: RowCells, fault: Fault): void {
  if (row.fault !== undefined) return;
  row.fault = fault;
  row.faultField = row.count;
}

/**
 * Reads the row that begins at `from` and answers where the next one does; -1 when the chunk ends before the row, which
 * cannot be when it is the last. Ends of rows may be LF, CRLF or CR; a quote inside quotes is doubled; a quote within a bare
 * field is a letter. A row whose quotes go wrong over several lines is given up at the end of its first line, so that one
 * stray quote costs one row and not the rest of the file.
 */
export function readRow(chunk: Chunk, from: number, isLast: boolean, row: RowCells, syntax: Syntax): number {
  const { bytes, end } = chunk;
  const { ends, delimiter } = syntax;
  row.count = 0;
  row.fault = undefined;
  let at = from;
  for (;;) {
    if (bytes[at] === quote && at < end) {
      const next = readQuoted(chunk, at, isLast, row, syntax);
      if (next < 0) {
        if (next === incomplete) return -1;
        return afterLine(chunk, at, from);
      }
      at = next;
    } else {
      const start = at;
      while (ends[bytes[at] as number] === 0) at += 1;
      if (at >= end && !isLast) return -1;
      row.cells[row.count] = cellOf(chunk, start, at, row, syntax);
    }
    row.count += 1;
    if (bytes[at] !== delimiter || at >= end) break;
    at += 1;
  }
  if (at >= end) return end;
  if (bytes[at] === cr) {
    if (at + 1 === end && !isLast) return -1;
    return bytes[at + 1] === lf && at + 1 < end ? at + 2 : at + 1;
  }
  return at + 1;
}

const incomplete = -1;
const givenUp = -2;

/** Answers where the field ends. */
function readQuoted(chunk: Chunk, open: number, isLast: boolean, row: RowCells, syntax: Syntax): number {
  const { bytes, end } = chunk;
  let doubled = false;
  let close = open + 1;
  for (;;) {
    while (close < end && bytes[close] !== quote) close += 1;
    if (close + 1 >= end && !isLast) return incomplete;
    if (close >= end) {
      fail(row, 'quote-open');
      return givenUp;
    }
    if (bytes[close + 1] !== quote || close + 1 >= end) break;
    doubled = true;
    close += 2;
  }
  let at = close + 1;
  while ((bytes[at] === space || bytes[at] === tab) && syntax.ends[bytes[at] as number] === 0 && at < end) at += 1;
  if (at >= end && !isLast) return incomplete;
  if (syntax.ends[bytes[at] as number] === 0 && at < end) {
    fail(row, 'quote-text');
    if (lineEnd(bytes, open, close) < close) return givenUp;
    while (syntax.ends[bytes[at] as number] === 0) at += 1;
    if (at >= end && !isLast) return incomplete;
    at = Math.min(at, end);
  }
  const cell = cellOf(chunk, open + 1, close, row, syntax);
  row.cells[row.count] = doubled && typeof cell === 'string' ? cell.replaceAll('""', '"') : cell;
  return at;
}

function lineEnd(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== lf && bytes[at] !== cr) at += 1;
  return at;
}

function afterLine({ bytes, end }: Chunk, open: number, from: number): number {
  const at = lineEnd(bytes, open, end);
  if (at >= end) return end;
  const next = bytes[at] === cr && bytes[at + 1] === lf && at + 1 < end ? at + 2 : at + 1;
  return Math.max(next, from + 1);
}
