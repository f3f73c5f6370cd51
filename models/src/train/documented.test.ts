import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';

import { documented } from './testing/documented.ts';

const squeezed = (code: string): string => code.replaceAll(/^\s+|\s+$/gm, '').replaceAll('\n', ' ');
const textOf = (file: string): Promise<string> => readFile(new URL(file, import.meta.url), 'utf8');

test('every snippet of the page on training is code that compiles and runs', async () => {
  const page = await textOf('../../../docs/training.md');
  const snippets = [...page.matchAll(/```ts\n(.*?)```/gs)].map((match) => squeezed(match[1] ?? ''));
  const code = squeezed(`${await textOf('testing/documented.ts')}\n${await textOf('testing/quadrants.ts')}`);
  expect(snippets.length).toBeGreaterThan(5);
  for (const snippet of snippets) expect(code).toContain(snippet);
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
