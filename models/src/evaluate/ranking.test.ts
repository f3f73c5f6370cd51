import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { bootstrap, differenceOf, estimateOf, quantile, resample, simultaneous } from './bootstrap.ts';
import { answersAt, bestThreshold, cheapestAnswers, costMatrix, costsOf, worthOfCosts, worthOfF1 } from './costs.ts';
import { auc, averagePrecision, calibrationError, everyRow, f1, meanOf, precision, recall, squaredDistances, surprises, type ClassAnswers } from './ranking.ts';
import { mae, r2, rmse } from './regression.ts';
import { judgeSlices } from './slices.ts';

/** Scores from a few values, so that ties are frequent, with how often each row is there. */
const scored = fc
  .array(fc.record({ score: fc.constantFrom(0, 0.1, 0.25, 0.5, 0.8, 1), positive: fc.boolean(), count: fc.integer({ min: 0, max: 3 }) }), {
    minLength: 1,
    maxLength: 40,
  })
  .map((rows) => ({
    scores: rows.map(({ score }) => score),
    isPositive: Uint8Array.from(rows, ({ positive }) => (positive ? 1 : 0)),
    counts: rows.map(({ count }) => count),
    repeated: rows.flatMap(({ score, positive, count }) => Array.from({ length: count }, () => ({ score, positive }))),
  }));

function expectSame(found: number, expected: number): void {
  if (Number.isNaN(expected)) expect(found).toBeNaN();
  else expect(found).toBeCloseTo(expected, 12);
}

test('AUC is the share of pairs that are in order, ties half, whatever the counts', () => {
  fc.assert(
    fc.property(scored, ({ scores, isPositive, counts, repeated }) => {
      const [positives, negatives] = [repeated.filter(({ positive }) => positive), repeated.filter(({ positive }) => !positive)];
      const pairs = positives.flatMap((one) => negatives.map((other) => (one.score > other.score ? 1 : one.score === other.score ? 0.5 : 0)));
      const expected = pairs.reduce<number>((sum, pair) => sum + pair, 0) / pairs.length;
      expectSame(auc(scores, isPositive)(counts), expected);
    }),
  );
});

test('average precision is the sum over thresholds of precision times the step in recall, whatever the counts', () => {
  fc.assert(
    fc.property(scored, ({ scores, isPositive, counts, repeated }) => {
      const all = repeated.filter(({ positive }) => positive).length;
      let expected = 0;
      let before = 0;
      for (const threshold of [...new Set(repeated.map(({ score }) => score))].toSorted((a, b) => b - a)) {
        const told = repeated.filter(({ score }) => score >= threshold);
        const right = told.filter(({ positive }) => positive).length;
        expected += ((right - before) / all) * (right / told.length);
        before = right;
      }
      expectSame(averagePrecision(scores, isPositive)(counts), all === 0 ? Number.NaN : expected);
    }),
  );
});

test('metrics are those of the usual definitions', () => {
  const labels = [0, 0, 1, 1, 0, 1, 0, 1];
  const scores = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.2, 0.9];
  const isPositive = Uint8Array.from(labels);
  const once = everyRow(8);
  const answers: ClassAnswers = { probabilities: scores.flatMap((score) => [1 - score, score]), labels, classes: 2 };
  expect(auc(scores, isPositive)(once)).toBeCloseTo(0.8125, 12);
  expect(averagePrecision(scores, isPositive)(once)).toBeCloseTo((2 * 1 + 3 / 5 + 4 / 6) / 4, 12);
  expect(meanOf(surprises(answers))(once)).toBeCloseTo(
    labels.reduce((sum, label, row) => sum - Math.log(label === 1 ? (scores[row] ?? 0) : 1 - (scores[row] ?? 0)), 0) / 8,
    12,
  );
  expect(meanOf(squaredDistances(answers))(once)).toBeCloseTo(labels.reduce((sum, label, row) => sum + (label - (scores[row] ?? 0)) ** 2, 0) / 8, 12);
  const decided = answersAt(answers, 1, 0.4);
  expect([precision(decided, labels, 1)(once), recall(decided, labels, 1)(once), f1(decided, labels, 1)(once)]).toEqual([3 / 5, 3 / 4, 6 / 9]);
  const truths = [1, 2, 4];
  expect(rmse([1, 3, 2], truths)(everyRow(3))).toBeCloseTo(Math.sqrt(5 / 3), 12);
  expect(mae([1, 3, 2], truths)(everyRow(3))).toBe(1);
  expect(r2([1, 3, 2], truths)(everyRow(3))).toBeCloseTo(1 - 5 / (14 / 3), 12);
});

