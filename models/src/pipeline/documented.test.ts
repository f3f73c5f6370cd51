import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, test } from 'vitest';

import { reportPath, type Report } from '@serin/protocol/bundle/report';
import { checkPipeline, pipelineSchema } from '@serin/protocol/pipeline-file';

import { blocksOf, readPage, snippetsMissing } from '../testing/page.ts';
import { stageTable } from './stages/table.ts';
import { customers, workshop } from './testing/data.ts';
import { documented } from './testing/documented.ts';
import { fieldRows } from './testing/field-rows.ts';

const page = await readPage('pipelines.md');

test('the table of fields on the page is that of the schema, with what is usual', () => {
  const rows = [...page.matchAll(/^(\| `[^\n]*)$/gm)].map(([row]) => row);
  const told = rows.slice(rows.findIndex((row) => row.startsWith('| `$schema`')));
  const wanted = fieldRows(pipelineSchema() as never).map(({ path: field, what, usual }) => `| \`${field}\` | ${what} | ${usual} |`);
  expect(told.map((row, place) => row.slice(0, wanted[place]?.length))).toEqual(wanted);
});

test('the table of stages on the page names every stage, in order', () => {
  const start = page.indexOf('## Stages');
  const named = [...page.slice(start, page.indexOf('**Split.**')).matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  expect(named).toEqual(stageTable.map(({ name }) => name));
});

test('the pipeline and the code on the page run', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(2500));
  const [whole = '', search = ''] = blocksOf(page, 'json');
  const declared = JSON.parse(whole) as Record<string, unknown>;
  checkPipeline({ ...declared, ...(JSON.parse(`{${search}}`) as object) });
  expect(await snippetsMissing(page, new URL('testing/documented.ts', import.meta.url))).toEqual([]);
  const lines: string[] = [];
  const report = await documented(declared, folder, (line) => lines.push(line));
  expect(report.gate?.checks.filter(({ passed }) => !passed)).toEqual([]);
  expect(lines.join('\n')).toContain('train done');
  expect(await readdir(folder)).toContain('model.fp32.onnx');
  // A mistake that costs five times as much moves the threshold below a half.
  expect(report.metrics['threshold']).toBeLessThan(0.4);
  const told = JSON.parse(await readFile(path.join(folder, reportPath), 'utf8')) as Report;
  expect(told.costs).toMatchObject({ unit: 'EUR', positive: 'yes' });
});
