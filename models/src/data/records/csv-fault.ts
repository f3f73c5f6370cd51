import type { ProblemKind } from '../problems.ts';
import type { RowCells } from './csv-row.ts';

type Finding = readonly [kind: ProblemKind, detail: string];

/** A file with as many broken rows, more than sound ones, is not what it was taken for. */
const faultyRows = 1000;
/** Each may have been looked for over the whole length of a row. */
const openQuotesMax = 100;

/** What is wrong with a row that is not sound, in words; `start` is how it begins. */
export function faultOf({ fault, faultField, count }: RowCells, names: readonly string[], start: string, fieldBytesMax: number): Finding {
  const column = names[faultField] ?? `column ${faultField + 1}`;
  switch (fault) {
    case 'quote-open':
      return ['quote', `a quote in ${column} is opened and never closed`];
    case 'quote-text':
      return ['quote', `in ${column} there is something behind the closing quote; quotes within a field are doubled`];
    case 'encoding':
      return ['encoding', `${column} is not UTF-8: ${start}; set encoding: 'windows-1252' if that is what the file has`];
    case 'zero-byte':
      return ['encoding', `${column} has a byte that is zero; the file is damaged or not text`];
    case 'field-long':
      return ['too-large', `${column} has more than ${fieldBytesMax} bytes`];
    case undefined:
      return ['row-ragged', `it has ${count} field${count === 1 ? '' : 's'}, the header ${names.length}; a field with the delimiter in it needs quotes`];
  }
}

/** Rows of a file, sound and not. */
export interface Tally {
  sound: number;
  faulty: number;
  openQuotes: number;
}

/** Why a file is left at a row: more of it is wrong than is not. */
export function reasonToLeave({ sound, faulty, openQuotes }: Tally, number: number): Finding | undefined {
  if (openQuotes >= openQuotesMax && openQuotes > sound) return ['quote', `it was left at row ${number}: quotes are wrong in ${openQuotes} rows`];
  if (faulty >= faultyRows && faulty > sound) return ['format', `it was left at row ${number}: ${faulty} of its rows are wrong, ${sound} are not`];
  return undefined;
}
