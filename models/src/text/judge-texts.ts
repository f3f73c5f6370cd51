import { readProbabilities } from '@serin/inference/postprocess';
import type { Random } from '@serin/inference/random';
import type { Estimate } from '@serin/protocol/api/runs';

import { bootstrap } from '../evaluate/bootstrap.ts';
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
  type ClassAnswers,
  type Counted,
} from '../evaluate/ranking.ts';

/** Of one class against all others. */
export interface ClassFigures {
  readonly name: string;
  readonly precision: Estimate | undefined;
  readonly recall: Estimate | undefined;
  readonly f1: Estimate | undefined;
  readonly auc: Estimate | undefined;
  readonly averagePrecision: Estimate | undefined;
}

export interface TextFigures {
  readonly count: number;
  readonly accuracy: Estimate | undefined;
  readonly macroF1: Estimate | undefined;
  readonly calibrationError: Estimate | undefined;
  readonly classes: readonly ClassFigures[];
}

export interface JudgeTexts extends Omit<ClassAnswers, 'classes'> {
  readonly classes: readonly string[];
  /** Near-duplicates are drawn together, or intervals would be narrower than what is known. */
  readonly groups?: ArrayLike<number>;
  readonly random: Random;
  readonly repeats?: number;
}

/** Figures of answers to texts that were not learnt from, with intervals of 95 %. */
export function judgeTexts({ probabilities, labels, classes, groups, random, repeats = 500 }: JudgeTexts): TextFigures {
  const count = labels.length;
  const answers = Int32Array.from({ length: count }, (_, row) => readProbabilities(probabilities, classes.length, row * classes.length).label);
  const given: ClassAnswers = { probabilities, labels, classes: classes.length };
  const metrics: Record<string, Counted> = { accuracy: meanOf(rightness(answers, labels)), calibrationError: calibrationError(given) };
  classes.forEach((_, place) => {
    const isOwn = Uint8Array.from({ length: count }, (__, row) => (labels[row] === place ? 1 : 0));
    const scores = scoresOf(given, place);
    metrics[`precision ${place}`] = precision(answers, labels, place);
    metrics[`recall ${place}`] = recall(answers, labels, place);
    metrics[`f1 ${place}`] = f1(answers, labels, place);
    metrics[`auc ${place}`] = auc(scores, isOwn);
    metrics[`averagePrecision ${place}`] = averagePrecision(scores, isOwn);
  });
  metrics['macroF1'] = macro(classes.map((_, place) => metrics[`f1 ${place}`] as Counted));
  const found = bootstrap(metrics, { rows: count, repeats, random, ...(groups === undefined ? {} : { groups: numbered(groups, count) }) });
  return {
    count,
    accuracy: found['accuracy'],
    macroF1: found['macroF1'],
    calibrationError: found['calibrationError'],
    classes: classes.map((name, place) => ({
      name,
      precision: found[`precision ${place}`],
      recall: found[`recall ${place}`],
      f1: found[`f1 ${place}`],
      auc: found[`auc ${place}`],
      averagePrecision: found[`averagePrecision ${place}`],
    })),
  };
}

/** Groups without gaps, from 0. */
function numbered(groups: ArrayLike<number>, count: number): Int32Array {
  const numbers = new Map<number, number>();
  return Int32Array.from({ length: count }, (_, row) => {
    const group = groups[row] ?? 0;
    const known = numbers.get(group) ?? numbers.size;
    numbers.set(group, known);
    return known;
  });
}

const cell = (estimate: Estimate | undefined): string =>
  estimate === undefined ? '-' : `${estimate.value.toFixed(3)} (${estimate.low.toFixed(3)}-${estimate.high.toFixed(3)})`;

/** Lines of a table for people: the value, and between what it lies with 95 % confidence. */
export function figureLines({ count, accuracy, macroF1, calibrationError: ece, classes }: TextFigures): string[][] {
  return [
    ['class', 'precision', 'recall', 'F1', 'AUC', 'area under precision and recall'],
    ...classes.map((own) => [own.name, cell(own.precision), cell(own.recall), cell(own.f1), cell(own.auc), cell(own.averagePrecision)]),
    [`all ${count}`, `right: ${cell(accuracy)}`, '', cell(macroF1), '', `confidence off by ${cell(ece)}`],
  ];
}
