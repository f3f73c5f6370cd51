import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { writeTable } from '../table-writer.ts';
import { drawPosts, postColumns } from './data.ts';
import { readPosts } from './read-posts.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-posts-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the same seed draws the same posts, all of them called synthetic', () => {
  const posts = drawPosts(300, 1);
  expect(posts).toEqual(drawPosts(300, 1));
  expect(posts).not.toEqual(drawPosts(300, 2));
  expect(posts.every(({ id }) => id.startsWith('synthetic-'))).toBe(true);
  expect(new Set(posts.map(({ target }) => target)).size).toBe(2);
});

test('posts are read from a file as they were written', async () => {
  const posts = drawPosts(200, 3);
  const file = path.join(folder, 'posts.csv');
  await writeTable(
    file,
    postColumns,
    posts.map(({ id, keyword, location, text, target }) => [id, keyword, location, text, target]),
  );
  expect(await readPosts(file)).toEqual(posts);
});

test('rows that cannot be learnt from are named, all at once', async () => {
  const file = path.join(folder, 'wrong.csv');
  await writeFile(file, 'id,keyword,location,text,target\n1,,,a post,1\n2,,,another,maybe\n3,,,,0\n4,,,a third,\n');
  await expect(readPosts(file)).rejects.toMatchObject({ code: 'TRAINING_DATA_INVALID', total: 3 });
  await expect(readPosts(file)).rejects.toThrow(/row 3.*target is "maybe"[^]*row 4.*text is empty[^]*row 5.*target is empty/);
});

test('a file without the columns is refused by their names', async () => {
  const file = path.join(folder, 'columns.csv');
  await writeFile(file, 'id,message\n1,a post\n');
  await expect(readPosts(file)).rejects.toThrow(/no column text[^]*no column target/);
});
