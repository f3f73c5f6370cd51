import { columnSummary } from '@serin/protocol/api/datasets';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import type { RecordBatch } from '../records/batch.ts';
import { batchesOf, drawTable, tableSpec, type TextTable } from '../testing/tables.ts';
import { columnSummaries } from './column-summary.ts';
import { inferSchema } from './infer-schema.ts';
import { mergeProfiles, profileRecords } from './profile.ts';
import { summarise, type ColumnProfile, type TableProfile } from './summary.ts';

const profileOf = async (table: TextTable, label?: string): Promise<TableProfile> => summarise(await profileRecords(batchesOf(table)), { label });
const columnOf = (profile: TableProfile, name: string): ColumnProfile => profile.columns.find((column) => column.name === name) as ColumnProfile;
const single = (cells: readonly string[]): TextTable => ({ names: ['x'], rows: cells.map((cell) => [cell]) });

test.each([
  ['integer', ['1', '-2', '30', 'NA']],
  ['number', ['1', '2.5', '1e3', '']],
  ['boolean', ['true', 'False', 'no', 'yes']],
  ['time', ['2025-01-01', '2025-01-02T10:00:00Z', '2025/03/04', '31.12.2025']],
  ['category', ['a', 'b', 'a', 'b']],
  ['category', ['01234', '90210', '01234', '90210']],
  ['text', ['one thing', 'another', 'a third', 'more']],
])('a column is %s when its cells look like %j', async (type, cells) => {
  expect((await profileOf(single(cells))).columns[0]?.type).toBe(type);
});

test('a column of numbers says how they lie, whatever few values it has', async () => {
  const { numbers, missing, distinct, votes } = columnOf(await profileOf(single(['3', '1', '?', '2', '2', 'oops', '4'])), 'x');
  expect(numbers).toMatchObject({ count: 5, min: 1, max: 4, mean: expect.closeTo(2.4, 9), lowest: [{ value: 1, place: [0, 3] }, {}, {}, {}, {}] });
  expect(numbers?.deviation).toBeCloseTo(Math.sqrt(1.3));
  expect(numbers?.quantiles[3]).toBe(2);
  expect(missing).toEqual({ count: 1, places: [[0, 4]] });
  expect(votes.text).toEqual({ count: 1, places: [[0, 7]] });
  expect(distinct).toBe(5);
});

test('moments, quantiles and counts do not depend on whether values were few enough to be kept', async () => {
  const random = seededRandom('moments');
  const values = Array.from({ length: 6000 }, () => (1e6 + random.normal()).toFixed(3));
  const { numbers, distinct, distinctExact } = columnOf(await profileOf(single(values)), 'x');
  const mean = values.reduce((sum, value) => sum + Number(value), 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (Number(value) - mean) ** 2, 0) / (values.length - 1));
  expect(numbers?.mean).toBeCloseTo(mean, 6);
  expect(numbers?.deviation).toBeCloseTo(deviation, 6);
  expect(numbers?.counts.reduce((sum, count) => sum + count, 0)).toBe(6000);
  expect(distinctExact).toBe(false);
  expect(Math.abs(distinct / new Set(values).size - 1)).toBeLessThan(0.05);
});

test('profiles of parts merge into that of the whole', async () => {
  const cell = fc.constantFrom('1', '2.5', '', 'NA', 'red', 'blue', 'true', '2025-01-01', '2025-02-01', 'Ã©', '007', 'inf');
  const tables = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 30 }).map((rows): TextTable => ({ names: ['a', 'b'], rows }));
  await fc.assert(
    fc.asyncProperty(tables, tables, async (one, other) => {
      const both = async function* (): AsyncGenerator<RecordBatch> {
        yield* batchesOf(one, 'one.csv');
        yield* batchesOf(other, 'other.csv');
      };
      const whole = summarise(await profileRecords(both()));
      const merged = summarise(mergeProfiles(await profileRecords(batchesOf(one, 'one.csv')), await profileRecords(batchesOf(other, 'other.csv'))));
      const round = (key: string, value: unknown): unknown => (key === 'mean' || key === 'deviation' ? Number((value as number).toPrecision(9)) : value);
      expect(JSON.parse(JSON.stringify(merged, round))).toEqual(JSON.parse(JSON.stringify(whole, round)));
    }),
    { numRuns: 60 },
  );
});

test('parts that outgrew their values merge too, and a profile can be sent to another thread', async () => {
  const part = async (seed: string, rows: number) => structuredClone(await profileRecords(batchesOf(drawTable(seed, rows), `${seed}.csv`)));
  const merged = summarise(mergeProfiles(await part('large', 4000), await part('small', 500)), { label: tableSpec.label });
  expect(merged.rows).toBe(4500);
  expect(merged.files.map(({ name, rows }) => [name, rows])).toEqual([
    ['large.csv', 4000],
    ['small.csv', 500],
  ]);
  const amount = columnOf(merged, 'amount');
  expect(amount.numbers?.count).toBe(4500);
  expect(amount.numbers?.counts.reduce((sum, count) => sum + count, 0)).toBe(4500);
  expect(columnOf(merged, 'shop').values?.reduce((sum, { count }) => sum + count, 0)).toBe(4500);
});

test('rows are the same whatever the order of their columns', async () => {
  const one: TextTable = { names: ['a', 'b'], rows: [['1', '2']] };
  const other: TextTable = { names: ['b', 'a'], rows: [['2', '1']] };
  const both = async function* (): AsyncGenerator<RecordBatch> {
    yield* batchesOf(one, 'one.csv');
    yield* batchesOf(other, 'other.csv');
  };
  expect(summarise(await profileRecords(both())).copies).toEqual({ count: 1, exact: true, places: [[1, 2]] });
});

test('the summary is what the API shows, and tells which columns say something about the label', async () => {
  const profile = await profileOf(drawTable('summary', 2000), tableSpec.label);
  const shown = columnSummaries(profile, inferSchema(profile, { spec: tableSpec }));
  for (const column of shown) expect(columnSummary.safeParse(column).error).toBeUndefined();
  const association = (name: string): number => shown.find((column) => column.name === name)?.association ?? -1;
  expect(association('score')).toBeGreaterThan(0.4);
  expect(association('channel')).toBeLessThan(0.1);
  expect(association('tier')).toBe(-1);
  expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
});

test('a profile can be cancelled, and says how far it is', async () => {
  const controller = new AbortController();
  const seen: number[] = [];
  const onRows = (rows: number): void => {
    seen.push(rows);
    if (rows >= 2000) controller.abort();
  };
  await expect(profileRecords(batchesOf(drawTable('cancel', 5000)), { signal: controller.signal, onRows })).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(seen).toEqual([1000, 2000]);
});
