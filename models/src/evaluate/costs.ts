import type { ClassAnswers } from './ranking.ts';
import { scoresOf } from './ranking.ts';

/** What an answer costs: `costs[truth][answer]`. */
export type CostMatrix = readonly (readonly number[])[];

/** From names to places; what is not named costs nothing. Names that are no label come back as such. */
export function costMatrix(
  costs: Readonly<Record<string, Readonly<Record<string, number>>>>,
  labels: readonly string[],
): { matrix: CostMatrix; unknown: string[] } {
  const named = [...Object.keys(costs), ...Object.values(costs).flatMap((row) => Object.keys(row))];
  return {
    matrix: labels.map((truth) => labels.map((answer) => costs[truth]?.[answer] ?? 0)),
    unknown: [...new Set(named)].filter((name) => !labels.includes(name)),
  };
}

/** What the answers cost, row by row. No answer costs as much as the worst one. */
export const costsOf = (answers: ArrayLike<number>, labels: ArrayLike<number>, matrix: CostMatrix): Float64Array =>
  Float64Array.from(labels, (label, row) => matrix[label]?.[answers[row] ?? -1] ?? Math.max(...(matrix[label] ?? [0])));

/** The answer of least expected cost, by the probabilities as they are. */
export function cheapestAnswers({ probabilities, labels, classes }: ClassAnswers, matrix: CostMatrix): Int32Array {
  return Int32Array.from({ length: labels.length }, (_, row) => {
    let [best, least] = [-1, Infinity];
    for (let answer = 0; answer < classes; answer += 1) {
      let expected = 0;
      for (let truth = 0; truth < classes; truth += 1) expected += (probabilities[row * classes + truth] ?? Number.NaN) * (matrix[truth]?.[answer] ?? 0);
      if (expected < least) [best, least] = [answer, expected];
    }
    return best;
  });
}

/** Answers of two classes by a threshold: the positive one from it upwards. */
export function answersAt(answers: ClassAnswers, positive: number, threshold: number): Int32Array {
  return Int32Array.from(scoresOf(answers, positive), (score) => (Number.isNaN(score) ? -1 : score >= threshold ? positive : 1 - positive));
}

/** What a threshold is chosen by: the counts of the four kinds of answers on the rows it is chosen on. */
export type ThresholdWorth = (counts: { truePositives: number; falsePositives: number; falseNegatives: number; trueNegatives: number }) => number;

export const worthOfCosts =
  (matrix: CostMatrix, positive: number): ThresholdWorth =>
  ({ truePositives, falsePositives, falseNegatives, trueNegatives }) => {
    const negative = 1 - positive;
    const cost = (truth: number, answer: number): number => matrix[truth]?.[answer] ?? 0;
    return -(
      truePositives * cost(positive, positive) +
      falseNegatives * cost(positive, negative) +
      falsePositives * cost(negative, positive) +
      trueNegatives * cost(negative, negative)
    );
  };

export const worthOfF1: ThresholdWorth = ({ truePositives, falsePositives, falseNegatives }) =>
  (2 * truePositives) / Math.max(1, 2 * truePositives + falsePositives + falseNegatives);

/**
 * The threshold of most worth on these rows: in the middle between two scores, so that rows near it do not decide by chance.
 * Where several are equally good, the one closest to a half.
 */
export function bestThreshold(scores: ArrayLike<number>, isPositive: ArrayLike<number>, worth: ThresholdWorth): { threshold: number; worth: number } {
  const order = Uint32Array.from({ length: scores.length }, (_, row) => row).sort((one, other) => (scores[other] ?? 0) - (scores[one] ?? 0));
  let positives = 0;
  for (let row = 0; row < order.length; row += 1) positives += isPositive[row] === 1 ? 1 : 0;
  const negatives = order.length - positives;
  let [truePositives, falsePositives] = [0, 0];
  const at = (threshold: number) => ({
    threshold,
    worth: worth({ truePositives, falsePositives, falseNegatives: positives - truePositives, trueNegatives: negatives - falsePositives }),
  });
  const first = scores[order[0] ?? 0] ?? 0.5;
  // Above every score: nothing is answered positive.
  let best = at(Math.min(1 + 1e-6, first + Math.max(1e-6, (1 - first) / 2)));
  order.forEach((row, place) => {
    if (isPositive[row] === 1) truePositives += 1;
    else falsePositives += 1;
    const here = scores[row] ?? 0;
    const next = place + 1 < order.length ? (scores[order[place + 1] ?? 0] ?? 0) : Math.min(0, here);
    if (next === here && place + 1 < order.length) return;
    const found = at(place + 1 === order.length ? 0 : (here + next) / 2);
    if (found.worth > best.worth || (found.worth === best.worth && Math.abs(found.threshold - 0.5) < Math.abs(best.threshold - 0.5))) best = found;
  });
  return best;
}
