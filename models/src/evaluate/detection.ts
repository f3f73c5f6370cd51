import { judgeDetections, type DetectedFrame } from './detection-schemes.ts';
import type { Metrics } from './judged.ts';
import { precisionOver } from './precision-curve.ts';
import { everyRow } from './ranking.ts';

export interface Spread {
  readonly median: number;
  readonly p90: number;
}

export interface DetectionEvaluation {
  readonly frames: number;
  readonly parts: number;
  /** Mean of the average precisions of the kinds that occur, at an overlap of at least a half. */
  readonly map50: number;
  /** A kind of part; NaN for one that does not occur. */
  readonly averagePrecision: readonly number[];
  /** Pixels, over the parts that were found. */
  readonly centreError: Spread;
  /** Degrees modulo symmetry, over the parts found that have an angle. */
  readonly angleError: Spread;
  /** Share of the parts that were found at the score a picker asks for. */
  readonly recall: number;
  /** 1 where the answer serves the picker, per frame. */
  readonly right: Uint8Array;
  readonly rightShare: number;
}

/** Area under the interpolated curve of precision over recall. */
export const averagePrecision = (hits: readonly { readonly score: number; readonly hit: boolean }[], truths: number): number =>
  precisionOver(
    hits.map(({ score, hit }) => ({ frame: 0, score, hits: hit ? 1 : 0 })),
    [truths],
  )([1]);

/** Judges detections over all frames. Detections should reach down to small scores, or average precision is cut short. */
export function evaluateDetections(frames: readonly DetectedFrame[]): DetectionEvaluation {
  const { metrics, classes, right } = judgeDetections(frames);
  const once = everyRow(frames.length);
  const value = (name: keyof Metrics, from: Metrics = metrics): number => from[name]?.(once) ?? Number.NaN;
  return {
    frames: frames.length,
    parts: classes.reduce((sum, { count }) => sum + count, 0),
    map50: value('map50'),
    averagePrecision: classes.map((kind) => value('map50', kind.metrics)),
    centreError: { median: value('centreErrorPx'), p90: value('centreErrorPxP90') },
    angleError: { median: value('angleErrorDeg'), p90: value('angleErrorDegP90') },
    recall: value('recall'),
    right: right ?? new Uint8Array(),
    rightShare: value('framesRight'),
  };
}
