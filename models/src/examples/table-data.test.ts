import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { columns as churnColumns, customers } from './churn/data.ts';
import { columns as fraudColumns, payments } from './fraud/data.ts';
import { applications, columns as loanColumns } from './loan/data.ts';
import { writeTable, type Row } from './table-writer.ts';

const generators = [
  ['churn', customers, churnColumns, 0.1, 0.35],
  ['loan', applications, loanColumns, 0.08, 0.3],
  ['fraud', payments, fraudColumns, 0.002, 0.01],
] as const;

test.each(generators)(
  '%s: equal seeds draw equal rows, a row has every column, and the wanted class is as rare as it should be',
  (_, draw, columns, least, most) => {
    const rows: Row[] = [...draw(20_000, 3)];
    expect(rows).toHaveLength(20_000);
    expect(rows.slice(0, 50)).toEqual([...draw(50, 3)]);
    expect(rows.slice(0, 50)).not.toEqual([...draw(50, 4)]);
    expect(rows.every((row) => row.length === columns.length)).toBe(true);
    const share = rows.filter((row) => row.at(-1) === 'yes').length / rows.length;
    expect(share).toBeGreaterThan(least);
    expect(share).toBeLessThan(most);
  },
);

test('a table is written as a spreadsheet reads it', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-table-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'a.csv');
  await writeTable(
    file,
    ['a', 'b'],
    [
      ['x, y', 1.5],
      ['say "hi"', undefined],
    ],
  );
  expect(await readFile(file, 'utf8')).toBe('a,b\n"x, y",1.5\n"say ""hi""",\n');
});