test('calibration error is nothing for answers that mean what they say, and the gap for those that do not', () => {
  const labels = Array.from({ length: 1000 }, (_, row) => (row % 10 < 8 ? 1 : 0));
  const of = (said: number): number => calibrationError({ probabilities: labels.flatMap(() => [1 - said, said]), labels, classes: 2 })(everyRow(1000));
  expect(of(0.8)).toBeCloseTo(0, 10);
  expect(of(0.95)).toBeCloseTo(0.15, 10);
});

test('an answer that is not a number is the worst there is, not the end', () => {
  const answers: ClassAnswers = { probabilities: [Number.NaN, Number.NaN, 0, 1], labels: [1, 1], classes: 2 };
  expect(surprises(answers)[0]).toBeGreaterThan(30);
  expect(auc([Number.NaN, 0.1], [1, 0])(everyRow(2))).toBe(0);
});

test('the best threshold costs least of all there are, and where it is does not depend on the order of rows', () => {
  fc.assert(
    fc.property(scored, fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.boolean(), ({ scores, isPositive }, miss, alarm, byF1) => {
      const { matrix } = costMatrix({ yes: { no: miss }, no: { yes: alarm } }, ['no', 'yes']);
      const worth = byF1 ? worthOfF1 : worthOfCosts(matrix, 1);
      const found = bestThreshold(scores, isPositive, worth);
      const labels = Int32Array.from(isPositive);
      const worthAt = (threshold: number): number => {
        const said = answersAt({ probabilities: scores.flatMap((score) => [1 - score, score]), labels, classes: 2 }, 1, threshold);
        const count = (truth: number, answer: number): number => said.filter((one, row) => one === answer && labels[row] === truth).length;
        return worth({ truePositives: count(1, 1), falsePositives: count(0, 1), falseNegatives: count(1, 0), trueNegatives: count(0, 0) });
      };
      expect(worthAt(found.threshold)).toBeCloseTo(found.worth, 12);
      for (const threshold of [-0.1, 0.05, 0.2, 0.3, 0.6, 0.9, 1, 1.1]) expect(found.worth).toBeGreaterThanOrEqual(worthAt(threshold) - 1e-12);
      const backwards = bestThreshold(scores.toReversed(), isPositive.toReversed(), worth);
      expect(backwards.threshold).toBe(found.threshold);
    }),
  );
});

test('costs are looked up by truth and answer, names that are no class are told, and of several classes the cheapest is answered', () => {
  const { matrix, unknown } = costMatrix({ a: { b: 5, d: 1 }, b: { a: 1 } }, ['a', 'b', 'c']);
  expect(unknown).toEqual(['d']);
  expect(Array.from(costsOf([1, 0, 2, -1], [0, 1, 2, 0], matrix))).toEqual([5, 1, 0, 5]);
  const answers: ClassAnswers = { probabilities: [0.3, 0.7], labels: [0], classes: 2 };
  expect(
    cheapestAnswers(answers, [
      [0, 5],
      [1, 0],
    ])[0],
  ).toBe(0);
  expect(
    cheapestAnswers(answers, [
      [0, 1],
      [1, 0],
    ])[0],
  ).toBe(1);
});

const draws = (seed: string, rows: number, shift: number): Float64Array => {
  const random = seededRandom(seed);
  return Float64Array.from({ length: rows }, () => random.normal() + shift);
};

