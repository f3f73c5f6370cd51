import { readProbabilities } from '@serin/inference/postprocess';
import type { MetricName, PipelineFile } from '@serin/protocol/pipeline';

import { answersAt, cheapestAnswers, costsOf, type CostMatrix } from '../evaluate/costs.ts';
import {
  auc,
  averagePrecision,
  calibrationError,
  everyRow,
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
} from '../evaluate/ranking.ts';
import { mae, r2, rmse } from '../evaluate/regression.ts';
import type { Answers } from './answers.ts';
import type { DataFacts } from './part.ts';

const lowerIsBetter: ReadonlySet<MetricName> = new Set<MetricName>(['logLoss', 'brier', 'ece', 'cost', 'rmse', 'mae']);
export const betterOf = (metric: MetricName): 'higher' | 'lower' => (lowerIsBetter.has(metric) ? 'lower' : 'higher');

/** What a pipeline compares by, unless it says so itself. */
export function mainMetric({ evaluate }: PipelineFile, { task, labels }: Pick<DataFacts, 'task' | 'labels'>): MetricName {
  if (evaluate.metric !== undefined) return evaluate.metric;
  if (task === 'regression') return 'rmse';
  return labels.length === 2 ? 'auc' : 'logLoss';
}

/** How probabilities become an answer. */
export interface Deciding {
  /** Of two classes: the positive one from it upwards. */
  readonly threshold: number | null;
  readonly costs: CostMatrix | null;
}

/** The class each row is answered with; -1 where the output is no answer. */
export function decisionsOf({ values, width }: Answers, labels: ArrayLike<number>, facts: DataFacts, { threshold, costs }: Deciding): Int32Array {
  const answers: ClassAnswers = { probabilities: values, labels, classes: width };
  if (width === 2 && facts.positive !== null && threshold !== null) return answersAt(answers, facts.positive, threshold);
  if (costs !== null) return cheapestAnswers(answers, costs);
  return Int32Array.from({ length: labels.length }, (_, row) => readProbabilities(values, width, row * width).label);
}

/** All metrics of the task, prepared for resamples. */
export function metricsOf(answers: Answers, labels: Float64Array, facts: DataFacts, deciding: Deciding): Partial<Record<MetricName, Counted>> {
  if (facts.task === 'regression') return { rmse: rmse(answers.values, labels), mae: mae(answers.values, labels), r2: r2(answers.values, labels) };
  const given: ClassAnswers = { probabilities: answers.values, labels, classes: answers.width };
  const decided = decisionsOf(answers, labels, facts, deciding);
  const places = facts.positive === null ? facts.labels.map((_, place) => place) : [facts.positive];
  const each = (make: (place: number) => Counted): Counted => (places.length === 1 ? make(places[0] as number) : macro(places.map(make)));
  const isOf = (place: number): Uint8Array => Uint8Array.from(labels, (label) => (label === place ? 1 : 0));
  return {
    accuracy: meanOf(rightness(decided, labels)),
    auc: each((place) => auc(scoresOf(given, place), isOf(place))),
    averagePrecision: each((place) => averagePrecision(scoresOf(given, place), isOf(place))),
    f1: each((place) => f1(decided, labels, place)),
    precision: each((place) => precision(decided, labels, place)),
    recall: each((place) => recall(decided, labels, place)),
    logLoss: meanOf(surprises(given)),
    brier: meanOf(squaredDistances(given)),
    ece: calibrationError(given),
    ...(deciding.costs === null ? {} : { cost: meanOf(costsOf(decided, labels, deciding.costs)) }),
  };
}

/** One metric on all rows. */
export const valueOf = (metric: Counted | undefined, rows: number): number => metric?.(everyRow(rows)) ?? Number.NaN;
