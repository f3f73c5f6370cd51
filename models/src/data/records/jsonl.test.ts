import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { noProblems } from '../problems.ts';
import type { RecordBatch } from './batch.ts';
import type { ReadRecordsOptions } from './input.ts';
import { readJsonl } from './jsonl.ts';
import { readLines, readTextFolder } from './lines.ts';
import { collectRecords } from './testing/collect.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-records-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function put(content: string | Uint8Array): Promise<string> {
  files += 1;
  const file = path.join(folder, `${files}.jsonl`);
  await writeFile(file, content);
  return file;
}

async function read(content: string | Uint8Array, options: Partial<ReadRecordsOptions> = {}, reader: typeof readJsonl = readJsonl) {
  const problems = noProblems();
  const records = await collectRecords(reader(await put(content), { problems, name: 'a.jsonl', ...options }));
  return { ...records, problems: problems.list };
}

test('objects become records; objects within become dotted columns, and what is absent is null', async () => {
  const { records, numbers, problems } = await read('{"a":1,"b":{"c":"x","d":{"e":true}}}\n\n{"a":2.5,"f":null}\r\n{"f":"late"}');
  expect(records).toEqual([
    { a: 1, 'b.c': 'x', 'b.d.e': true, f: null },
    { a: 2.5, 'b.c': null, 'b.d.e': null, f: null },
    { a: null, 'b.c': null, 'b.d.e': null, f: 'late' },
  ]);
  expect(numbers).toEqual([1, 3, 4]);
  expect(problems).toEqual([]);
});

test('every record of a file comes back as it was written, packed or not', async () => {
  const cell = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string(), fc.constant(null));
  const rows = fc.array(fc.record({ n: cell, 'ü "q"': cell }), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(rows, fc.boolean(), async (records, packed) => {
      const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
      const found = await read(packed ? gzipSync(text) : text);
      // JSON has no minus zero.
      expect(found.records).toEqual(JSON.parse(JSON.stringify(records)));
    }),
    { numRuns: 40 },
  );
});

test('each broken line is reported with its number, and the sound ones come through', async () => {
  const { records, problems } = await read('{"a":1}\n{"a":NaN}\n{"a":\n[1]\n7\n{}\n{"a":2}\n');
  expect(records).toEqual([{ a: 1 }, { a: 2 }]);
  expect(problems.map(({ at, kind }) => `${at} ${kind}`)).toEqual(['line 2 format', 'line 3 format', 'line 4 format', 'line 5 format', 'line 6 empty']);
  expect(problems[0]?.detail).toContain('NaN');
});

test('a column of mixed types is reported once, at the first record of the rarer type', async () => {
  const { problems } = await read('{"age":1}\n{"age":2}\n{"age":"three"}\n{"age":null}\n{"age":"four"}\n{"age":5}\n');
  expect(problems).toEqual([{ kind: 'type-mixed', file: 'a.jsonl', at: 'line 3', detail: expect.stringContaining('a number in 3, text in 2') as string }]);
});

test('records of another kind, and columns that come too late, are reported by line', async () => {
  const mixed = await read('{"a":1,"b":2}\n{"x":1,"y":2}\n{"a":3,"b":1}\n');
  expect(mixed.problems).toEqual([expect.objectContaining({ kind: 'column-unknown', at: 'line 2' })]);
  const late = await read(`${'{"a":1}\n'.repeat(5000)}{"a":2,"late":3}\n`);
  expect(late.problems).toEqual([expect.objectContaining({ kind: 'column-unknown', at: 'line 5001' })]);
  expect(late.records).toHaveLength(5001);
});

test('lists and objects too deep are refused with words', async () => {
  const { problems } = await read(`{"tags":["x"],"a":1}\n{"tags":[],"a":1}\n${'{"a":'.repeat(12)}1${'}'.repeat(12)}\n`);
  expect(problems.map(({ at, kind }) => `${at} ${kind}`)).toEqual(['line 3 nested', 'line 3 empty', 'line 1 nested']);
});

test('whole numbers that a double cannot hold are reported instead of changed', async () => {
  const { problems } = await read('{"id":9007199254740993}\n{"id":1e300}\n{"id":1152921504606846976}\n');
  expect(problems).toEqual([expect.objectContaining({ kind: 'number-imprecise', at: 'line 1' })]);
});

test('a file of something else ends after the first lines', async () => {
  const { problems, records } = await read('name,age\n'.repeat(10_000));
  expect(records).toEqual([]);
  expect(problems).toHaveLength(101);
  expect(problems.at(-1)).toMatchObject({ kind: 'format', detail: expect.stringContaining('another format') as string });
});

