import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import type { Table } from '../data/table.ts';
import { runModel } from '../onnx/session.ts';
import { featuresOf } from './feature-matrix.ts';
import { contributionImportance } from './importance.ts';
import { blocksOf, readPage, snippetsMissing } from '../testing/page.ts';
import { documented } from './testing/documented.ts';

test('every snippet of the page on tables is code that compiles and runs', async () => {
  const page = await readPage('tables.md');
  expect(blocksOf(page, 'ts').length).toBeGreaterThan(3);
  expect(await snippetsMissing(page, new URL('testing/documented.ts', import.meta.url))).toEqual([]);
});

/** The old and those without work say yes more often. */
function people(rows: number, seed: string): { table: Table; labels: Float64Array } {
  const random = seededRandom(seed);
  const age = Float64Array.from({ length: rows }, () => random.between(18, 90));
  const codes = Int32Array.from({ length: rows }, () => random.integer(4) - 1);
  const labels = Float64Array.from(age, (years, row) => (random.uniform() < 1 / (1 + Math.exp(-(years - 60) / 8 - (codes[row] === 2 ? 2 : 0))) ? 1 : 0));
  return {
    table: {
      rows,
      columns: [
        { kind: 'number', name: 'age', values: age },
        { kind: 'category', name: 'work', levels: ['office', 'field', 'none'], codes },
      ],
    },
    labels,
  };
}

test('what the page on tables shows learns, explains itself and answers as one graph', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'serin-documented-'));
  const lines: string[] = [];
  const train = people(2000, 'train');
  const { trained, combined } = await documented(train, people(800, 'validation'), folder, (line) => lines.push(line));
  await rm(folder, { recursive: true });
  expect(trained.stopped).toBe('early');
  expect(lines.some((line) => /\d: work is none$/.test(line))).toBe(true);
  expect(lines.some((line) => /\d: age is 71$/.test(line))).toBe(true);
  const answers = await runModel(combined, new Map([['features', { type: 'float32', dims: [2, 2], data: Float32Array.of(85, 2, 20, 0) }]]));
  const [, old = 0, , young = 1] = Array.from(answers.get('probabilities')?.data as Float32Array);
  expect(old).toBeGreaterThan(0.9);
  expect(young).toBeLessThan(0.1);
  const matters = contributionImportance(
    trained.ensemble,
    featuresOf(train.table, [
      { kind: 'number', name: 'age' },
      { kind: 'category', name: 'work', levels: ['office', 'field', 'none'] },
    ]),
    100,
  );
  expect(matters.map(({ name }) => name)).toEqual(['age', 'work']);
  expect(matters[0]?.contribution).toBeGreaterThan(0.5);
});
