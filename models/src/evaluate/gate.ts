import type { PairedComparison } from './compare.ts';
import type { Evaluation } from './metrics.ts';

export interface GateCheck {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly passed: boolean;
  /** One sentence for people. */
  readonly words: string;
}

export interface GateVerdict {
  readonly passed: boolean;
  readonly checks: readonly GateCheck[];
}

export interface GateEvidence {
  readonly float: Evaluation;
  readonly quantised: Evaluation;
  /** The quantised challenger against the version now serving, on the same examples. */
  readonly comparison?: PairedComparison;
  readonly modelBytes: number;
}

export interface GateLimits {
  readonly accuracyMin: number;
  readonly quantisationLossMax: number;
  readonly eceMax: number;
  /** How much worse than the champion the challenger might be at most, by the lower end of the interval. */
  readonly inferiorityMax: number;
  readonly modelBytesMax: number;
}

export const usualLimits: GateLimits = {
  accuracyMin: 0.9,
  quantisationLossMax: 0.02,
  eceMax: 0.1,
  inferiorityMax: 0.05,
  modelBytesMax: 64 * 1024 * 1024,
};

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
export const points = (share: number): string => `${(100 * share).toFixed(1)} points`;

export const atLeast = (name: string, value: number, limit: number, words: string): GateCheck => ({ name, value, limit, passed: value >= limit, words });
export const atMost = (name: string, value: number, limit: number, words: string): GateCheck => ({ name, value, limit, passed: value <= limit, words });
export const verdict = (checks: readonly GateCheck[]): GateVerdict => ({ passed: checks.every((check) => check.passed), checks });

export const sizeCheck = (modelBytes: number, limit: number): GateCheck =>
  atMost('model_bytes', modelBytes, limit, `the largest variant has ${modelBytes} bytes; at most ${limit} are allowed`);

/** No worse than the version now serving, by the lower end of the interval; `things` is what both were asked about. */
export function championCheck({ count, wins, losses, interval: [low, high] }: PairedComparison, inferiorityMax: number, things: string): GateCheck {
  return atLeast(
    'against_champion',
    low,
    -inferiorityMax,
    `on the same ${count} ${things} it wins ${wins} and loses ${losses}: between ${points(low)} and ${points(high)} ` +
      `better than the serving version; no worse than ${points(-inferiorityMax)} is asked`,
  );
}

/** Decides whether a version may be packaged. A value that is not a number fails its check. */
export function judge(evidence: GateEvidence, limits: GateLimits = usualLimits): GateVerdict {
  const { float, quantised, comparison, modelBytes } = evidence;
  const loss = float.accuracy - quantised.accuracy;

  const checks = [
    atLeast(
      'accuracy',
      quantised.accuracy,
      limits.accuracyMin,
      `${percent(quantised.accuracy)} of ${quantised.count} held-out examples are right; at least ${percent(limits.accuracyMin)} is asked`,
    ),
    atMost(
      'quantisation_loss',
      loss,
      limits.quantisationLossMax,
      `8 bits cost ${points(loss)} of accuracy; at most ${points(limits.quantisationLossMax)} is allowed`,
    ),
    atMost(
      'calibration_error',
      quantised.ece,
      limits.eceMax,
      `confidence is off by ${points(quantised.ece)} on average; at most ${points(limits.eceMax)} is allowed`,
    ),
    sizeCheck(modelBytes, limits.modelBytesMax),
  ];
  if (comparison !== undefined) checks.push(championCheck(comparison, limits.inferiorityMax, 'examples'));
  return verdict(checks);
}
