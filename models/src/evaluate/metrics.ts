import { readProbabilities } from '@serin/inference/postprocess';

export interface Evaluation {
  readonly count: number;
  readonly accuracy: number;
  /** Rows are the truth, columns what was said. */
  readonly confusion: readonly (readonly number[])[];
  /** Expected calibration error over 15 equal-width bins of confidence. */
  readonly ece: number;
  readonly meanConfidence: number;
  /** 1 where the answer was right, per example. */
  readonly correct: Uint8Array;
}

const calibrationBins = 15;

/** Judges rows of class probabilities against the true labels. An answer that is not finite is wrong. */
export function evaluate(probabilities: ArrayLike<number>, labels: ArrayLike<number>, classes: number): Evaluation {
  const count = labels.length;
  const confusion = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  const correct = new Uint8Array(count);
  const binCounts = new Float64Array(calibrationBins);
  const binConfidence = new Float64Array(calibrationBins);
  const binCorrect = new Float64Array(calibrationBins);
  let right = 0;
  let confidenceSum = 0;

  for (let index = 0; index < count; index += 1) {
    const truth = labels[index] ?? -1;
    const { label, confidence } = readProbabilities(probabilities, classes, index * classes);
    const row = confusion[truth];
    if (row !== undefined && label >= 0) row[label] = (row[label] ?? 0) + 1;
    if (label === truth) correct[index] = 1;
    right += correct[index] ?? 0;
    confidenceSum += confidence;
    const bin = Math.min(calibrationBins - 1, Math.floor(confidence * calibrationBins));
    binCounts[bin] = (binCounts[bin] ?? 0) + 1;
    binConfidence[bin] = (binConfidence[bin] ?? 0) + confidence;
    binCorrect[bin] = (binCorrect[bin] ?? 0) + (correct[index] ?? 0);
  }

  let gap = 0;
  for (let bin = 0; bin < calibrationBins; bin += 1) gap += Math.abs((binConfidence[bin] ?? 0) - (binCorrect[bin] ?? 0));
  return { count, accuracy: right / count, confusion, ece: gap / count, meanConfidence: confidenceSum / count, correct };
}
