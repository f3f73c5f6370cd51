import { readProbabilities } from '@serin/inference/postprocess';
import type { CalibrationBin } from '@serin/protocol/bundle/report';

import { calibrationBins, type ClassAnswers } from './ranking.ts';

/** Examples by the confidence of their answer, in the bins the calibration error is made of; empty ones are left out. */
export function reliabilityBins({ probabilities, labels, classes }: ClassAnswers): CalibrationBin[] {
  const bins = Array.from({ length: calibrationBins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (let row = 0; row < labels.length; row += 1) {
    const { label, confidence } = readProbabilities(probabilities, classes, row * classes);
    const bin = bins[Math.min(calibrationBins - 1, Math.floor(confidence * calibrationBins))];
    if (bin === undefined) continue;
    bin.count += 1;
    bin.confidence += confidence;
    bin.right += label === labels[row] ? 1 : 0;
  }
  return bins.filter(({ count }) => count > 0).map(({ count, confidence, right }) => ({ count, confidence: confidence / count, right: right / count }));
}

/** Expected calibration error of the bins. */
export function errorOfBins(bins: readonly CalibrationBin[]): number {
  const all = bins.reduce((sum, { count }) => sum + count, 0);
  return bins.reduce((sum, { count, confidence, right }) => sum + count * Math.abs(confidence - right), 0) / all;
}

/**
 * The calibration error that a model whose confidence is right shows on so many examples all the same: in each bin the mean
 * distance of a share from its mean, sqrt(2 p (1 - p) / (pi n)). Without it small test parts fail by chance.
 */
export function chanceError(bins: readonly CalibrationBin[]): number {
  const all = bins.reduce((sum, { count }) => sum + count, 0);
  if (all === 0) return 0;
  return bins.reduce((sum, { count, confidence }) => sum + Math.sqrt((2 * count * Math.max(0, confidence * (1 - confidence))) / Math.PI), 0) / all;
}
