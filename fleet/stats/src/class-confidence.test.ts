import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  classTotals,
  CONFIDENCE_BINS,
  countClass,
  emptyClassConfidence,
  expectedQuality,
  measuredShares,
  statedShares,
  tenthOf,
  type ExpectedClass,
} from './class-confidence.ts';
import { addCounts, totalCount } from './histogram.ts';
import { seededRandom } from './seeded-random.ts';

const classes = 4;
const prediction = fc.record({ label: fc.nat(classes - 1), confidence: fc.double({ min: 0, max: 1, noNaN: true }) });
type Predictions = { label: number; confidence: number }[];

function counted(predictions: Predictions, of = classes): number[] {
  const counts = emptyClassConfidence(of);
  for (const { label, confidence } of predictions) expect(countClass(counts, label, confidence)).toBe(true);
  return counts;
}

const merged = (...parts: readonly number[][]): number[] => {
  const all = emptyClassConfidence(classes);
  for (const part of parts) addCounts(all, part);
  return all;
};

test('merged windows are the window of all predictions, in any order and grouping', () => {
  const some = fc.array(prediction, { maxLength: 40 });
  fc.assert(
    fc.property(some, some, some, (a, b, c) => {
      const [first, second, third] = [counted(a), counted(b), counted(c)];
      const all = counted([...a, ...b, ...c]);
      expect(merged(merged(first, second), third)).toEqual(all);
      expect(merged(third, merged(second, first))).toEqual(all);
      expect(totalCount(all)).toBe(a.length + b.length + c.length);
      expect(classTotals(all)).toEqual(Array.from({ length: classes }, (_, label) => [...a, ...b, ...c].filter((one) => one.label === label).length));
    }),
  );
});

test('a confidence lies in its tenth, 1 and what rounding made of it in the last', () => {
  fc.assert(
    fc.property(prediction, ({ confidence }) => {
      const tenth = tenthOf(confidence);
      expect(tenth / CONFIDENCE_BINS).toBeLessThanOrEqual(confidence + 1e-12);
      expect(confidence).toBeLessThanOrEqual((tenth + 1) / CONFIDENCE_BINS);
    }),
  );
  expect([0, 0.1, 0.75, 1, 1 + 1e-7, -1e-9].map(tenthOf)).toEqual([0, 1, 7, 9, 9, 0]);
});

test('a class that there is not and a confidence that is no number are left out', () => {
  const counts = emptyClassConfidence(2);
  const odd: [number, number][] = [
    [-1, 0.5],
    [2, 0.5],
    [0.5, 0.5],
    [0, Number.NaN],
    [1, Infinity],
  ];
  for (const [label, confidence] of odd) expect(countClass(counts, label, confidence)).toBe(false);
  expect(counts).toEqual(emptyClassConfidence(2));
});

test('the published example: five probabilities, cut at a half', () => {
  const positive = [0.95, 0.8, 0.6, 0.3, 0.1];
  const answers = positive.map((p) => (p >= 0.5 ? { label: 1, confidence: p } : { label: 0, confidence: 1 - p }));
  const counts = counted(answers, 2);
  // What was said exactly, cell by cell, instead of the middles of tenths.
  const shares = Array.from({ length: counts.length }, () => 0);
  for (const { label, confidence } of answers) shares[label * CONFIDENCE_BINS + tenthOf(confidence)] = confidence;
  const { classes: found, accuracy, standardError } = expectedQuality(counts, { shares });
  const [no, yes] = found as [ExpectedClass, ExpectedClass];
  const round = (value: number): number => Number(value.toFixed(10));
  const rounded = ({ truePositives, falsePositives, falseNegatives, trueNegatives }: ExpectedClass) =>
    [truePositives, falsePositives, falseNegatives, trueNegatives].map(round);
  expect(rounded(yes)).toEqual([2.35, 0.65, 0.4, 1.6]);
  expect(rounded(no)).toEqual([1.6, 0.4, 0.65, 2.35]);
  expect(round(accuracy)).toBe(0.79);
  expect(standardError ** 2).toBeCloseTo(positive.reduce((sum, p) => sum + p * (1 - p), 0) / 25, 12);
});

test('every prediction is right or wrong once, and every wrong one is a miss of one other class', () => {
  fc.assert(
    fc.property(fc.array(prediction, { minLength: 1 }), (predictions) => {
      const { classes: found, count, accuracy } = expectedQuality(counted(predictions));
      const sum = (field: keyof ExpectedClass): number => found.reduce((total, one) => total + one[field], 0);
      expect(count).toBe(predictions.length);
      expect(sum('truePositives')).toBeCloseTo(accuracy * count, 8);
      expect(sum('falsePositives')).toBeCloseTo(sum('falseNegatives'), 8);
      for (const one of found) {
        expect(one.truePositives + one.falsePositives + one.falseNegatives + one.trueNegatives).toBeCloseTo(count, 8);
        expect(Math.min(...Object.values(one))).toBeGreaterThanOrEqual(-1e-9);
      }
    }),
  );
});

test('with calibrated confidence the estimate lies within two standard errors about 19 times in 20', () => {
  const random = seededRandom(4);
  let within = 0;
  const runs = 400;
  for (let run = 0; run < runs; run++) {
    const counts = emptyClassConfidence(2);
    let right = 0;
    for (let frame = 0; frame < 300; frame++) {
      const tenth = 5 + Math.floor(random() * 5);
      const share = statedShares.shares[tenth]!;
      if (random() < share) right++;
      countClass(counts, frame % 2, share);
    }
    const { accuracy, standardError } = expectedQuality(counts);
    if (Math.abs(right / 300 - accuracy) <= 2 * standardError) within++;
  }
  expect(within / runs).toBeGreaterThan(0.92);
  expect(within / runs).toBeLessThan(0.985);
});

test('what was measured on labelled answers replaces what confidence claims, and few labels leave more doubt', () => {
  const counts = counted(Array.from({ length: 100 }, () => ({ label: 1, confidence: 0.95 })));
  const bins = (examples: number) =>
    Array.from({ length: CONFIDENCE_BINS }, (_, tenth) => ({ count: tenth === 9 ? examples : 0, right: tenth === 9 ? 0.8 : 0 }));
  const [few, many] = [expectedQuality(counts, measuredShares(bins(10))), expectedQuality(counts, measuredShares(bins(10_000)))];
  expect([few.accuracy, many.accuracy].map((value) => value.toFixed(6))).toEqual(['0.800000', '0.800000']);
  expect(few.standardError).toBeGreaterThan(2.5 * many.standardError);
  expect(many.standardError).toBeCloseTo(0.04, 2);
  const unknown = expectedQuality(counts, measuredShares(bins(0)));
  expect(unknown.accuracy).toBeCloseTo(0.95, 12);
  expect(unknown.standardError).toBeGreaterThan(0.4);
});

test('counts that are no classes by tenths and shares of another number are refused; of nothing nothing is expected', () => {
  expect(() => expectedQuality([1, 2, 3])).toThrow(/no classes by tenths/);
  expect(() => expectedQuality(emptyClassConfidence(2), { shares: [0.5] })).toThrow(/1 shares/);
  expect(() => expectedQuality(emptyClassConfidence(2), { ...statedShares, examples: [1] })).toThrow(/1 examples/);
  expect(() => addCounts(emptyClassConfidence(2), emptyClassConfidence(3))).toThrow(RangeError);
  expect(expectedQuality(emptyClassConfidence(2)).accuracy).toBeNaN();
});
