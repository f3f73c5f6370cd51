import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Anomaly } from '@serin/protocol/api/datasets';
import { findColumns, labelShares, missingShare, rowsWords, sortAnomalies, splitShares, versionChanges } from './data-view.ts';
import { datasetPlace } from './data-place.ts';
import { formatCount, formatNumber, formatPercent } from './format.ts';
import { makeColumn, makeDatasetVersion } from './testing.ts';

const anomaly = (kind: string, part: Partial<Anomaly> = {}): Anomaly => ({
  kind,
  severity: 'warning',
  column: null,
  file: null,
  rows: [],
  count: 0,
  words: '',
  ...part,
});
const words = { count: formatCount, share: formatPercent, number: formatNumber };

test('errors come before warnings, and what concerns most records before the rest', () => {
  const found = [
    anomaly('few', { count: 2 }),
    anomaly('grave', { severity: 'error', count: 1 }),
    anomaly('many', { count: 90 }),
    anomaly('worst', { severity: 'error', count: 5 }),
  ];
  expect(sortAnomalies(found).map(({ kind }) => kind)).toEqual(['worst', 'grave', 'many', 'few']);
});

test('rows are named as their file counts them, and the rest is counted', () => {
  expect(rowsWords({ rows: [], count: 3 })).toBe('');
  expect(rowsWords({ rows: [7], count: 1 })).toBe('row 7');
  expect(rowsWords({ rows: [1301, 1302, 1400], count: 41 }, 2)).toBe('rows 1301, 1302 and 39 more');
});

test('shares of splits and labels add up to the whole, however many labels there are', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10_000), { maxLength: 40 }), fc.integer({ min: 2, max: 8 }), (counts, most) => {
      const labels = counts.map((count, index) => ({ label: `l${index}`, count }));
      const shares = labelShares({ labels }, most);
      expect(shares.length).toBeLessThanOrEqual(Math.max(most, 0));
      expect(shares.reduce((sum, { count }) => sum + count, 0)).toBe(counts.reduce((sum, count) => sum + count, 0));
      for (const { share } of shares) expect(share).toBeGreaterThanOrEqual(0);
    }),
  );
  expect(splitShares({ splits: { train: 0, validation: 0, test: 0 } }).map(({ share }) => share)).toEqual([0, 0, 0]);
});

describe('columns', () => {
  const columns = [
    makeColumn('age', { association: 0.2, missing: 10 }),
    makeColumn('Income', { association: null, missing: 50, distinct: 90 }),
    makeColumn('left', { role: 'label' }),
  ];
  test('are found by name and role and keep the order of the file', () => {
    expect(findColumns(columns, { q: ' iN ' }).map(({ name }) => name)).toEqual(['Income']);
    expect(findColumns(columns, { role: 'feature' }).map(({ name }) => name)).toEqual(['age', 'Income']);
    expect(findColumns(columns, {})).toEqual(columns);
  });
  test('are sorted from the largest down, what was not measured last', () => {
    expect(findColumns(columns, { sort: 'missing' }).map(missingShare)).toEqual([0.5, 0.1, 0]);
    expect(findColumns(columns, { sort: 'association' })[0]?.name).toBe('age');
    expect(
      findColumns(columns, { sort: 'association' })
        .slice(1)
        .every(({ association }) => association === null),
    ).toBe(true);
  });
});

describe('what a version changed', () => {
  const numbers = { min: 0, max: 10, mean: 5, deviation: 1, quantiles: [], edges: [], counts: [] };
  const before = makeDatasetVersion(1, {
    columns: [makeColumn('age', { numbers }), makeColumn('gone'), makeColumn('kept')],
    labels: [
      { label: 'yes', count: 20 },
      { label: 'no', count: 80 },
    ],
  });
  test('is nothing against itself', () => {
    expect(versionChanges(before, before, words)).toEqual([]);
  });
  test('names columns that came, went, turned and moved, then counts and labels', () => {
    const after = makeDatasetVersion(2, {
      rows: 40,
      errors: 1,
      columns: [
        makeColumn('age', { numbers: { ...numbers, mean: 6 }, missing: 30 }),
        makeColumn('kept', { type: 'category' }),
        makeColumn('new', { type: 'text' }),
      ],
      labels: [
        { label: 'yes', count: 20 },
        { label: 'perhaps', count: 20 },
      ],
    });
    expect(versionChanges(before, after, words).map(({ what, before: old, after: now }) => `${what}: ${old}, ${now}`)).toEqual([
      'column gone: there, gone',
      'column new: not there, text',
      'type of kept: number, category',
      'rows: 100, 40',
      'errors: 0, 1',
      'label yes: 20.0%, 50.0%',
      'label no: 80.0%, gone',
      'label perhaps: not there, 50.0%',
      'missing in age: 0.0%, 30.0%',
      'mean of age: 5, 6',
    ]);
  });
});

test('a batch that waits is seen by its values against its parent, not by its size', () => {
  const batch = makeDatasetVersion(2, { parent: 1, status: 'QUARANTINED', rows: 10, errors: 3, columns: [makeColumn('new')] });
  expect(versionChanges(makeDatasetVersion(1), batch, words).map(({ what }) => what)).toEqual(['column new']);
});

test('an item that needs attention leads to its batch, or to its dataset', () => {
  expect([datasetPlace('orders/4'), datasetPlace('orders@v12'), datasetPlace('orders-2')]).toEqual([
    { name: 'orders', version: '4' },
    { name: 'orders', version: '12' },
    { name: 'orders-2', version: null },
  ]);
});
