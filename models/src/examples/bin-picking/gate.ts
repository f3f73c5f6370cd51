import type { PairedComparison } from '../../evaluate/compare.ts';
import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import { atLeast, atMost, championCheck, percent, points, sizeCheck, verdict, type GateVerdict } from '../../evaluate/gate.ts';

export interface DetectionEvidence {
  readonly float: DetectionEvaluation;
  readonly quantised: DetectionEvaluation;
  /** Frames answered rightly by the quantised challenger and by the version now serving. */
  readonly comparison?: PairedComparison;
  readonly modelBytes: number;
}

export interface DetectionLimits {
  readonly map50Min: number;
  readonly rightShareMin: number;
  /** Of mAP. */
  readonly quantisationLossMax: number;
  /** How much worse than the champion the challenger might be at most, by the lower end of the interval. */
  readonly inferiorityMax: number;
  readonly modelBytesMax: number;
}

/** A few dozen frames from devices cannot show small differences, hence the wide margin against the champion. */
export const usualLimits: DetectionLimits = {
  map50Min: 0.85,
  rightShareMin: 0.85,
  quantisationLossMax: 0.02,
  inferiorityMax: 0.15,
  modelBytesMax: 64 * 1024 * 1024,
};

/** Decides whether a version may be packaged. A value that is not a number fails its check. */
export function judgeDetector(evidence: DetectionEvidence, limits: DetectionLimits = usualLimits): GateVerdict {
  const { float, quantised, comparison, modelBytes } = evidence;
  const loss = float.map50 - quantised.map50;
  const checks = [
    atLeast(
      'map50',
      quantised.map50,
      limits.map50Min,
      `the mean average precision over ${quantised.parts} held-out parts is ${quantised.map50.toFixed(3)}; at least ${limits.map50Min} is asked`,
    ),
    atLeast(
      'frames_right',
      quantised.rightShare,
      limits.rightShareMin,
      `${percent(quantised.rightShare)} of ${quantised.frames} held-out frames serve the picker; at least ${percent(limits.rightShareMin)} is asked`,
    ),
    atMost(
      'quantisation_loss',
      loss,
      limits.quantisationLossMax,
      `8 bits cost ${points(loss)} of average precision; at most ${points(limits.quantisationLossMax)} is allowed`,
    ),
    sizeCheck(modelBytes, limits.modelBytesMax),
  ];
  if (comparison !== undefined) checks.push(championCheck(comparison, limits.inferiorityMax, 'frames'));
  return verdict(checks);
}
