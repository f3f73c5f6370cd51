import { tableSchema, type TableSchema } from '@serin/protocol/table-schema';
import { expect, test } from 'vitest';

import { noProblems } from '../problems.ts';
import { batchesOf, drawTable, tableSpec, type TextTable } from '../testing/tables.ts';
import { inferSchema } from './infer-schema.ts';
import { loadTable, splitNames, type LoadOptions } from './load-table.ts';
import { profileRecords } from './profile.ts';
import { parseSchema } from './schema.ts';
import { summarise } from './summary.ts';

const schemaOf = (...columns: readonly object[]): TableSchema => tableSchema.parse({ v: 1, columns });
const feature = (name: string, type: string, more: object = {}): object => ({ name, type, role: 'feature', ...more });

async function load(table: TextTable, schema: TableSchema, options: Partial<LoadOptions> = {}) {
  const problems = noProblems();
  return { ...(await loadTable(batchesOf(table, 'a.csv', 3), schema, { problems, ...options })), problems: problems.list };
}

const label = { name: 'y', type: 'category', role: 'label', required: true, levels: ['no', 'yes'] };

test('records become columns of numbers, levels and texts, with NaN, -1 and undefined for what is missing', async () => {
  const table: TextTable = {
    names: ['n', 'c', 't', 'y', 'extra'],
    rows: [
      ['1', 'red', 'one', 'yes', 'x'],
      ['NA', ' blue ', '', 'no', 'x'],
      ['2.5', '', 'two', 'yes', 'x'],
      ['-1e2', 'red', 'three', 'no', 'x'],
    ],
  };
  const {
    table: loaded,
    labels,
    numbers,
    problems,
  } = await load(table, schemaOf(feature('n', 'number'), feature('c', 'category'), feature('t', 'text'), label));
  expect(problems).toEqual([]);
  expect(loaded).toEqual({
    rows: 4,
    columns: [
      { kind: 'number', name: 'n', values: Float64Array.of(1, Number.NaN, 2.5, -100) },
      { kind: 'category', name: 'c', levels: ['blue', 'red'], codes: Int32Array.of(1, 0, -1, 1) },
      { kind: 'text', name: 't', values: ['one', undefined, 'two', 'three'] },
    ],
  });
  expect(labels).toEqual({ kind: 'classes', levels: ['no', 'yes'], codes: Int32Array.of(1, 0, 1, 0) });
  expect([...numbers]).toEqual([2, 3, 4, 5]);
});

test('whatever cannot be used is said by its file and row, all at once, and its record left out', async () => {
  const table: TextTable = {
    names: ['n', 'c', 'y'],
    rows: [
      ['one', 'red', 'yes'],
      ['2', 'mauve', 'NaN'],
      ['3', 'red', 'perhaps'],
      ['4.5', 'red', 'yes'],
      ['inf', 'red', 'yes'],
      ['6', 'red', 'no'],
    ],
  };
  const { table: loaded, problems } = await load(table, schemaOf(feature('n', 'integer'), feature('c', 'category', { levels: ['red'] }), label));
  expect(problems.map(({ file, at, kind, detail }) => `${file} ${at} ${kind}: ${detail}`)).toEqual([
    'a.csv row 2 value-invalid: n is "one", no whole number',
    'a.csv row 3 value-unseen: c is "mauve", none of its 1 levels',
    'a.csv row 3 label-missing: y is missing',
    'a.csv row 4 label-unknown: y is "perhaps", none of its 2 levels',
    'a.csv row 5 value-invalid: n is "4.5", no whole number',
    'a.csv row 6 value-invalid: n is "inf", not finite',
  ]);
  expect(loaded.columns[0]).toMatchObject({ values: Float64Array.of(6) });
});

test('a level that was merely not seen before counts as missing, with a note', async () => {
  const table: TextTable = {
    names: ['c', 'y'],
    rows: [
      ['red', 'yes'],
      ['mauve', 'no'],
    ],
  };
  const { table: loaded, notes, problems } = await load(table, schemaOf(feature('c', 'category', { levels: ['red'], closed: false }), label));
  expect(problems).toEqual([]);
  expect(loaded.columns[0]).toMatchObject({ codes: Int32Array.of(0, -1) });
  expect(notes).toEqual(['1 value of c of no known level count as missing']);
});

test('a missing column is a problem of its file, and no usable record is one too', async () => {
  const absent = await load({ names: ['y'], rows: [['yes']] }, schemaOf(feature('n', 'number'), label));
  expect(absent.problems).toMatchObject([{ kind: 'column-missing', file: 'a.csv' }]);
  expect((await load({ names: ['n', 'y'], rows: [] }, schemaOf(feature('n', 'number'), label))).problems).toMatchObject([{ kind: 'empty' }]);
});

