import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { noProblems } from '../problems.ts';
import type { RecordBatch } from './batch.ts';
import type { CsvDelimiter } from './csv-dialect.ts';
import { openCsvReader } from './csv-reader.ts';
import { readCsv, type CsvDialect, type ReadCsvOptions } from './csv.ts';
import { collectRecords } from './testing/collect.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-csv-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function put(content: string | Uint8Array): Promise<string> {
  files += 1;
  const file = path.join(folder, `${files}.csv`);
  await writeFile(file, content);
  return file;
}

async function read(content: string | Uint8Array, options: Partial<ReadCsvOptions> = {}) {
  const problems = noProblems();
  const records = await collectRecords(readCsv(await put(content), { problems, name: 'a.csv', ...options }));
  return { ...records, problems: problems.list };
}

/** What the bytes read as when they come in pieces of these sizes, over and over. */
function readInPieces(bytes: Buffer, sizes: readonly number[], options: Partial<ReadCsvOptions>) {
  const problems = noProblems();
  const reader = openCsvReader('a.csv', 'utf-8', { problems, ...options });
  const rows: unknown[][] = [];
  const take = (batches: Iterable<RecordBatch>): void => {
    for (const batch of batches) {
      for (let row = 0; row < batch.rows; row += 1) rows.push([batch.numbers[row], ...batch.columns.map((column) => column[row])]);
    }
  };
  let at = 0;
  for (let piece = 0; at < bytes.length; piece += 1) {
    const size = sizes[piece % sizes.length] as number;
    take(reader.take(bytes.subarray(at, at + size), false));
    at += size;
  }
  take(reader.take(Buffer.alloc(0), true));
  return { rows, problems: problems.list };
}

const letters = fc.string({ maxLength: 14, unit: fc.constantFrom('a', 'ä', '€', '"', ',', ';', '\t', '\n', '\r', ' ', '0') });

test('whatever was written with quotes where they are needed is read back, in whatever pieces it comes', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<CsvDelimiter>(',', ';', '\t', '|'),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.tuple(letters, letters, letters), { maxLength: 6 }),
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
      (delimiter, end, rows, ended, sizes) => {
        const quoted = (value: string): string => (/[",;\t\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
        const written = [['x', 'y', 'z'], ...rows].map((row) => row.map(quoted).join(delimiter)).join(end) + (ended ? end : '');
        const { rows: found, problems } = readInPieces(Buffer.from(written), sizes, { delimiter, decimalComma: false });
        expect(problems).toEqual([]);
        const expected = rows.map((row, at) => [at + 2, ...row.map((value) => (value === '' ? null : value))]);
        expect(found).toEqual(expected.filter((row) => row.slice(1).some((value) => value !== null)));
      },
    ),
  );
});

test('any bytes at all are read to their end without a crash, and the same in pieces as in one', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => bytes.map((byte) => ('a"",;\n\r\0\xe4\xc3\xa4'.charCodeAt(byte % 12) || byte) & 255)),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
      (bytes, sizes) => {
        const whole = readInPieces(Buffer.from(bytes), [1000], { delimiter: ',' });
        const pieces = readInPieces(Buffer.from(bytes), sizes, { delimiter: ',' });
        expect(pieces.rows).toEqual(whole.rows);
        expect(pieces.problems.map(({ kind, at }) => [kind, at])).toEqual(whole.problems.map(({ kind, at }) => [kind, at]));
      },
    ),
  );
});

test('rows are numbered as a spreadsheet does: empty rows counted, a field of two lines one row', async () => {
  const { records, numbers } = await read('a,b\r\n\r\n"1\n2",x\r\n,,\r\n3,y', { limits: {} });
  expect(records).toEqual([
    { a: '1\n2', b: 'x' },
    { a: '3', b: 'y' },
  ]);
  expect(numbers).toEqual([3, 5]);
});

test.each([
  ['a;b\n1,5;x\n2,25;y', ';', true, { a: '1.5', b: 'x' }],
  ['a\tb\n1.5\tx,y\n', '\t', false, { a: '1.5', b: 'x,y' }],
  ['a|b\n1|2', '|', false, { a: '1', b: '2' }],
  ['a;b;c\n1,5;2,5;3,5\n"1.234,5";1;2', ';', true, { a: '1.5', b: '2.5', c: '3.5' }],
  ['a;b\n1,5;x\n1.5;y', ';', false, { a: '1,5', b: 'x' }],
])('the delimiter and the decimal comma of %j are found', async (text, delimiter, decimalComma, first) => {
  let dialect: CsvDialect | undefined;
  const { records, problems } = await read(text, { onDialect: (found) => (dialect = found) });
  expect(problems).toEqual([]);
  expect(records[0]).toEqual(first);
  expect(dialect).toMatchObject({ delimiter, decimalComma });
});

test('a byte order mark says the encoding, gzip is unpacked, and Windows-1252 is read when it is named', async () => {
  const text = 'näme,b\nä€,1\n';
  const record = { näme: 'ä€', b: '1' };
  const swapped = Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
  for (const bytes of [Buffer.from(`\ufeff${text}`), Buffer.from(`\ufeff${text}`, 'utf16le'), swapped, gzipSync(text)]) {
    expect(await read(bytes)).toMatchObject({ records: [record], problems: [] });
  }
  const western = Buffer.from('n\xe4me,b\n\xe4\x80,1\n', 'latin1');
  expect(await read(western, { encoding: 'windows-1252' })).toMatchObject({ records: [record], problems: [] });
});

