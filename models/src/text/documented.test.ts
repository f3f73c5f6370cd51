import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { seededRandom } from '@serin/inference/random';
import { expect, test } from 'vitest';

import { blocksOf, readPage, snippetsMissing } from '../testing/page.ts';
import { documented } from './testing/documented.ts';

test('every snippet of the page on texts is code that compiles and runs', async () => {
  const page = await readPage('text.md');
  expect(blocksOf(page, 'ts').length).toBeGreaterThan(4);
  expect(await snippetsMissing(page, new URL('testing/documented.ts', import.meta.url))).toEqual([]);
});

test('what the page on texts shows learns, judges, explains and is written', async () => {
  const random = seededRandom('page');
  const words = [
    ['lunch', 'noon', 'meeting', 'notes', 'report', 'friday'],
    ['won', 'prize', 'claim', 'money', 'free', 'offer'],
  ];
  const shared = ['you', 'your', 'the', 'now', 'have', 'a', 'please', 'here', 'today', 'we'];
  const labels = Int32Array.from({ length: 240 }, () => random.integer(2));
  const line = (label: number, length: number): string =>
    Array.from({ length }, () => {
      const list = random.uniform() < 0.4 ? (words[label] ?? []) : shared;
      return list[random.integer(list.length)];
    }).join(' ');
  const texts = Array.from(labels, (label) => ({ subject: line(label, 3), body: line(label, 12) }));
  const folder = await mkdtemp(path.join(os.tmpdir(), 'serin-documented-text-'));
  const said: string[] = [];
  try {
    const { figures, explanation, exact } = await documented(texts, labels, path.join(folder, 'version'), (one) => said.push(one));
    expect(figures.accuracy?.value).toBeGreaterThan(0.9);
    expect(explanation.probability).toBeGreaterThan(0.5);
    expect(explanation.words.length).toBe(7);
    expect(exact.score).toBeGreaterThan(0);
    expect(said.some((one) => one.includes('prize +'))).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});
