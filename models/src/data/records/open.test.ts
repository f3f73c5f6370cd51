import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { noProblems } from '../problems.ts';
import { findRenamed, formatOfContent, formatOfName, openRecords, type OpenRecordsOptions, type SetProgress } from './open.ts';
import { collectRecords } from './testing/collect.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-open-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(files: Readonly<Record<string, string | Uint8Array>>, options: Partial<OpenRecordsOptions> = {}) {
  const problems = noProblems();
  const list = Object.keys(files).map((name) => path.join(folder, name));
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  const found = await collectRecords(openRecords(list, { problems, ...options }));
  return { ...found, problems: problems.list };
}

test('files of one set may be of several formats and packed; each is read by its name', async () => {
  const parquet = new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'b', data: ['p'], type: 'STRING' },
        { name: 'a', data: [4], type: 'INT32' },
      ],
    }),
  );
  const { records, problems } = await read({
    '1.csv': 'a,b\n1,x\n',
    '2.csv.gz': gzipSync('a,b\n2,y\n'),
    '3.jsonl': '{"b":"z","a":3}\n',
    '4.parquet': parquet,
  });
  expect(problems).toEqual([]);
  expect(records).toEqual([
    { a: '1', b: 'x' },
    { a: '2', b: 'y' },
    { a: 3, b: 'z' },
    { a: 4, b: 'p' },
  ]);
});

test('a name that says nothing is no hindrance: the content decides', () => {
  expect(['a.csv', 'A.TSV.GZ', 'a.ndjson', 'a.pq', 'a.txt', 'a.dat'].map(formatOfName)).toEqual(['csv', 'csv', 'jsonl', 'parquet', 'lines', undefined]);
  const of = (text: string): string => formatOfContent(new TextEncoder().encode(text));
  expect(['PAR1...', '\ufeff\n {"a":1}', 'a;b\n1;2', 'just words\nand, words'].map(of)).toEqual(['parquet', 'jsonl', 'csv', 'lines']);
});

test('columns that are missing, new or renamed are reported once a file, and its records come in the columns of the set', async () => {
  const { records, problems } = await read({
    '1.csv': 'age,income,job\n30,1,x\n',
    '2.csv': 'Age,income,job\n31,2,y\n',
    '3.csv': 'age,job\n32,z\n33,z\n',
    '4.csv': 'job,age,income,extra\nw,34,4,1\n',
    '5.csv': 'age,revenue,job\n35,5,v\n',
  });
  expect(problems.map(({ kind, file }) => `${file} ${kind}`)).toEqual([
    '2.csv column-renamed',
    '3.csv column-missing',
    '4.csv column-unknown',
    '5.csv column-renamed',
  ]);
  expect(problems[0]?.detail).toBe('the column age of 1.csv is called Age here');
  expect(records.map((record) => Object.keys(record).join())).toEqual(Array.from({ length: 6 }, () => 'age,income,job'));
  expect(records[4]).toEqual({ age: '34', income: '4', job: 'w' });
  expect(records[2]).toEqual({ age: '32', income: null, job: 'z' });
});

test('given columns are what every file is held against', async () => {
  const { problems } = await read({ '1.csv': 'a,c\n1,2\n' }, { columns: ['a', 'b', 'd'] });
  expect(problems.map(({ kind, detail }) => `${kind}: ${detail}`)).toEqual([
    'column-missing: it lacks b, d, which the schema has; it has a, c',
    'column-unknown: it has c, which the schema lacks',
  ]);
});

test('whatever is renamed was missing and is new, and the same names are never renamed', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[A-Za-z_]{1,6}$/), { maxLength: 8 });
  fc.assert(
    fc.property(names, names, (expected, found) => {
      const missing = expected.filter((name) => !found.includes(name));
      const extra = found.filter((name) => !expected.includes(name));
      for (const [from, to] of findRenamed(missing, extra, expected, found)) {
        expect(missing).toContain(from);
        expect(extra).toContain(to);
      }
    }),
  );
});

test('a file that is missing does not keep the others from being read; no file at all is a problem', async () => {
  const problems = noProblems();
  await writeFile(path.join(folder, 'there.csv'), 'a,b\n1,2\n');
  const { records } = await collectRecords(openRecords([path.join(folder, 'gone'), path.join(folder, 'there.csv')], { problems }));
  expect(records).toHaveLength(1);
  expect(problems.list).toEqual([expect.objectContaining({ kind: 'file-missing', file: 'gone' })]);
  expect((await read({})).problems).toEqual([expect.objectContaining({ kind: 'empty' })]);
});

test('progress counts bytes over all files and ends with their sum', async () => {
  const seen: SetProgress[] = [];
  const content = `a\n${'1\n'.repeat(500_000)}`;
  await read({ 'x.csv': content, 'y.csv': content }, { onProgress: (progress) => seen.push(progress), format: 'csv' });
  const bytes = seen.map((progress) => progress.bytes);
  expect(bytes).toEqual([...bytes].sort((one, other) => one - other));
  expect(bytes.at(-1)).toBe(2 * content.length);
});
