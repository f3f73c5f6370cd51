import { anomaly } from '@serin/protocol/api/datasets';
import { seededRandom } from '@serin/inference/random';
import { beforeAll, describe, expect, test } from 'vitest';

import { addProblem, noProblems } from '../problems.ts';
import { corruptions, inject, isFound, judge, judgeClean, learnFrom, type Known } from '../testing/corruptions.ts';
import { batchesOf, copyTable, drawTable, orderColumns, tableSpec, type TextTable } from '../testing/tables.ts';
import { anomaliesOfProblems, anomalyKinds, anomalyOf } from './anomalies.ts';
import { inferSchema } from './infer-schema.ts';
import { profileRecords } from './profile.ts';
import { splitLeakage } from './split-leakage.ts';
import { summarise } from './summary.ts';
import { validate } from './validate.ts';

const rows = 1200;

describe('what is wrong is found, and nothing beside it', () => {
  test.each(corruptions.map((corruption) => [corruption.name, corruption] as const))('%s', async (_, corruption) => {
    const found = await inject(corruption, 1, rows);
    expect(isFound(corruption, found)).toBe(true);
    expect(found.map(({ kind, column }) => [kind, column])).toEqual([[corruption.kind, corruption.column]]);
    for (const one of found) {
      expect(anomaly.safeParse(one).success).toBe(true);
      expect(one.words.length).toBeGreaterThan(30);
    }
  });

  test('every kind of anomaly is among them, but for what two sides of a split share', () => {
    expect(new Set(corruptions.map(({ kind }) => kind))).toEqual(new Set(Object.keys(anomalyKinds).filter((kind) => kind !== 'split-leak')));
  });
});

test('good records raise no alarm: 20 pairs of sets of one kind, from 40 records to 4,000', async () => {
  const alarms = await Promise.all(Array.from({ length: 20 }, (_, seed) => judgeClean(seed)));
  expect(alarms.flat()).toEqual([]);
});

describe('held against what good records taught', () => {
  let known: Known;
  let good: TextTable;
  beforeAll(async () => {
    good = drawTable('held', rows);
    known = await learnFrom(good);
  });

  test('what is wrong is said with its file and rows, all at once and errors first', async () => {
    const bad = copyTable(drawTable('bad', rows, rows));
    const set = (row: number, column: (typeof orderColumns)[number], cell: string): void =>
      void ((bad.rows[row] as string[])[orderColumns.indexOf(column)] = cell);
    set(4, 'age', 'forty');
    set(9, 'age', 'old');
    set(2, 'tier', '');
    for (let row = 0; row < 200; row += 1) set(row, 'colour', 'mauve');
    const { found } = await judge([bad], known.schema, known.reference);
    expect(found.map(({ kind, severity, column, file, rows: at, count }) => [kind, severity, column, file, at.slice(0, 2), count])).toEqual([
      ['wrong-type', 'error', 'age', 'orders-0.csv', [6, 11], 2],
      ['label-missing', 'error', 'tier', 'orders-0.csv', [4], 1],
      ['unseen', 'warning', 'colour', 'orders-0.csv', [2], 200],
    ]);
  });

  test('a level that was declared as the last is an error from the first record on', async () => {
    const bad = copyTable(drawTable('one', rows, rows));
    (bad.rows[7] as string[])[orderColumns.indexOf('colour')] = 'mauve';
    expect((await judge([bad], known.schema, known.reference)).found).toEqual([]);
    const closed = { ...known.schema, columns: known.schema.columns.map((column) => (column.name === 'colour' ? { ...column, closed: true } : column)) };
    expect((await judge([bad], closed, known.reference)).found).toMatchObject([{ kind: 'unseen', severity: 'error', rows: [9], count: 1 }]);
  });

  test('a part of something may be smaller than the whole when that is said', async () => {
    const part = { names: good.names, rows: good.rows.slice(0, 100) };
    const { profile, found } = await judge([part], known.schema, known.reference);
    expect(found.map(({ kind }) => kind)).toEqual(['shrunk']);
    expect(validate(profile, known.schema, known.reference, { shrinkMin: 0 })).toEqual([]);
  });

  test('records and ids on both sides of a split are found, however few', async () => {
    const sides = async (table: TextTable) => profileRecords(batchesOf(table), { keys: [tableSpec.id], apart: [tableSpec.id] });
    const learnt = { name: 'train', state: await sides(good) };
    const fresh = drawTable('fresh', 300, rows);
    expect(splitLeakage(learnt, { name: 'test', state: await sides(fresh) }, known.schema)).toEqual([]);
    const ids = copyTable(fresh);
    (ids.rows[5] as string[])[0] = good.rows[17]?.[0] as string;
    expect(splitLeakage(learnt, { name: 'test', state: await sides(ids) }, known.schema)).toMatchObject([
      { kind: 'split-leak', column: 'order_id', rows: [7], count: 1 },
    ]);
    const copied = copyTable(fresh);
    for (const row of [3, 4]) copied.rows[row] = (good.rows[row] as string[]).with(0, copied.rows[row]?.[0] as string);
    expect(splitLeakage(learnt, { name: 'test', state: await sides(copied) }, known.schema)).toMatchObject([
      { kind: 'split-leak', column: null, rows: [5, 6], count: 2 },
    ]);
  });
});

