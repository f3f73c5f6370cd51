import type { ProfileStatistic } from '@serin/protocol/bundle/profile';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { correctedPsi } from '@serin/stats/distances';
import { initialDrift, stepDrift, windowPValue, type DriftRule, type DriftState } from '@serin/stats/drift-detector';
import { addCounts, totalCount } from '@serin/stats/histogram';

/** One statistic, watched over the whole fleet or on one device. Plain JSON, kept between windows. */
export interface Watch {
  drift: DriftState;
  /** Windows on their way to becoming as large as a reference window. */
  pending: { counts: number[]; sum: number; from: number } | null;
  /** The last one that was judged. */
  judged: { counts: number[]; mean: number; effect: number; at: number } | null;
}

export const newWatch = (): Watch => ({ drift: initialDrift, pending: null, judged: null });

type WindowStatistic = TelemetryWindow['statistics'][number];

/** Whether the counts were made with the bins of the profile: anything else cannot be added. */
export const fits = (reference: ProfileStatistic, seen: WindowStatistic): boolean => seen.counts.length === reference.counts.length;

/**
 * Adds one device window. Once enough frames are together they are judged as one window: its distance from the
 * reference, the rank of that distance among reference windows, and one step of the detector. Counts add exactly,
 * and a window with more frames than the reference windows have is only less likely to alarm.
 */
export function feedWatch(watch: Watch, reference: ProfileStatistic, framesPerWindow: number, seen: WindowStatistic, from: number, rule: DriftRule): Watch {
  const counts = watch.pending?.counts.slice() ?? seen.counts.map(() => 0);
  addCounts(counts, seen.counts);
  const pending = { counts, sum: (watch.pending?.sum ?? 0) + seen.sum, from: watch.pending?.from ?? from };
  const frames = totalCount(counts);
  if (frames < framesPerWindow) return { ...watch, pending };
  const effect = correctedPsi(reference.counts, counts);
  const drift = stepDrift(watch.drift, { p: windowPValue(reference.nullPsi, effect), effect, at: pending.from }, rule);
  const values = frames - missingOf(counts);
  return { drift, pending: null, judged: { counts, mean: values === 0 ? reference.mean : pending.sum / values, effect, at: pending.from } };
}

/** What was no number: an empty cell of a record, a category nobody knew, an answer that is not finite. */
const missingOf = (counts: readonly number[]): number => counts.at(-1) ?? 0;
const missingShare = (counts: readonly number[]): number => missingOf(counts) / Math.max(1, totalCount(counts));
const missingMoveMin = 0.1;

/** By how much the mean moved, or how many have no value any more, in words with as many digits as matter. */
export function describeMove(reference: ProfileStatistic, { counts, mean }: Pick<NonNullable<Watch['judged']>, 'counts' | 'mean'>): string {
  const [before, now] = [missingShare(reference.counts), missingShare(counts)];
  if (Math.abs(now - before) >= missingMoveMin) return `from ${Math.round(before * 100)} % to ${Math.round(now * 100)} % without a known value`;
  const digits = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(3));
  return `from ${digits(reference.mean)} to ${digits(mean)}`;
}

/** By the distance alone, until labels say what it costs. */
export function severityOf(effect: number): 'low' | 'medium' | 'high' {
  if (effect >= 1) return 'high';
  return effect >= 0.25 ? 'medium' : 'low';
}