test('bytes that are not UTF-8 are reported by their row with what to set, and sound rows are still read', async () => {
  const { records, problems } = await read(Buffer.concat([Buffer.from('a,b\n1,x\n2,caf'), Buffer.from([0xe9]), Buffer.from('\n3,é\n4,\0\n')]));
  expect(records.map(({ a }) => a)).toEqual(['1', '3']);
  expect(problems.map(({ kind, at }) => [kind, at])).toEqual([
    ['encoding', 'row 3'],
    ['encoding', 'row 5'],
  ]);
  expect(problems[0]?.detail).toContain("encoding: 'windows-1252'");
});

test('ragged rows, quotes that never end and quotes with something behind them cost a row each, all at once', async () => {
  const { records, problems } = await read('a,b\n1,x\n2\n3,y,z\n4,"open\n5,x\n6,"shut"x\n7,"one, two"\n');
  expect(records.map(({ a }) => a)).toEqual(['1', '5', '7']);
  expect(problems.map(({ file, kind, at }) => `${file} ${kind} ${at}`)).toEqual([
    'a.csv row-ragged row 3',
    'a.csv row-ragged row 4',
    'a.csv quote row 5',
    'a.csv quote row 7',
  ]);
});

test('everything that is wrong with a header is said, and rows are read under made-up names', async () => {
  const { records, problems } = await read('a,,a,\n1,2,3,4\n');
  expect(records).toEqual([{ a: '1', column_2: '2', a_3: '3', column_4: '4' }]);
  expect(problems.map(({ kind, detail }) => [kind, detail])).toEqual([
    ['header', 'column 2 has no name'],
    ['header', 'columns 1 and 3 are both named "a"'],
    ['header', 'column 4 has no name'],
  ]);
});

test('a file without a header is read when that is said, and suspected when its first row is all numbers', async () => {
  expect(await read('1,2\n3,4\n', { header: false })).toMatchObject({ records: [{ column_1: '1' }, { column_1: '3' }], numbers: [1, 2], problems: [] });
  expect(await read('1,2\n', { names: ['x', 'y'] })).toMatchObject({ records: [{ x: '1', y: '2' }], problems: [] });
  expect((await read('1,2\n3,4\n')).problems).toMatchObject([{ kind: 'header', at: 'row 1' }]);
});

test('a header of one column above rows full of another delimiter is told as such, once', async () => {
  const { records, problems } = await read(`name value\n${'a;1\n'.repeat(100)}`);
  expect(records).toEqual([]);
  expect(problems).toMatchObject([{ kind: 'delimiter' }]);
});

test.each([
  ['a workbook', Buffer.from('PK\u0003\u0004rest'), 'format'],
  ['zero bytes', Buffer.from('a\0b\0\0c\0\n'), 'format'],
  ['UTF-16 without a mark', Buffer.from('a,b\n1,2\n', 'utf16le'), 'format'],
  ['an archive cut off', gzipSync('a,b\n'.repeat(1000)).subarray(0, 30), 'file-unreadable'],
  ['an empty file', Buffer.alloc(0), 'empty'],
  ['UTF-16 with half a letter', Buffer.concat([Buffer.from('\ufeffa,b\n1,2', 'utf16le'), Buffer.from([0xd8])]), 'encoding'],
])('%s is one problem, not a crash', async (_, bytes, kind) => {
  expect((await read(bytes)).problems).toMatchObject([{ file: 'a.csv', kind }]);
});

test('a file that is not there is a problem', async () => {
  const problems = noProblems();
  await collectRecords(readCsv(path.join(folder, 'none.csv'), { problems }));
  expect(problems.list).toMatchObject([{ file: 'none.csv', kind: 'file-missing' }]);
});

test('limits hold: a row too long is passed over, too many columns and too many broken rows end the reading', async () => {
  const long = await read(`a,b\n1,x\n2,${'y'.repeat(1_500_000)}\n3,z\n`, { limits: { lineBytesMax: 2 ** 20 } });
  expect(long.records.map(({ a }) => a)).toEqual(['1', '3']);
  expect(long.problems).toMatchObject([{ kind: 'too-large', at: 'row 3' }]);
  expect(long.numbers).toEqual([2, 4]);
  expect((await read('a,b,c\n1,2,3\n', { limits: { columnsMax: 2 } })).problems).toMatchObject([{ kind: 'too-large' }]);
  const ragged = await read(`a,b\n${'1\n'.repeat(5000)}`);
  expect(ragged.problems.length).toBe(1001);
  expect(ragged.problems.at(-1)).toMatchObject({ kind: 'format' });
});

test('batches are no larger than they may be and say where their rows stand', async () => {
  const problems = noProblems();
  const sizes: number[] = [];
  for await (const { rows, columns, numbers } of readCsv(await put(`a,b\n${'1,2\n'.repeat(10_000)}`), { problems })) {
    sizes.push(rows);
    expect(numbers.length).toBe(rows);
    expect(columns.every((column) => column.length === rows)).toBe(true);
  }
  expect(sizes).toEqual([4096, 4096, 1808]);
});

test('a reading can be cancelled, and tells how far it is', async () => {
  const file = await put(`a,b\n${'1,2\n'.repeat(500_000)}`);
  const controller = new AbortController();
  const seen: number[] = [];
  const reading = collectRecords(
    readCsv(file, {
      problems: noProblems(),
      signal: controller.signal,
      onProgress: ({ bytes, totalBytes }) => {
        seen.push(bytes);
        expect(totalBytes).toBe(2_000_004);
        if (bytes > 600_000) controller.abort();
      },
    }),
  );
  await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(seen.length).toBeGreaterThan(0);
});
