import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { Cell, RecordBatch } from '../data/records/batch.ts';
import { splitBatch, splitFile, splitKeys } from './splits.ts';

function batchOf(records: readonly Readonly<Record<string, Cell>>[]): RecordBatch {
  const names = Object.keys(records[0] ?? {});
  return {
    file: 'f',
    names,
    columns: names.map((name) => records.map((record) => record[name] ?? null)),
    rows: records.length,
    numbers: new Int32Array(records.length),
  };
}

const cell = fc.oneof(fc.integer(), fc.string({ maxLength: 4 }), fc.boolean(), fc.constant(null));
const record = fc.record({ id: cell, g: cell, a: cell, b: cell, y: cell });

test('equal rows are on one side, whatever their labels, the order of columns and the format they came in', () => {
  fc.assert(
    fc.property(record, cell, (row, label) => {
      const spec = { label: 'y', ignore: ['id', 'g'] };
      const text = (value: Cell): Cell => (value === null ? null : String(value));
      const { id, g, a, b } = row;
      const turned = { y: label, b: text(b), g, a: text(a), id: null };
      expect(splitKeys(batchOf([turned]), spec)).toEqual(splitKeys(batchOf([{ id, g, a, b, y: row.y }]), spec));
    }),
  );
});

test('rows of one group, and of one id, are on one side', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1 }), fc.integer(), (rows, same) => {
      expect(new Set(splitBatch(batchOf(rows.map((row) => ({ ...row, g: same }))), { group: 'g', id: 'id' })).size).toBe(1);
      expect(new Set(splitBatch(batchOf(rows.map((row) => ({ ...row, id: same }))), { id: 'id' })).size).toBe(1);
    }),
  );
});

test('a record never moves when others come or go', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 2 }), (rows) => {
      const all = splitBatch(batchOf(rows), { label: 'y' });
      expect(splitBatch(batchOf(rows.slice(1)), { label: 'y' })).toEqual(all.slice(1));
    }),
  );
});

test('sides have their shares', () => {
  const rows = Array.from({ length: 20_000 }, (_, id) => ({ id }));
  const sides = splitBatch(batchOf(rows), { id: 'id' }, { validation: 0.2, test: 0.1 });
  const share = (side: string): number => sides.filter((found) => found === side).length / rows.length;
  expect(Math.abs(share('validation') - 0.2)).toBeLessThan(0.015);
  expect(Math.abs(share('test') - 0.1)).toBeLessThan(0.015);
  expect(splitFile('ab')).toBe(splitFile('ab'));
});
