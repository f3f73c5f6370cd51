import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export type Row = readonly (string | number | undefined)[];

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const cellText = (cell: string | number | undefined): string => (cell === undefined ? '' : typeof cell === 'number' ? String(cell) : quoted(cell));

function* linesOf(names: readonly string[], rows: Iterable<Row>): Generator<string> {
  yield `${names.join(',')}\n`;
  let lines: string[] = [];
  for (const row of rows) {
    lines.push(row.map(cellText).join(','));
    if (lines.length < 1000) continue;
    yield `${lines.join('\n')}\n`;
    lines = [];
  }
  if (lines.length > 0) yield `${lines.join('\n')}\n`;
}

/** A CSV file that is there whole or not at all. */
export async function writeTable(file: string, names: readonly string[], rows: Iterable<Row>): Promise<void> {
  await pipeline(Readable.from(linesOf(names, rows)), createWriteStream(`${file}.part`));
  await rename(`${file}.part`, file);
}
