import type { TextPreprocessing } from '@serin/protocol/bundle/preprocessing';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { naturalLog, textPreparer, type TextRecord } from './prepare.ts';

type Output = TextPreprocessing['output'];
const prepared = (output: Output, changes: Partial<TextPreprocessing> = {}) =>
  textPreparer({ v: 1, kind: 'text', fields: [{ name: 'body' }], unitsMax: 10_000, wordsMax: 1000, output, ...changes });
const buckets: Output = { kind: 'buckets', bits: 16, words: 2, weighting: 'log' };
const tokens: Output = { kind: 'tokens', bits: 12, length: 6 };

const tensorsOf = (preparer: ReturnType<typeof textPreparer>, ...records: TextRecord[]) => {
  const tensors = preparer.tensors(records.map(preparer.words));
  return Object.fromEntries(Object.entries(tensors).map(([name, { dims, data }]) => [name, { dims: [...dims], data: Array.from(data, Number) }]));
};

/** Frozen: models in the field were trained with these. Other numbers here are other words to them. */
test('buckets and weights of a text are what they always were', () => {
  expect(tensorsOf(prepared(buckets), { body: 'Free money, free MONEY! Ünïted 東京 $5' })).toEqual({
    buckets: { data: [20798, 44493, 54398, 27418, 64003, 42117, 5478, 6869, 51862, 33503, 42841, 26466, 5339, 65414], dims: [1, 14] },
    weights: {
      data: [
        0.38244059681892395, 0.38244059681892395, 0.38244059681892395, 0.225875586271286, 0.225875586271286, 0.225875586271286, 0.225875586271286,
        0.225875586271286, 0.225875586271286, 0.225875586271286, 0.225875586271286, 0.225875586271286, 0.225875586271286, 0.225875586271286,
      ],
      dims: [1, 14],
    },
  });
});

test('numbers of words are what they always were', () => {
  const fields = [{ name: 'subject', prefix: 's' }, { name: 'body' }];
  expect(tensorsOf(prepared(tokens, { fields }), { subject: 'Free money', body: 'free 東' })).toEqual({
    tokens: { data: [254, 2540, 1913, 2214, 1065, 0], dims: [1, 6] },
  });
});

test('runs of letters are what they always were', () => {
  expect(tensorsOf(prepared({ kind: 'buckets', bits: 10, words: 1, letters: { from: 3, to: 4 }, weighting: 'presence' }), { body: 'Ünï 5' })).toEqual({
    buckets: { data: [218, 851, 130, 556, 543, 72, 972], dims: [1, 7] },
    weights: {
      data: [0.37796446681022644, 0.37796446681022644, 0.37796446681022644, 0.37796446681022644, 0.37796446681022644, 0.37796446681022644, 0.37796446681022644],
      dims: [1, 7],
    },
  });
});

test('the weights of a text have length 1, and an empty text has one bucket that weighs nothing', () => {
  const preparer = prepared(buckets);
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b', 'ü', ' ', '!', '5'), maxLength: 100 }), (body) => {
      const { weights, buckets: found } = preparer.entries(preparer.words({ body }));
      const length = Math.sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0));
      expect(length).toBeCloseTo(weights.length === 0 ? 0 : 1, 5);
      expect(new Set(found).size).toBe(found.length);
    }),
  );
  expect(tensorsOf(preparer, { body: '' }, {}, { body: null })).toEqual({
    buckets: { dims: [3, 1], data: [0, 0, 0] },
    weights: { dims: [3, 1], data: [0, 0, 0] },
  });
});

test('a text has the same entries alone, among others and again', () => {
  const text = fc.string({ unit: fc.constantFrom('word ', 'other ', 'ü', '!!', '12 '), maxLength: 30 });
  const preparer = prepared(buckets);
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (texts) => {
      const together = tensorsOf(preparer, ...texts.map((body) => ({ body })));
      const width = together['buckets']?.dims[1] ?? 0;
      texts.forEach((body, row) => {
        const alone = tensorsOf(preparer, { body });
        for (const name of ['buckets', 'weights']) {
          const own = together[name]?.data.slice(row * width, (row + 1) * width) ?? [];
          const expected = alone[name]?.data ?? [];
          expect(own.slice(0, expected.length)).toEqual(expected);
          expect(own.slice(expected.length).every((value) => value === 0)).toBe(true);
        }
      });
    }),
  );
});

test('words of a field with a prefix are other words, and no run of words goes from one field to the next', () => {
  const fields = [{ name: 'subject', prefix: 's' }, { name: 'body' }];
  const preparer = prepared(buckets, { fields });
  const countOf = (record: TextRecord): number => preparer.entries(preparer.words(record)).buckets.length;
  expect(countOf({ subject: 'free', body: 'free' })).toBe(2);
  expect(countOf({ subject: 'free money', body: 'free money' })).toBe(6);
  expect(countOf({ subject: '', body: 'free money free money' })).toBe(4);
});

test('more words than the limit are left out, the first field comes first', () => {
  const preparer = prepared(buckets, { fields: [{ name: 'subject' }, { name: 'body' }], wordsMax: 3 });
  const words = preparer.words({ subject: 'a b', body: 'c d e' });
  expect(words.map((own) => own.map(({ text }) => text))).toEqual([['a', 'b'], ['c']]);
});

test('numbers and truth values of a record are read as their texts', () => {
  const preparer = prepared(buckets);
  expect(preparer.words({ body: 12 })).toEqual(preparer.words({ body: '12' }));
  expect(preparer.words({ body: true })).toEqual(preparer.words({ body: 'true' }));
});

test('the logarithm by the four operations is the logarithm', () => {
  for (let value = 1; value < 5000; value += 1) expect(naturalLog(value)).toBeCloseTo(Math.log(value), 12);
});
