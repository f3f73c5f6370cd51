/** Rows of a text with delimiters, as spreadsheets write it (RFC 4180, and what they do beside it). */
export interface Row {
  /** As a spreadsheet counts: the header is row 1, and empty rows count. */
  readonly number: number;
  readonly fields: readonly string[];
  /** The last field began with a quote that never ended, or went on after it. */
  readonly broken: boolean;
}

export type Delimiter = ',' | ';' | '\t';

/** The delimiter that occurs most in the first row that is not empty, outside quotes. */
export function detectDelimiter(text: string): Delimiter {
  const counts = { ',': 0, ';': 0, '\t': 0 };
  let quoted = false;
  let begun = false;
  for (const letter of text) {
    if (letter === '"') quoted = !quoted;
    else if (!quoted && (letter === '\n' || letter === '\r')) {
      if (begun) break;
      continue;
    } else if (!quoted && letter in counts) counts[letter as Delimiter] += 1;
    begun = true;
  }
  if (counts['\t'] > counts[','] && counts['\t'] >= counts[';']) return '\t';
  return counts[';'] > counts[','] ? ';' : ',';
}

/** Bytes to text by their byte order mark, UTF-8 without one; undefined when they are no such text. */
export function decodeText(bytes: Uint8Array): string | undefined {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Ends of rows may be LF, CRLF or CR; a quote inside quotes is doubled; a quote within a bare field is a letter. */
export function* parseRows(text: string, delimiter: Delimiter): Generator<Row> {
  let at = 0;
  let number = 0;
  while (at < text.length) {
    number += 1;
    const fields: string[] = [];
    let broken = false;
    for (;;) {
      const field = readField(text, at, delimiter);
      fields.push(field.value);
      broken ||= field.broken;
      at = field.end;
      if (text[at] !== delimiter) break;
      at += 1;
    }
    at += text[at] === '\r' && text[at + 1] === '\n' ? 2 : 1;
    if (fields.length > 1 || fields[0] !== '') yield { number, fields, broken };
  }
}

function readField(text: string, start: number, delimiter: Delimiter): { value: string; end: number; broken: boolean } {
  const isEnd = (letter: string | undefined): boolean => letter === undefined || letter === delimiter || letter === '\n' || letter === '\r';
  let end = start;
  if (text[start] !== '"') {
    while (!isEnd(text[end])) end += 1;
    return { value: text.slice(start, end).trim(), end, broken: false };
  }
  const parts: string[] = [];
  for (let from = start + 1; ; from = end + 2) {
    end = text.indexOf('"', from);
    if (end === -1) return { value: parts.join('') + text.slice(from), end: text.length, broken: true };
    parts.push(text.slice(from, end));
    if (text[end + 1] !== '"') break;
    parts.push('"');
  }
  const close = end + 1;
  end = close;
  while (!isEnd(text[end])) end += 1;
  return { value: parts.join(''), end, broken: text.slice(close, end).trim() !== '' };
}
