import { readProbabilities } from '@serin/inference/postprocess';
import type { MetricName, PipelineFile } from '@serin/protocol/pipeline';

import { answersAt, cheapestAnswers, type CostMatrix } from '../evaluate/costs.ts';
import { kindOf } from '../evaluate/judged.ts';
import { classMetrics, valueMetrics } from '../evaluate/judged-classes.ts';
import { everyRow, type ClassAnswers, type Counted } from '../evaluate/ranking.ts';
import type { Answers } from './answers.ts';
import type { DataFacts } from './part.ts';

export const betterOf = (metric: MetricName): 'higher' | 'lower' => kindOf(metric).better;

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
  if (facts.task === 'regression') return valueMetrics(answers.values, labels);
  const decided = decisionsOf(answers, labels, facts, deciding);
  const { positive } = facts;
  return classMetrics({ probabilities: answers.values, labels, classes: answers.width, decided, positive, costs: deciding.costs });
}

/** One metric on all rows. */
export const valueOf = (metric: Counted | undefined, rows: number): number => metric?.(everyRow(rows)) ?? Number.NaN;

/**
 * What a loss is a share of. Losses in nats and errors of calibration come so close to nothing that any change is many times
 * as much; there the share of right answers is what 8 bits may not cost, and the calibration has its own limit.
 */
export const lossMetricOf = (metric: MetricName): MetricName => (metric === 'logLoss' || metric === 'brier' || metric === 'ece' ? 'accuracy' : metric);
