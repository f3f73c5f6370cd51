import type { Estimate } from '@serin/protocol/api/runs';
import type { Variant } from '@serin/protocol/bundle/manifest';
import type { CalibrationBin } from '@serin/protocol/bundle/report';
import type { GateSettings } from '@serin/protocol/pipeline';

import { shown } from '../pipeline/figures.ts';
import type { PairedComparison } from './compare.ts';
import { limitCheck, points, smallPercent, verdict, type Better, type GateCheck, type GateVerdict } from './gate-check.ts';
import { robustnessChecks, sliceChecks, type SliceEvidence } from './gate-parts.ts';
import type { Robustness } from './measured.ts';
import { chanceError } from './reliability.ts';

/** What a version must reach; a limit that is not there is not asked about. Those of metrics may be of any metric. */
export type GateLimits = Partial<Omit<GateSettings, 'limits'>> & {
  readonly limits?: Readonly<Record<string, { readonly min?: number | undefined; readonly max?: number | undefined }>>;
};

/** One file of the version, as it was measured. */
export interface VariantEvidence {
  readonly variant: Variant;
  readonly bytes: number;
  /** A metric of it and of float on the same examples; float itself has none. */
  readonly loss?: { readonly metric: string; readonly better: Better; readonly float: number; readonly value: number; readonly examples: number };
  readonly latency?: { readonly p90Ms: number | null; readonly memoryBytes?: number | null | undefined } | undefined;
  /** Why it was left out before anybody judged it. */
  readonly leftOut?: string;
}

export interface GateEvidence {
  /** By name: `accuracy`, `map50`, ... What limits are held against. */
  readonly metrics: Readonly<Record<string, number>>;
  /** On what they were measured: `the test part`. */
  readonly part: string;
  /** What slices and perturbations are judged by. */
  readonly main: { readonly metric: string; readonly better: Better };
  /** Of classifiers. */
  readonly calibration?: { readonly error: number; readonly bins: readonly CalibrationBin[] } | undefined;
  readonly baseline?: BaselineEvidence | undefined;
  /** The lower end of how much better it is than the version that serves, and that in words; NaN where they cannot be compared. */
  readonly serving?: { readonly low: number; readonly words: string; readonly show?: (value: number) => string } | undefined;
  readonly slices?: readonly SliceEvidence[] | undefined;
  readonly robustness?: Pick<Robustness, 'metric' | 'perturbed'> | undefined;
  readonly variants: readonly VariantEvidence[];
}

export interface BaselineEvidence {
  readonly name: string;
  readonly metric: string;
  readonly value: number;
  readonly gain: Estimate | null;
}

export interface ShippedVariant {
  readonly variant: Variant;
  readonly ships: boolean;
  /** Why, or why not. */
  readonly words: string;
}

export interface GateJudgement {
  readonly verdict: GateVerdict;
  readonly variants: readonly ShippedVariant[];
}

/** Decides whether a version may be packaged, and which of its variants go with it. */
export function judge(evidence: GateEvidence, limits: GateLimits): GateJudgement {
  const losses = evidence.variants.flatMap((one) => lossCheck(one, limits.quantisationLossMax) ?? []);
  const variants = evidence.variants.map((one) =>
    shipping(
      one,
      losses.find(({ variant }) => variant === one.variant),
    ),
  );
  const shipped = evidence.variants.filter((_, place) => variants[place]?.ships === true);
  const checks = [
    ...metricChecks(evidence, limits),
    ...againstChecks(evidence, limits),
    ...calibrationChecks(evidence, limits),
    ...sliceChecks(evidence, limits.slices),
    ...robustnessChecks(evidence, limits.robustness),
    ...losses,
    ...costOfRunning(shipped, limits),
  ];
  return { verdict: verdict(checks), variants };
}

function metricChecks({ metrics, part }: GateEvidence, { limits = {} }: GateLimits): GateCheck[] {
  return Object.entries(limits).flatMap(([name, { min, max }]) => {
    const value = metrics[name] ?? Number.NaN;
    const found = Number.isFinite(value) ? `${name} is ${shown(value)} on ${part}` : `${name} could not be measured on ${part}`;
    return [
      ...(min === undefined ? [] : [limitCheck({ name, value, side: 'at least', limit: min, found })]),
      ...(max === undefined ? [] : [limitCheck({ name, value, side: 'at most', limit: max, found })]),
    ];
  });
}

/** A version that serves has passed the baseline before; from then on it is the one to be measured by. */
function againstChecks({ serving, baseline }: GateEvidence, { inferiorityMax, beatBaseline = false }: GateLimits): GateCheck[] {
  if (serving !== undefined && inferiorityMax !== undefined) {
    const { low, words, show = shown } = serving;
    return [limitCheck({ name: 'against_champion', value: low, side: 'at least', limit: -inferiorityMax, found: words, show })];
  }
  return serving === undefined && baseline !== undefined && beatBaseline ? [baselineCheck(baseline)] : [];
}

