import { asSerinError } from '@serin/protocol/errors';
import type { Random } from '@serin/inference/random';

import { throwIfCancelled } from '../../train/cancellation.ts';
import { differenceOf, estimateOf, resampleAwake, type BootstrapOptions, type Resampled } from '../bootstrap.ts';
import { kindOf, type Judged, type KnownMetric } from '../judged.ts';
import type { PerturbedFigure, Robustness } from '../measured.ts';
import type { Counted } from '../ranking.ts';
import type { Perturbation } from './perturbation.ts';

export interface RobustnessOptions<Examples> {
  readonly examples: Examples;
  /** Answers the examples with the model and judges the answers: the same examples in the same order each time. */
  readonly judge: (examples: Examples) => Promise<Judged>;
  readonly perturbations: readonly Perturbation<Examples>[];
  readonly random: Random;
  /** The main one of those that were judged unless given. */
  readonly metric?: KnownMetric;
  readonly repeats?: number;
  readonly alpha?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number, words: string) => void;
  /** Once this has passed nothing more is begun; the report says what was left. */
  readonly timeMsMax?: number;
  readonly now?: () => number;
}

const usualTimeMsMax = 120_000;

/** How much worse answers get when something happens to the very same examples. */
export async function measureRobustness<Examples>(options: RobustnessOptions<Examples>): Promise<Robustness> {
  const { examples, judge, random, repeats = 1000, alpha = 0.05, signal, onProgress, timeMsMax = usualTimeMsMax, now = () => performance.now() } = options;
  const begun = now();
  const clean = await judge(examples);
  const metric = options.metric ?? clean.main;
  const { better, unit } = kindOf(metric);
  const drawing = { rows: clean.rows, groups: clean.groups, repeats, alpha };
  /** Every time the same resamples, so that what is compared is paired. */
  const resampled = (judged: Judged): Promise<Resampled> => resampledBy(judged.metrics[metric], { ...drawing, random: random.fork('resamples') }, signal);
  const before = await resampled(clean);

  const perturbed: PerturbedFigure[] = [];
  const left: Robustness['left'][number][] = [];
  // Mild ones of all kinds first: when time runs out, something is known of each.
  const ordered = options.perturbations.toSorted((one, other) => one.severity - other.severity);
  for (const [index, perturbation] of ordered.entries()) {
    throwIfCancelled(signal);
    const { kind, severity, words } = perturbation;
    onProgress?.(index / ordered.length, words);
    if (now() - begun >= timeMsMax) {
      left.push({ kind, severity, why: `the time for this, ${Math.round(timeMsMax / 1000)} s, was over` });
      continue;
    }
    const changed = await attempt(() => perturbation.apply(examples, { random: random.fork(kind), signal }), signal);
    if ('why' in changed) {
      left.push({ kind, severity, why: changed.why });
      continue;
    }
    const after = await resampled(await judge(changed.value));
    const drop = better === 'higher' ? differenceOf(before, after) : differenceOf(after, before);
    perturbed.push({ kind, severity, words, estimate: estimateOf(after, alpha) ?? null, drop: estimateOf(drop, alpha) ?? null });
  }
  const byKind = new Map([...new Set(options.perturbations.map(({ kind }) => kind))].map((kind, place) => [kind, place]));
  const inOrder = <Entry extends { readonly kind: string; readonly severity: number }>(entries: readonly Entry[]): Entry[] =>
    entries.toSorted((one, other) => (byKind.get(one.kind) ?? 0) - (byKind.get(other.kind) ?? 0) || one.severity - other.severity);
  return {
    metric,
    better,
    unit,
    count: clean.rows,
    clean: estimateOf(before, alpha) ?? null,
    perturbed: inOrder(perturbed),
    left: inOrder(left),
    repeats,
    alpha,
  };
}

const undefinedMetric: Counted = () => Number.NaN;

async function resampledBy(metric: Counted | undefined, options: BootstrapOptions, signal: AbortSignal | undefined): Promise<Resampled> {
  return (await resampleAwake({ metric: metric ?? undefinedMetric }, options, () => throwIfCancelled(signal))).metric;
}

/** What cannot be done to these examples is said, and the rest is measured. */
async function attempt<Value>(work: () => Promise<Value>, signal: AbortSignal | undefined): Promise<{ value: Value } | { why: string }> {
  try {
    return { value: await work() };
  } catch (error) {
    throwIfCancelled(signal);
    const { code, detail, message } = asSerinError(error);
    if (code === 'CANCELLED' || code === 'INTERNAL') throw error;
    return { why: `${code}: ${detail ?? message}` };
  }
}
