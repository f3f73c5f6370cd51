import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TablePreprocessing, TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';

import { readRecordAnswer, recordPreparer } from './records.ts';

const customers: TablePreprocessing = {
  v: 1,
  kind: 'table',
  columns: [
    { kind: 'number', name: 'age' },
    { kind: 'category', name: 'plan', levels: ['basic', 'true', '3'] },
    { kind: 'number', name: 'constructor' },
  ],
};
const prepare = recordPreparer(customers);
const features = (record: Record<string, unknown>): number[] => Array.from(prepare(record).inputs.features?.data ?? [], Number);

test('a row becomes numbers in the order of the columns; what is absent, empty or unseen is missing', () => {
  expect(features({ plan: ' basic ', age: 41, other: 'x' })).toEqual([41, 0, Number.NaN]);
  expect(features({ age: ' 2.5 ', plan: true, constructor: null })).toEqual([2.5, 1, Number.NaN]);
  expect(features({ age: '', plan: 3 })).toEqual([Number.NaN, 2, Number.NaN]);
  expect(features({ plan: 'gold', age: Number.POSITIVE_INFINITY })).toEqual([Number.NaN, Number.NaN, Number.NaN]);
});

test('what cannot be a value is refused, every column of it named', () => {
  const refusal = (): unknown => prepare({ age: 'forty', plan: ['basic'], constructor: '1e999' });
  expect(refusal).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error);
  expect(refusal).toThrow(/age is "forty"; plan is a list; constructor is "1e999"/);
});

test('any record at all is prepared or refused by its code', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('age', 'plan', 'constructor', '__proto__'), fc.anything()), (record) => {
      try {
        expect(features(record)).toHaveLength(3);
      } catch (error) {
        expect(error).toBeInstanceOf(SerinError);
      }
    }),
  );
});

test('a row is watched column by column, a text by its words', () => {
  expect(prepare({ age: 7, plan: '3' }).statistics).toEqual([
    ['column/age', 7],
    ['column/plan', 2],
    ['column/constructor', Number.NaN],
  ]);
  const letter: TextPreprocessing = {
    v: 1,
    kind: 'text',
    fields: [{ name: 'subject' }, { name: 'body' }],
    unitsMax: 1000,
    wordsMax: 100,
    output: { kind: 'buckets', bits: 10, words: 1, weighting: 'presence' },
  };
  const prepared = recordPreparer(letter)({ subject: 'Cheap watches', body: 'buy now' });
  expect(prepared.statistics).toEqual([['words', 4]]);
  expect(prepared.inputs.buckets).toMatchObject({ dtype: 'int64', shape: [1, 4] });
  expect(() => recordPreparer(letter)({ sender: 'x' })).toThrow(/none of subject, body/);
  expect(() => recordPreparer(letter)({ subject: { a: 1 } })).toThrow(/subject is of type object/);
  expect(prepared.inputs.weights).toMatchObject({ dtype: 'float32', shape: [1, 4] });
});

test('an answer is a label with its confidence, or a value, or no answer', () => {
  expect(readRecordAnswer({ probabilities: { data: [0.25, 0.75] } })).toEqual({
    label: 1,
    confidence: 0.75,
    probabilities: [0.25, 0.75],
    value: undefined,
    finite: true,
  });
  const rare = { label: 1, threshold: 0.1 };
  expect(readRecordAnswer({ probabilities: { data: [0.85, 0.15] } }, rare)).toMatchObject({ label: 1, confidence: 0.15 });
  expect(readRecordAnswer({ probabilities: { data: [0.95, 0.05] } }, rare)).toMatchObject({ label: 0, confidence: 0.95 });
  expect(readRecordAnswer({ value: { data: Float32Array.of(12.5) } })).toMatchObject({ value: 12.5, finite: true, label: -1 });
  expect(readRecordAnswer({ value: { data: [Number.NaN] } })).toMatchObject({ finite: false, confidence: 0 });
  expect(readRecordAnswer({ probabilities: { data: [Number.NaN, 1] } })).toMatchObject({ finite: false, label: -1 });
  expect(readRecordAnswer({ other: { data: [1] } })).toBeUndefined();
});