/** A measure that is right about the label in a share of the cases, and what comes of a set with it. */
async function leaksOf(seed: string, count: number, right: number, classes: number): Promise<string[]> {
  const random = seededRandom(seed);
  const table: TextTable = {
    names: ['measure', 'noise', 'label'],
    rows: Array.from({ length: count }, () => {
      const label = random.integer(classes);
      const told = random.uniform() < right ? label : random.integer(classes);
      return [(told + 0.4 * random.uniform()).toFixed(4), random.normal().toFixed(4), `class ${label}`];
    }),
  };
  const state = await profileRecords(batchesOf(table));
  const profile = summarise(state, { label: 'label' });
  return validate(profile, inferSchema(profile, { spec: { label: 'label' } })).flatMap(({ kind, column }) => (kind === 'label-leak' ? [column ?? ''] : []));
}

test.each(
  // Where it is not right it guesses between the two classes. What is promised is 95; one that is a little better is spared by the limit of 1 %.
  [0.9, 0.94].flatMap((right) => [30, 100, 300, 1000].map((count) => [100 * (right + (1 - right) / 2), count, right] as const)),
)('an honest column, right in %i of 100 cases, is not taken for a leak of the label (%i records)', async (_, count, right) => {
  for (let seed = 0; seed < 10; seed += 1) expect(await leaksOf(`honest/${seed}`, count, right, 2)).toEqual([]);
});

test('a perfect column is a leak once there are some 250 records a class, and not before', async () => {
  expect(await leaksOf('few', 150, 1, 2)).toEqual([]);
  expect(await leaksOf('two classes', 600, 1, 2)).toEqual(['measure']);
  expect(await leaksOf('four classes', 1200, 1, 4)).toEqual(['measure']);
});

test('a number that gives the label by a formula is a leak, and a strong measure of it is not', async () => {
  const random = seededRandom('formula');
  const table: TextTable = {
    names: ['with_tax', 'strong', 'price'],
    rows: Array.from({ length: 400 }, () => {
      const price = Math.exp(3 + random.normal());
      return [(price * 1.19).toFixed(2), (price * Math.exp(0.1 * random.normal())).toFixed(2), price.toFixed(2)];
    }),
  };
  const profile = summarise(await profileRecords(batchesOf(table)), { label: 'price' });
  const found = validate(profile, inferSchema(profile, { spec: { label: 'price' } }));
  expect(found.map(({ kind, column }) => [kind, column])).toEqual([['label-leak', 'with_tax']]);
  expect(profile.columns.map(({ association }) => association ?? -1).map((value) => value > 0.5)).toEqual([true, true, false]);
});

test('rows of a file that was read in two parts are told together', () => {
  const places = [
    [0, 52],
    [0, 202],
    [1, 102],
    [2, 7],
  ] as const;
  const found = anomalyOf({ kind: 'wrong-type', severity: 'error', places, count: 4, words: 'no number' }, [
    { name: 'a.csv' },
    { name: 'a.csv' },
    { name: 'b.csv' },
  ]);
  expect(found).toMatchObject({ file: 'a.csv', rows: [52, 102, 202] });
});

test('problems of reading and of pictures are listed like what validation finds, a kind and file at a time', () => {
  const problems = noProblems();
  for (const row of [3, 5]) addProblem(problems, { kind: 'row-ragged', file: 'a.csv', at: `row ${row}`, detail: 'it has 2 fields, the header 3' });
  addProblem(problems, { kind: 'image-damaged', file: 'x/1.png', detail: 'it ends too early' });
  const found = anomaliesOfProblems(problems);
  expect(found).toMatchObject([
    { kind: 'row-ragged', severity: 'error', file: 'a.csv', rows: [3, 5], count: 2 },
    { kind: 'image-damaged', file: 'x/1.png', rows: [], count: 1 },
  ]);
  for (const one of found) expect(anomaly.safeParse(one).success).toBe(true);
});
