import { FileProblem } from '../folder.ts';

export type CsvDelimiter = ',' | ';' | '\t' | '|';

const delimiters: readonly CsvDelimiter[] = [',', ';', '\t', '|'];

const magics: readonly (readonly [string, string])[] = [
  ['PK\u0003\u0004', 'it is a workbook or an archive, not text; save the sheet as CSV'],
  ['\u00d0\u00cf\u0011\u00e0', 'it is an old Excel workbook, not text; save the sheet as CSV'],
  ['PAR1', 'it is a Parquet file, not text; name it .parquet'],
  ['%PDF', 'it is a PDF, not text'],
  ['SQLite format 3', 'it is a database, not text; export the table as CSV'],
];

/** Refuses what no delimited text begins with. */
export function refuseBinary(head: Buffer): void {
  const start = head.toString('latin1', 0, 16);
  const magic = magics.find(([bytes]) => start.startsWith(bytes));
  if (magic !== undefined) throw new FileProblem('format', magic[1]);
  let [even, odd] = [0, 0];
  for (let at = 0; at < head.length; at += 1) {
    if (head[at] !== 0) continue;
    if (at % 2 === 0) even += 1;
    else odd += 1;
  }
  const half = head.length / 2;
  if (odd > half * 0.4 && even < half * 0.1) throw new FileProblem('format', "it looks like UTF-16 without a byte order mark; set encoding: 'utf-16le'");
  if (even > half * 0.4 && odd < half * 0.1) throw new FileProblem('format', "it looks like UTF-16 without a byte order mark; set encoding: 'utf-16be'");
  if (even + odd > Math.max(2, head.length * 0.01)) throw new FileProblem('format', 'it is a binary file, not text: a part of its bytes are zero');
}

/** How often each delimiter occurs outside quotes in the first lines, a list a line. */
function countDelimiters(text: string, linesMax: number): number[][] {
  const lines: number[][] = [];
  let counts = [0, 0, 0, 0];
  let quoted = false;
  let begun = false;
  for (let at = 0; at < text.length && lines.length < linesMax; at += 1) {
    const letter = text[at] as string;
    if (letter === '"') quoted = !quoted;
    else if (!quoted && (letter === '\n' || letter === '\r')) {
      if (begun) lines.push(counts);
      counts = [0, 0, 0, 0];
      begun = false;
      continue;
    } else if (!quoted) {
      const place = delimiters.indexOf(letter as CsvDelimiter);
      if (place >= 0) counts[place] = (counts[place] as number) + 1;
    }
    begun = true;
  }
  if (begun && lines.length === 0) lines.push(counts);
  return lines;
}

/**
 * The delimiter that the first row has and most of the first rows have as often. A comma within decimals occurs in
 * rows but not in the header, so it does not win over the semicolon beside it.
 */
export function detectDelimiter(head: string, linesMax = 50): CsvDelimiter {
  const lines = countDelimiters(head, linesMax);
  const header = lines[0] ?? [0, 0, 0, 0];
  let best = 0;
  let bestScore = -1;
  header.forEach((count, place) => {
    if (count === 0) return;
    const alike = lines.filter((line) => line[place] === count).length / lines.length;
    const score = alike * 1000 + count;
    if (score > bestScore) [best, bestScore] = [place, score];
  });
  return delimiters[best] as CsvDelimiter;
}

/** A header of one name whose rows have many of another delimiter. */
export function suspectDelimiter(head: string, delimiter: CsvDelimiter): CsvDelimiter | undefined {
  const lines = countDelimiters(head, 50).slice(1);
  const place = delimiters.findIndex((other, at) => other !== delimiter && lines.length > 0 && lines.every((line) => (line[at] ?? 0) > 0));
  return place < 0 ? undefined : delimiters[place];
}

const decimal = /^\s*[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+(?:[eE][+-]?\d+)?\s*$/;
const whole = /^\s*[+-]?\d+\s*$/;

/** Whether a column of the first rows is written with decimal commas throughout. */
export function hasDecimalCommas(column: readonly unknown[], rows: number): boolean {
  let commas = 0;
  for (let row = 0; row < rows; row += 1) {
    const cell = column[row];
    if (typeof cell !== 'string') continue;
    if (decimal.test(cell)) commas += 1;
    else if (!whole.test(cell)) return false;
  }
  return commas > 0;
}

/** `1.234,5` as `1234.5`; what is no such number stays as it is. */
export const withDecimalPoint = (cell: string): string => (cell.includes(',') && decimal.test(cell) ? cell.replaceAll('.', '').replace(',', '.') : cell);