test('patterns and required values are held', async () => {
  const table: TextTable = {
    names: ['c', 'y'],
    rows: [
      ['a1', 'yes'],
      ['', 'yes'],
      ['b', 'no'],
    ],
  };
  const { problems } = await load(table, schemaOf(feature('c', 'text', { pattern: String.raw`[a-z]\d`, required: true }), label));
  expect(problems.map(({ at, kind }) => `${at} ${kind}`)).toEqual(['row 3 value-invalid', 'row 4 value-invalid']);
});

test('a number is a label too', async () => {
  const { labels } = await load(
    {
      names: ['n', 'y'],
      rows: [
        ['1', '2.5'],
        ['2', '4'],
      ],
    },
    schemaOf(feature('n', 'number'), { name: 'y', type: 'number', role: 'label' }),
  );
  expect(labels).toEqual({ kind: 'number', values: Float64Array.of(2.5, 4) });
});

test('a record keeps its split whatever comes beside it; groups and equal records stay on one side', async () => {
  const group = { name: 'g', type: 'text', role: 'group' };
  const rows = Array.from({ length: 400 }, (_, row) => [String(row % 50), String(row % 3), row % 2 === 0 ? 'yes' : 'no']);
  const grouped = await load({ names: ['g', 'n', 'y'], rows }, schemaOf(group, feature('n', 'number'), label));
  const bySplit = new Map<string, Set<number>>();
  rows.forEach(([g], at) => bySplit.set(g as string, (bySplit.get(g as string) ?? new Set()).add(grouped.splits[at] as number)));
  expect([...bySplit.values()].every((splits) => splits.size === 1)).toBe(true);

  const plain = schemaOf(feature('n', 'number'), label);
  const content = Array.from({ length: 300 }, (_, row) => [String(row % 100), 'yes']);
  const { splits } = await load({ names: ['n', 'y'], rows: content }, plain);
  expect(splits.slice(0, 100)).toEqual(splits.slice(100, 200));
  expect(new Set(splits).size).toBe(splitNames.length);
  const later = await load({ names: ['n', 'y'], rows: content.slice(40) }, plain);
  expect(later.splits).toEqual(splits.slice(40));
});

test('limits and cancellation hold', async () => {
  const table: TextTable = { names: ['n', 'y'], rows: Array.from({ length: 10 }, (_, row) => [String(row), 'yes']) };
  const schema = schemaOf(feature('n', 'number'), label);
  await expect(load(table, schema, { limits: { rows: 5 } })).rejects.toMatchObject({ code: 'TRAINING_DATA_INVALID' });
  await expect(load(table, schema, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('a schema is inferred with the roles people would give, survives its file, and declared columns stay as they are', async () => {
  const profile = summarise(await profileRecords(batchesOf(drawTable('infer', 1000))), { label: tableSpec.label });
  const schema = inferSchema(profile, { spec: { label: tableSpec.label } });
  const column = (name: string) => schema.columns.find((one) => one.name === name);
  expect(parseSchema(JSON.stringify(schema))).toEqual(schema);
  expect(column('order_id')).toMatchObject({ role: 'ignored' });
  expect(column('placed_at')).toMatchObject({ role: 'time', type: 'time', ordered: true });
  expect(column('tier')).toMatchObject({ role: 'label', required: true, closed: true, levels: expect.arrayContaining(['gold', 'silver', 'bronze']) });
  expect(column('items')).toMatchObject({ role: 'feature', type: 'integer' });
  expect(column('colour')).toMatchObject({ role: 'feature', type: 'category', closed: false });
  expect(column('note')).toMatchObject({ role: 'feature', type: 'text' });
  expect(column('discount')?.missingMax).toBeGreaterThan(0.15);
  expect(column('discount')?.missingMax).toBeLessThan(0.25);
  const { min = 0, max = 0 } = column('temperature_c') ?? {};
  expect([min < -10, min > -100, max > 46, max < 140]).toEqual([true, true, true, true]);
  const declared = { ...feature('items', 'number', { min: 1, max: 5 }), required: true, unique: false, ordered: false } as TableSchema['columns'][number];
  expect(inferSchema(profile, { declared: [declared] }).columns.find(({ name }) => name === 'items')).toEqual(declared);
});

test.each([
  ['{', 'not JSON'],
  ['{"v":2,"columns":[]}', 'v'],
  ['{"v":1,"columns":[{"name":"a","type":"number","role":"feature","maximum":3}]}', 'maximum'],
  [
    '{"v":1,"columns":[{"name":"a","type":"number","role":"label","min":3,"max":1},{"name":"a","type":"text","role":"label","pattern":"("}]}',
    'min 3 above max 1; a is there twice; a has a pattern',
  ],
])('the schema %s is refused with %s', (text, words) => expect(() => parseSchema(text)).toThrow(words));
