import fc from 'fast-check';
import { expect, test } from 'vitest';

import { decodeText, detectDelimiter, parseRows, type Delimiter } from './delimited.ts';

const rowsOf = (text: string, delimiter: Delimiter = ','): string[][] => Array.from(parseRows(text, delimiter), ({ fields }) => [...fields]);

test('whatever was written with quotes where they are needed is read back', () => {
  const field = fc.string({ maxLength: 6, unit: fc.constantFrom('a', 'ä', '"', ',', ';', '\t', '\n', '\r', ' ', '0') });
  fc.assert(
    fc.property(
      fc.constantFrom<Delimiter>(',', ';', '\t'),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 5 }),
      fc.boolean(),
      (delimiter, end, rows, ended) => {
        const quoted = (value: string): string => (/[",;\t\n\r ]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
        const text = rows.map((row) => row.map(quoted).join(delimiter)).join(end) + (ended && rows.length > 0 ? end : '');
        expect(rowsOf(text, delimiter)).toEqual(rows);
      },
    ),
  );
});

test('any text at all is read to its end, every row with its number', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40, unit: fc.constantFrom('a', '"', ',', '\n', '\r') }), (text) => {
      const numbers = Array.from(parseRows(text, ','), ({ number }) => number);
      expect(numbers.every((number, at) => number > (numbers[at - 1] ?? 0))).toBe(true);
    }),
  );
});

test('rows are numbered as a spreadsheet does, empty ones counted and a field of two lines as one row', () => {
  const rows = [...parseRows('file,label\r\n\r\n"a\nb",x\r\nc,y', ',')];
  expect(rows.map(({ number, fields }) => [number, ...fields])).toEqual([
    [1, 'file', 'label'],
    [3, 'a\nb', 'x'],
    [4, 'c', 'y'],
  ]);
});

test('a quote that never ends, or has something behind it, breaks its row and no other', () => {
  expect(Array.from(parseRows('a,"b"c\nd,e\nf,"g', ','), ({ broken }) => broken)).toEqual([true, false, true]);
});

test('the delimiter is the one the header has most of, outside quotes', () => {
  expect(detectDelimiter('file,label\na;b;c;d')).toBe(',');
  expect(detectDelimiter('\n\nfile;label\n')).toBe(';');
  expect(detectDelimiter('file\tlabel\tx')).toBe('\t');
  expect(detectDelimiter('"a;b;c;d",label')).toBe(',');
  expect(detectDelimiter('')).toBe(',');
});

test('byte order marks say how bytes become text, and other bytes are no text', () => {
  expect(decodeText(Buffer.from('\ufefffile'))).toBe('file');
  expect(decodeText(Buffer.from('\ufeffä', 'utf16le'))).toBe('ä');
  expect(decodeText(Buffer.from('\ufeffä', 'utf16le').swap16())).toBe('ä');
  expect(decodeText(Buffer.from([0x66, 0xe4, 0x66]))).toBeUndefined();
});