function baselineCheck({ name, metric, value, gain }: BaselineEvidence): GateCheck {
  const low = gain?.low ?? Number.NaN;
  // To be no worse is not enough, whatever the rounding.
  const passed = low > 0;
  const distance = gain === null ? 'the difference is not defined' : `it is better by ${shown(gain.value)} (${shown(gain.low)} to ${shown(gain.high)})`;
  const follows = gain === null ? ': bring more records' : ': the simple model does as well, so serve that, or bring more records';
  return {
    name: 'against_baseline',
    value: Number.isFinite(low) ? low : null,
    limit: 0,
    passed,
    words: `${metric} of the baseline (${name}) is ${shown(value)}; on the same records ${distance}; the lower end must be above 0${passed ? '' : follows}`,
  };
}

/** Two versions on the same examples, right or wrong each; `things` is what both were asked about. */
export const servingOfPairs = ({ count, wins, losses, interval: [low, high] }: PairedComparison, things: string): NonNullable<GateEvidence['serving']> => ({
  low,
  words: `on the same ${count} ${things} it wins ${wins} and loses ${losses}: between ${points(low)} and ${points(high)} better than the serving version`,
  show: points,
});

function calibrationChecks({ calibration, part }: GateEvidence, { calibrationErrorMax }: GateLimits): GateCheck[] {
  if (calibration === undefined || calibrationErrorMax === undefined) return [];
  const { error, bins } = calibration;
  const chance = chanceError(bins);
  const found = Number.isFinite(error)
    ? `confidence is off by ${points(error)} on average on ${part}, of which ${points(chance)} are what chance makes of so many examples`
    : `how far confidence is off could not be measured on ${part}`;
  return [
    limitCheck({
      name: 'calibration_error',
      value: Math.max(0, error - chance),
      side: 'at most',
      limit: calibrationErrorMax,
      found,
      show: points,
      follows: ': it can be calibrated by more examples no weight has seen',
    }),
  ];
}

/** How much of a figure is lost, as a share of what float reaches; negative where it gained. */
export function relativeLoss(float: number, value: number, better: Better): number {
  const lost = better === 'higher' ? float - value : value - float;
  return lost === 0 ? 0 : lost / Math.abs(float);
}

/**
 * Judged by the figure itself, not by its interval: both files answered the same examples, so nothing but their own disagreements
 * is uncertain, and an interval would let a variant pass the more easily the fewer examples there are. That is strict on few
 * examples, and may be: all it can cost is the variant, never the version.
 */
function lossCheck({ variant, loss, leftOut }: VariantEvidence, limit: number | undefined): GateCheck | undefined {
  if (variant === 'fp32' || leftOut !== undefined || limit === undefined) return undefined;
  const share = loss === undefined ? Number.NaN : relativeLoss(loss.float, loss.value, loss.better);
  const found =
    loss === undefined || Number.isNaN(share)
      ? `what ${variant} loses against float was not measured`
      : `${variant} ${share > 0 ? `loses ${smallPercent(share)} of` : 'loses nothing of'} ${loss.metric} on the same ${loss.examples} examples (${shown(loss.value)}, float ${shown(loss.float)})`;
  return limitCheck({
    name: `quantisation_loss_${variant}`,
    value: share,
    side: 'at most',
    limit,
    found,
    show: smallPercent,
    follows: `: ${variant} is left out`,
    variant,
  });
}

function shipping({ variant, leftOut }: VariantEvidence, check: GateCheck | undefined): ShippedVariant {
  if (leftOut !== undefined) return { variant, ships: false, words: leftOut };
  if (check === undefined) return { variant, ships: true, words: variant === 'fp32' ? 'float, what the others are held against' : 'no limit is set for it' };
  return { variant, ships: check.passed, words: check.words };
}

/** The fastest variant is what such a machine would run; the largest is what it may have to fetch. */
function costOfRunning(shipped: readonly VariantEvidence[], { latencyMsMax, memoryBytesMax, modelBytesMax }: GateLimits): GateCheck[] {
  const p90Of = ({ latency }: VariantEvidence): number => latency?.p90Ms ?? Number.NaN;
  const fastest = shipped.filter((one) => !Number.isNaN(p90Of(one))).toSorted((one, other) => p90Of(one) - p90Of(other))[0];
  const checks: GateCheck[] = [];
  if (latencyMsMax !== undefined) {
    const value = fastest === undefined ? Number.NaN : p90Of(fastest);
    const found =
      fastest === undefined ? 'no latency was measured' : `the fastest variant, ${fastest.variant}, answers nine of ten questions within ${shown(value)} ms`;
    checks.push(limitCheck({ name: 'latency_ms', value, side: 'at most', limit: latencyMsMax, found, show: (ms) => `${shown(ms)} ms` }));
  }
  if (memoryBytesMax !== undefined) {
    const value = fastest?.latency?.memoryBytes ?? Number.NaN;
    const found = Number.isNaN(value) ? 'no memory was measured' : `the fastest variant, ${fastest?.variant}, takes ${value} bytes of memory`;
    checks.push(limitCheck({ name: 'memory_bytes', value, side: 'at most', limit: memoryBytesMax, found, show: bytes }));
  }
  if (modelBytesMax !== undefined) {
    const value = shipped.length === 0 ? Number.NaN : Math.max(...shipped.map((one) => one.bytes));
    const found = shipped.length === 0 ? 'no variant is left' : `the largest variant has ${value} bytes`;
    checks.push(limitCheck({ name: 'model_bytes', value, side: 'at most', limit: modelBytesMax, found, show: bytes }));
  }
  return checks;
}

const bytes = (count: number): string => `${Math.round(count)} bytes`;
