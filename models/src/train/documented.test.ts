import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';

import { blocksOf, readPage, snippetsMissing } from '../testing/page.ts';
import { documented } from './testing/documented.ts';

test('every snippet of the page on training is code that compiles and runs', async () => {
  const page = await readPage('training.md');
  expect(blocksOf(page, 'ts').length).toBeGreaterThan(5);
  expect(await snippetsMissing(page, new URL('testing/documented.ts', import.meta.url), new URL('testing/quadrants.ts', import.meta.url))).toEqual([]);
});

test('what the page on training shows learns, and gives the same weights however it runs', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'serin-documented-'));
  const lines: string[] = [];
  const [trained, overlapped, durable, best] = await documented(folder, (line) => lines.push(line));
  expect(overlapped?.digest).toBe(trained?.digest);
  expect(durable?.digest).toBe(trained?.digest);
  expect(best?.best?.value).toBeGreaterThan(0.8);
  expect(trained?.loss).toBeLessThan((trained?.history[0]?.loss ?? 0) / 2);
  expect(lines).toContain(`weights ${trained?.digest}`);
  await rm(folder, { recursive: true });
});