test('lines beyond the limit and lines that are no UTF-8 are left out with their number', async () => {
  const long = JSON.stringify({ a: 'x'.repeat(600_000) });
  const bytes = Buffer.concat([Buffer.from(`{"a":"1"}\n${long}\n{"a":"`), Buffer.from([0xff]), Buffer.from('"}\n{"a":"2"}\n')]);
  const { records, problems } = await read(bytes, { limits: { lineBytesMax: 1000 } });
  expect(records).toEqual([{ a: '1' }, { a: '2' }]);
  expect(problems.map(({ at, kind }) => `${at} ${kind}`)).toEqual(['line 2 too-large', 'line 3 format']);
});

test('whatever the bytes, the readers of lines end with records and problems, never with a crash', async () => {
  const letters = fc.constantFrom('{', '}', '"', ':', ',', '\n', '\r', 'a', '1', 'e9', 'null', '[', ']', '\\u0000', '\ufeff', 'ü');
  const text = fc.array(letters, { maxLength: 80 }).map((parts) => Buffer.from(parts.join('')));
  const bytes = fc.oneof(text, fc.uint8Array({ maxLength: 80 }));
  await fc.assert(
    fc.asyncProperty(bytes, fc.boolean(), async (content, packed) => {
      for (const reader of [readJsonl, readLines]) {
        const { records, numbers } = await read(packed ? gzipSync(content) : content, {}, reader);
        expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
        expect(numbers).toHaveLength(records.length);
      }
    }),
    { numRuns: 150 },
  );
});

test('a damaged archive, one that unpacks to too much and a missing file are problems of the file', async () => {
  const archive = gzipSync('{"a":1}\n'.repeat(1000));
  expect((await read(archive.subarray(0, archive.length - 12))).problems).toEqual([expect.objectContaining({ kind: 'file-unreadable' })]);
  expect((await read(archive, { limits: { fileBytesMax: 100 } })).problems).toEqual([expect.objectContaining({ kind: 'too-large' })]);
  const problems = noProblems();
  await collectRecords(readJsonl(path.join(folder, 'nowhere.jsonl'), { problems }));
  expect(problems.list).toEqual([{ kind: 'file-missing', file: 'nowhere.jsonl', detail: 'there is no such file' }]);
});

test('reading tells how far it is, and ends when it is cancelled', async () => {
  const file = await put('{"a":1}\n'.repeat(200_000));
  const seen: number[] = [];
  const controller = new AbortController();
  const batches: RecordBatch[] = [];
  const reading = async (): Promise<void> => {
    const options = { problems: noProblems(), signal: controller.signal, onProgress: ({ bytes }: { bytes: number }) => seen.push(bytes) };
    for await (const batch of readJsonl(file, options)) {
      batches.push(batch);
      if (seen.length === 2) controller.abort();
    }
  };
  await expect(reading()).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(seen.length).toBeGreaterThanOrEqual(2);
  expect(seen.every((bytes, place) => bytes >= (seen[place - 1] ?? 0))).toBe(true);
  expect(batches.length).toBeLessThan(200_000 / 4096);
});

test('lines of text are records of one column, in UTF-16 as well', async () => {
  const { records, numbers } = await read('\ufeffeins\r\n\r\nzwei', {}, readLines);
  expect([records, numbers]).toEqual([
    [{ text: 'eins' }, { text: 'zwei' }],
    [1, 3],
  ]);
  const wide = await read(Buffer.from('\ufeffgrüß\ndich', 'utf16le'), {}, readLines);
  expect(wide.records).toEqual([{ text: 'grüß' }, { text: 'dich' }]);
});

test('lines come whole wherever the pieces of the file are cut', async () => {
  const lines = Array.from({ length: 60_000 }, (_, line) => `${line} ${'ä'.repeat(line % 17)}`);
  const { records } = await read(lines.join('\n'), {}, readLines);
  expect(records.map(({ text }) => text)).toEqual(lines);
});

test('a folder a class with a text a file gives texts with their labels and paths', async () => {
  const root = path.join(folder, 'texts');
  for (const [file, text] of [
    ['ham/1.txt', 'hello'],
    ['ham/deep/2.txt', 'there'],
    ['spam/1.txt', 'buy'],
    ['spam/2.txt', ' '],
    ['stray.txt', 'x'],
    ['spam/notes.md', 'x'],
  ] as const) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  }
  const problems = noProblems();
  const { records } = await collectRecords(readTextFolder(root, { problems }));
  expect(records).toEqual([
    { text: 'hello', label: 'ham', path: 'ham/1.txt' },
    { text: 'there', label: 'ham', path: 'ham/deep/2.txt' },
    { text: 'buy', label: 'spam', path: 'spam/1.txt' },
  ]);
  expect(problems.list.map(({ kind, file }) => `${kind} ${file}`)).toEqual(['empty spam/2.txt', 'label-missing stray.txt']);
});