test('a 95 % interval holds the truth in about 95 of 100 samples', () => {
  let hits = 0;
  for (let sample = 0; sample < 200; sample += 1) {
    const { mean } = bootstrap({ mean: meanOf(draws(`sample ${sample}`, 80, 3)) }, { rows: 80, repeats: 300, random: seededRandom(sample) });
    if (mean !== undefined && mean.low <= 3 && mean.high >= 3) hits += 1;
  }
  expect(hits).toBeGreaterThan(178);
  expect(hits).toBeLessThan(199);
});

test('differences are paired: two models that make nearly the same errors differ by little, for certain', () => {
  const one = draws('one', 300, 0);
  const found = resample({ one: meanOf(one), other: meanOf(one.map((value) => value - 0.01)) }, { rows: 300, repeats: 200, random: seededRandom(1) });
  const estimate = estimateOf(differenceOf(found.one, found.other));
  expect(estimate?.low).toBeCloseTo(0.01, 10);
  expect(estimate?.high).toBeCloseTo(0.01, 10);
});

test('rows of one group are drawn together, and the interval is as wide as the groups are few', () => {
  const groupMeans = draws('groups', 30, 0);
  const values = Float64Array.from({ length: 3000 }, (_, row) => groupMeans[row % 30] ?? 0);
  const options = { rows: 3000, repeats: 300, random: seededRandom(3) };
  const width = (groups?: Int32Array): number => {
    const { mean } = bootstrap({ mean: meanOf(values) }, { ...options, groups });
    return (mean?.high ?? 0) - (mean?.low ?? 0);
  };
  expect(width(Int32Array.from({ length: 3000 }, (_, row) => row % 30)) / width()).toBeGreaterThan(6);
});

test('a metric that the rows do not define has no interval', () => {
  expect(bootstrap({ auc: auc([0.1, 0.2], [1, 1]) }, { rows: 2, repeats: 100, random: seededRandom(1) })).toEqual({});
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
});

test('of twenty slices that do not differ, simultaneous intervals find one in about five of a hundred samples, not in most', () => {
  let alarms = 0;
  let naive = 0;
  for (let sample = 0; sample < 100; sample += 1) {
    const figures = Object.values(
      resample(Object.fromEntries(Array.from({ length: 20 }, (_, slice) => [slice, meanOf(draws(`${sample}/${slice}`, 60, 0))])), {
        rows: 60,
        repeats: 150,
        random: seededRandom(sample),
      }),
    );
    if (simultaneous(figures).some((one) => one !== undefined && (one.low > 0 || one.high < 0))) alarms += 1;
    if (figures.some((figure) => Math.sign(estimateOf(figure)?.low ?? 0) === Math.sign(estimateOf(figure)?.high ?? 0))) naive += 1;
  }
  expect(alarms).toBeLessThan(16);
  expect(naive).toBeGreaterThan(50);
});

test('a slice that does worse stands out, small ones are left out with a word, and shares of the class are told', async () => {
  const rows = 900;
  const truth = Uint8Array.from({ length: rows }, (_, row) => row % 2);
  const random = seededRandom(5);
  const answered = truth.map((value, row) => (random.uniform() < (row < 300 ? 0.4 : 0.05) ? 1 - value : value));
  const range = (from: number, to: number): Uint32Array => Uint32Array.from({ length: to - from }, (_, place) => from + place);
  const { slices, notes } = await judgeSlices({
    slices: [
      { column: 'site', value: 'a', rows: range(0, 300) },
      { column: 'site', value: 'b', rows: range(300, 600) },
      { column: 'site', value: 'c', rows: range(600, 890) },
      { column: 'site', value: 'd', rows: range(890, 900) },
    ],
    metric: meanOf(truth.map((value, row) => (answered[row] === value ? 1 : 0))),
    positives: { truth, answered },
    rows,
    repeats: 200,
    random,
  });
  expect(slices.map(({ value }) => value)).toEqual(['a', 'b', 'c']);
  expect(slices[0]?.difference.high).toBeLessThan(-0.2);
  expect(slices[1]?.difference.low).toBeGreaterThan(0);
  expect(slices[0]?.positives).toBe(0.5);
  expect(slices[0]?.answered?.value).toBeCloseTo(0.5, 0);
  expect(notes.join()).toContain('site=d');
});
