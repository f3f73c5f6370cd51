import fc from 'fast-check';
import { expect, test } from 'vitest';

import { groupFolds, splitFold } from './folds.ts';

const sets = fc.record({
  groups: fc.array(fc.nat(40), { minLength: 60, maxLength: 200 }).filter((groups) => new Set(groups).size >= 5),
  folds: fc.integer({ min: 2, max: 5 }),
  seed: fc.nat(),
});

test('a group is never divided, and every example is judged once', () => {
  fc.assert(
    fc.property(sets, ({ groups, folds, seed }) => {
      const dealt = groupFolds({ folds, groups, labels: groups.map((group) => group % 2), seed });
      groups.forEach((group, index) => expect(dealt[index]).toBe(dealt[groups.indexOf(group)]));
      const judged = Array.from({ length: folds }, (_, fold) => splitFold(dealt, fold).inside).flat();
      expect(judged.toSorted((one, other) => one - other)).toEqual(groups.map((_, index) => index));
    }),
  );
});

test('folds of single examples have as many of each class, give or take one', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2), { minLength: 10, maxLength: 100 }), fc.integer({ min: 2, max: 5 }), fc.nat(), (labels, folds, seed) => {
      const dealt = groupFolds({ folds, groups: labels.map((_, index) => index), labels, seed });
      for (const label of [0, 1, 2]) {
        const counts = Array.from({ length: folds }, (_, fold) => splitFold(dealt, fold).inside.filter((index) => labels[index] === label).length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test('the same seed deals alike, another one differently', () => {
  const labels = Array.from({ length: 100 }, (_, index) => index % 2);
  const deal = (seed: number): number[] => Array.from(groupFolds({ folds: 5, groups: labels.map((_, index) => index), labels, seed }));
  expect(deal(1)).toEqual(deal(1));
  expect(deal(1)).not.toEqual(deal(2));
});

test('fewer groups than folds are refused', () => {
  expect(() => groupFolds({ folds: 3, groups: [1, 1, 2], labels: [0, 1, 0], seed: 1 })).toThrow(
    expect.objectContaining({ code: 'TRAINING_DATA_INSUFFICIENT' }),
  );
});
