import { appendFile, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { matchesGlob } from './glob.ts';
import { readSource } from './read-source.ts';
import type { ReadSourceOptions, SourceCursor } from './source.ts';
import { isLater } from './sql.ts';

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'serin-settle-'));
  folder = path.join(root, 'from');
  await mkdir(folder);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const now = 2_000_000_000_000;
const read = (cursor: SourceCursor = null, options: Partial<ReadSourceOptions> = {}, pattern?: string) =>
  readSource({ kind: 'folder', path: folder, ...(pattern === undefined ? {} : { pattern }) }, cursor, {
    into: path.join(root, 'into'),
    secrets: () => undefined,
    now: () => now,
    ...options,
  });
async function put(name: string, content: string, ageMs: number): Promise<void> {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
  await utimes(file, (now - ageMs) / 1000, (now - ageMs) / 1000);
}

test('a file is taken once it has been left alone: by its age, or when it looks as it did at the last read', async () => {
  await put('old.csv', 'old', 60_000);
  await put('fresh.csv', 'half', 100);
  const first = await read();
  expect(first.files.map(({ name }) => name)).toEqual(['old.csv']);
  expect(first.words).toContain('1 file waits');
  // Still being written.
  await put('fresh.csv', 'half and more', 50);
  const second = await read(first.cursor);
  expect(second.files).toEqual([]);
  const third = await read(JSON.parse(JSON.stringify(second.cursor)) as SourceCursor);
  expect(third.files.map(({ name }) => name)).toEqual(['fresh.csv']);
  expect(await readFile(third.files[0]?.file ?? '', 'utf8')).toBe('half and more');
  expect((await read(third.cursor)).files).toEqual([]);
});

test('a file that was only touched is not taken again', async () => {
  await put('a.csv', 'same', 60_000);
  const { cursor } = await read();
  await put('a.csv', 'same', 30_000);
  const again = await read(cursor);
  expect(again.files).toEqual([]);
  expect((await read(again.cursor)).words).toBe('Nothing new among 1 file.');
});

test('one file that shrank holds the read back', async () => {
  await put('a.csv', 'a long content', 60_000);
  await put('b.csv', 'b', 60_000);
  const { cursor } = await read();
  await put('a.csv', 'a', 30_000);
  expect(await read(cursor)).toMatchObject({ files: [], findings: [{ kind: 'shrunk', words: expect.stringContaining('a.csv') as string }] });
});

test('links that lead out of the folder, hidden files and what the pattern leaves out are not taken', async () => {
  await writeFile(path.join(root, 'secret.csv'), 'secret');
  await put('in/a.csv', 'a', 60_000);
  await put('in/b.txt', 'b', 60_000);
  await put('.hidden.csv', 'h', 60_000);
  await symlink(path.join(root, 'secret.csv'), path.join(folder, 'link.csv'));
  await symlink(path.join(folder, 'in', 'a.csv'), path.join(folder, 'inner.csv'));
  const { files } = await read(null, {}, '*.csv');
  expect(files.map(({ name }) => name).sort()).toEqual(['in/a.csv', 'inner.csv']);
});

test('a folder that is not there is an error, not an empty source', async () => {
  await rm(folder, { recursive: true });
  await expect(read()).rejects.toMatchObject({ code: 'SOURCE_FAILED', detail: expect.stringContaining(`there is no folder ${folder}`) as string });
});

test('a file that is written to while it is read waits for the next read', async () => {
  await put('a.csv', 'x'.repeat(600_000), 60_000);
  let grown = Promise.resolve();
  const first = await read(null, {
    onProgress: ({ bytes }) => {
      if (bytes < 300_000) grown = appendFile(path.join(folder, 'a.csv'), 'more');
    },
  });
  await grown;
  expect(first.files).toEqual([]);
  expect(first.words).toContain('waits');
});

test('patterns: a star stays in a folder, two go through', () => {
  const matching = (pattern: string, paths: string[]): string[] => paths.filter(matchesGlob(pattern));
  const paths = ['a.csv', 'b.CSV', 'x/a.csv', 'x/y/a.csv', 'x/y/b.csv.gz', 'a+b.csv', '{a}.csv'];
  expect(matching('*.csv', paths)).toEqual(['a.csv', 'x/a.csv', 'x/y/a.csv', 'a+b.csv', '{a}.csv']);
  expect(matching('x/*.csv', paths)).toEqual(['x/a.csv']);
  expect(matching('x/**', paths)).toEqual(['x/a.csv', 'x/y/a.csv', 'x/y/b.csv.gz']);
  expect(matching('**/?.csv{,.gz}', paths)).toEqual(['a.csv', 'x/a.csv', 'x/y/a.csv', 'x/y/b.csv.gz']);
  expect(matching('a+b.csv', paths)).toEqual(['a+b.csv']);
});

test('of two values of a cursor the later is known: whole numbers by value however long, times by their letters', () => {
  const later: [string, string][] = [
    ['10', '9'],
    ['9007199254740993', '9007199254740992'],
    ['-1', '-2'],
    ['2.5', '2.25'],
    ['2026-01-02 00:00:00+00', '2026-01-01 23:59:59.999999+00'],
    ['2026-01-01 10:00:00.5+00', '2026-01-01 10:00:00+00'],
  ];
  for (const [one, other] of later) expect([one, isLater(one, other), isLater(other, one), isLater(one, one)]).toEqual([one, true, false, false]);
});
