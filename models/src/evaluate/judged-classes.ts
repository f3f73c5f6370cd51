import { readProbabilities } from '@serin/inference/postprocess';

import { costsOf, type CostMatrix } from './costs.ts';
import type { Judged, KnownMetric, Metrics } from './judged.ts';
import type { Confusion } from './measured.ts';
import {
  auc,
  averagePrecision,
  calibrationError,
  f1,
  macro,
  meanOf,
  precision,
  recall,
  rightness,
  scoresOf,
  squaredDistances,
  surprises,
  type ClassAnswers,
  type Counted,
} from './ranking.ts';
import { mae, r2, rmse } from './regression.ts';

/** What a classifier said, and how that became answers. */
export interface DecidedAnswers extends ClassAnswers {
  /** The class each row is answered with, -1 for none. */
  readonly decided: ArrayLike<number>;
  /** The class that is looked for, where there is one: metrics of single classes are of it alone, else means over all. */
  readonly positive: number | null;
  readonly costs: CostMatrix | null;
}

const isOf = (labels: ArrayLike<number>, place: number): Uint8Array => Uint8Array.from(labels, (label) => (label === place ? 1 : 0));

/** All metrics of classifiers, prepared for resamples. */
export function classMetrics(answers: DecidedAnswers): Metrics {
  const { labels, classes, decided, positive, costs } = answers;
  const places = positive === null ? Array.from({ length: classes }, (_, place) => place) : [positive];
  const each = (make: (place: number) => Counted): Counted => (places.length === 1 ? make(places[0] as number) : macro(places.map(make)));
  return {
    accuracy: meanOf(rightness(decided, labels)),
    auc: each((place) => auc(scoresOf(answers, place), isOf(labels, place))),
    averagePrecision: each((place) => averagePrecision(scoresOf(answers, place), isOf(labels, place))),
    f1: each((place) => f1(decided, labels, place)),
    precision: each((place) => precision(decided, labels, place)),
    recall: each((place) => recall(decided, labels, place)),
    logLoss: meanOf(surprises(answers)),
    brier: meanOf(squaredDistances(answers)),
    ece: calibrationError(answers),
    ...(costs === null ? {} : { cost: meanOf(costsOf(decided, labels, costs)) }),
  };
}

/** All metrics of regressions, prepared for resamples. */
export const valueMetrics = (values: ArrayLike<number>, truths: ArrayLike<number>): Metrics => ({
  rmse: rmse(values, truths),
  mae: mae(values, truths),
  r2: r2(values, truths),
});

function pick(answers: DecidedAnswers, rows: Uint32Array): DecidedAnswers {
  const { probabilities, labels, classes, decided } = answers;
  const some = new Float64Array(rows.length * classes);
  rows.forEach((row, place) => {
    for (let one = 0; one < classes; one += 1) some[place * classes + one] = probabilities[row * classes + one] ?? Number.NaN;
  });
  return {
    ...answers,
    probabilities: some,
    labels: Float64Array.from(rows, (row) => labels[row] ?? -1),
    decided: Int32Array.from(rows, (row) => decided[row] ?? -1),
  };
}

/** More classes than this make no table that anybody reads. */
const classesShownMax = 100;

export interface ClassJudgement {
  readonly probabilities: ArrayLike<number>;
  /** Index of the true class. */
  readonly labels: ArrayLike<number>;
  readonly names: readonly string[];
  /** Where they come from a threshold or from costs; the most probable class unless given. */
  readonly decided?: ArrayLike<number> | undefined;
  readonly positive?: number | null;
  readonly costs?: CostMatrix | null;
  readonly groups?: ArrayLike<number> | undefined;
  readonly main?: KnownMetric;
}

export function judgeClasses({ probabilities, labels, names, groups, main = 'accuracy', positive = null, costs = null, ...given }: ClassJudgement): Judged {
  const classes = names.length;
  const decided = given.decided ?? Int32Array.from({ length: labels.length }, (_, row) => readProbabilities(probabilities, classes, row * classes).label);
  const answers: DecidedAnswers = { probabilities, labels, classes, decided, positive, costs };
  return {
    rows: labels.length,
    groups,
    main,
    metrics: classMetrics(answers),
    within: (rows) => classMetrics(pick(answers, rows)),
    classes: classes > classesShownMax ? [] : names.map((label, place) => ({ label, ...classFigures(answers, place) })),
    right: rightness(decided, labels),
    confusion: classes > classesShownMax ? null : confusionOf(decided, labels, names),
  };
}

function classFigures(answers: DecidedAnswers, place: number): { count: number; metrics: Metrics } {
  const { labels, decided } = answers;
  const there = isOf(labels, place);
  const scores = scoresOf(answers, place);
  return {
    count: there.reduce((sum, one) => sum + one, 0),
    metrics: {
      auc: auc(scores, there),
      averagePrecision: averagePrecision(scores, there),
      f1: f1(decided, labels, place),
      precision: precision(decided, labels, place),
      recall: recall(decided, labels, place),
    },
  };
}

/** An answer that is no class at all has a column of its own where there is one. */
function confusionOf(decided: ArrayLike<number>, labels: ArrayLike<number>, names: readonly string[]): Confusion {
  const counts = names.map(() => Array.from({ length: names.length + 1 }, () => 0));
  let unanswered = 0;
  for (let row = 0; row < labels.length; row += 1) {
    const said = decided[row] ?? -1;
    const line = counts[labels[row] as number];
    if (line === undefined) continue;
    const column = said >= 0 && said < names.length ? said : names.length;
    if (column === names.length) unanswered += 1;
    line[column] = (line[column] ?? 0) + 1;
  }
  if (unanswered > 0) return { truths: names, answers: [...names, 'no answer'], counts };
  return { truths: names, answers: names, counts: counts.map((line) => line.slice(0, names.length)) };
}

export interface ValueJudgement {
  readonly values: ArrayLike<number>;
  readonly truths: ArrayLike<number>;
  readonly groups?: ArrayLike<number> | undefined;
  readonly main?: KnownMetric;
}

export function judgeValues({ values, truths, groups, main = 'rmse' }: ValueJudgement): Judged {
  return {
    rows: truths.length,
    groups,
    main,
    metrics: valueMetrics(values, truths),
    within: (rows) =>
      valueMetrics(
        Float64Array.from(rows, (row) => values[row] ?? Number.NaN),
        Float64Array.from(rows, (row) => truths[row] ?? Number.NaN),
      ),
    classes: [],
    right: null,
    confusion: null,
  };
}
