import { matchDetections, type Detection } from '@serin/inference/detections';
import type { CalibrationBin } from '@serin/protocol/bundle/report';

import { judgeDetections, type DetectedFrame } from '../../evaluate/detection-schemes.ts';
import { valueOn } from '../../evaluate/measure.ts';

/** What makes a score a probability: its logit is divided by the temperature, then moved. */
export interface ScoreScale {
  readonly temperature: number;
  readonly shift: number;
}

export const asTheyAre: ScoreScale = { temperature: 1, shift: 0 };

export interface ScoreCalibration extends ScoreScale {
  /** Expected calibration error on frames the scale was not learnt from, over all splits. */
  readonly before: number;
  readonly after: number;
}

interface Scored {
  readonly logit: number;
  /** 1 where it was a part of its kind. */
  readonly hit: 0 | 1;
}

const logitOf = (score: number): number => Math.log(score / (1 - score));
const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));
const scoreAt = (score: number, { temperature, shift }: ScoreScale): number => sigmoid(logitOf(score) / temperature + shift);

/** Of every detection, in order, whether it was a part of its kind. */
export function hitsOf({ detections, parts }: DetectedFrame): boolean[] {
  const matched = new Set(matchDetections(detections, parts).map(({ detection }) => detection));
  return detections.map((_, index) => matched.has(index));
}

/** A score of exactly 0 or 1 has no logit. */
const certaintyMax = 1 - 1e-6;

const scoredOf = (frames: readonly DetectedFrame[]): Scored[] =>
  frames.flatMap((frame) => {
    const hits = hitsOf(frame);
    return frame.detections.map(({ score }, index) => ({
      logit: logitOf(Math.min(certaintyMax, Math.max(1 - certaintyMax, score))),
      hit: hits[index] === true ? 1 : 0,
    }));
  });

const roundsMax = 50;
/** Keeps the slope finite where all sure ones are right and all others wrong, which a few frames may well say. */
const prior = 1e-3;
const [coldest, hottest] = [0.05, 20];

/**
 * The line through logits under which the hits are likeliest (Platt 1999), by Newton's method. Heat maps are taught a bump around
 * every centre and a loss that forgives the nearly sure, so a peak of 0.6 is a part nine times of ten: a temperature alone would
 * leave the middle where it is.
 */
export function fitScale(scored: readonly Scored[]): ScoreScale {
  let [slope, shift] = [1, 0];
  for (let round = 0; round < roundsMax; round += 1) {
    let [gradSlope, gradShift, ss, st, tt] = [prior * (slope - 1), prior * shift, prior, 0, prior];
    for (const { logit, hit } of scored) {
      const said = sigmoid(slope * logit + shift);
      const weight = (said * (1 - said)) / scored.length;
      const off = (said - hit) / scored.length;
      gradSlope += off * logit;
      gradShift += off;
      ss += weight * logit * logit;
      st += weight * logit;
      tt += weight;
    }
    const determinant = ss * tt - st * st;
    const [moveSlope, moveShift] = [(tt * gradSlope - st * gradShift) / determinant, (ss * gradShift - st * gradSlope) / determinant];
    slope = Math.min(1 / coldest, Math.max(1 / hottest, slope - moveSlope));
    shift -= moveShift;
    if (Math.abs(moveSlope) + Math.abs(moveShift) < 1e-9) break;
  }
  return { temperature: 1 / slope, shift };
}

const splits = 3;
/** A split with fewer says nothing of how sure scores are. */
const detectionsPerSplitMin = 60;

const rescaled = (frames: readonly DetectedFrame[], scale: ScoreScale): DetectedFrame[] =>
  frames.map(({ detections, parts }) => ({ parts, detections: detections.map((one): Detection => ({ ...one, score: scoreAt(one.score, scale) })) }));

/**
 * A scale, if it helps: learnt from the other frames, it must lower the expected calibration error of each of three splits. What is
 * kept is then learnt from all of them.
 */
export function calibrateScores(frames: readonly DetectedFrame[]): ScoreCalibration | undefined {
  let [before, after] = [0, 0];
  for (let split = 0; split < splits; split += 1) {
    const judged = frames.filter((_, index) => index % splits === split);
    if (judged.reduce((sum, { detections }) => sum + detections.length, 0) < detectionsPerSplitMin) return undefined;
    const scale = fitScale(scoredOf(frames.filter((_, index) => index % splits !== split)));
    const [plain, scaled] = [judged, rescaled(judged, scale)].map((some) => valueOn(judgeDetections(some), 'ece')) as [number, number];
    if (!(scaled < plain)) return undefined;
    before += (plain * judged.length) / frames.length;
    after += (scaled * judged.length) / frames.length;
  }
  return { ...fitScale(scoredOf(frames)), before, after };
}

const binCount = 10;

/** Detections by tenths of their score: how many, the mean score, the share that was right. Empty ones are left out. */
export function reliabilityOf(frames: readonly DetectedFrame[], scoreMin: number): CalibrationBin[] {
  const bins = Array.from({ length: binCount }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (const { detections, parts } of frames) {
    const sure = { parts, detections: detections.filter(({ score }) => score >= scoreMin) };
    hitsOf(sure).forEach((hit, index) => {
      const score = sure.detections[index]?.score ?? 0;
      const bin = bins[Math.min(binCount - 1, Math.floor(score * binCount))];
      if (bin === undefined) return;
      bin.count += 1;
      bin.confidence += score;
      bin.right += hit ? 1 : 0;
    });
  }
  return bins.filter(({ count }) => count > 0).map(({ count, confidence, right }) => ({ count, confidence: confidence / count, right: right / count }));
}
