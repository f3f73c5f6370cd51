import { correctedPsi } from '@serin/stats/distances';
import { initialDrift, stepDrift, windowPValue, driftRule, type DriftState } from '@serin/stats/drift-detector';
import { addCounts, totalCount } from '@serin/stats/histogram';
import type { Profile, ProfileStatistic } from '@serin/protocol/bundle/profile';
import type { RawWindow } from '@serin/device/ports';

/** Windows are merged until they hold as many frames as the reference windows, or their distances would not compare. */
export interface StatisticDrift {
  name: string;
  /** The last full window; all zero before the first. */
  counts: number[];
  psi: number;
  /** Share of the reference windows at least as far out. */
  p: number;
  /** What is being merged. */
  pending: number[];
  detector: DriftState;
}

export interface DriftWatch {
  statistics: StatisticDrift[];
  framesPerWindow: number;
  pendingFrames: number;
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);

export const startDriftWatch = (profile: Profile): DriftWatch => ({
  framesPerWindow: profile.framesPerWindow,
  pendingFrames: 0,
  statistics: profile.statistics.map(({ name, counts }) => ({
    name,
    counts: zeros(counts.length),
    psi: Number.NaN,
    p: Number.NaN,
    pending: zeros(counts.length),
    detector: initialDrift,
  })),
});

function judge(reference: ProfileStatistic, counts: number[], detector: DriftState, at: number): Pick<StatisticDrift, 'counts' | 'psi' | 'p' | 'detector'> {
  const psi = correctedPsi(reference.counts, counts);
  const p = windowPValue(reference.nullPsi, psi);
  return { counts, psi, p, detector: stepDrift(detector, { p, effect: psi, at }) };
}

/** The same statistics and the same rule as the control plane applies, on this page's own windows. */
export function stepDriftWatch(watch: DriftWatch, profile: Profile, window: RawWindow): DriftWatch {
  const pendingFrames = watch.pendingFrames + window.counters.run;
  const isFull = watch.framesPerWindow > 0 && pendingFrames >= watch.framesPerWindow;
  const statistics = watch.statistics.map((statistic): StatisticDrift => {
    const reference = profile.statistics.find(({ name }) => name === statistic.name);
    const counted = window.statistics.find(({ name }) => name === statistic.name);
    if (reference === undefined || counted === undefined || counted.counts.length !== statistic.pending.length) return statistic;
    const pending = [...statistic.pending];
    addCounts(pending, counted.counts);
    if (!isFull || totalCount(pending) === 0) return { ...statistic, pending };
    return { ...statistic, ...judge(reference, pending, statistic.detector, window.to), pending: zeros(pending.length) };
  });
  return { ...watch, statistics, pendingFrames: isFull ? 0 : pendingFrames };
}

/** How far the evidence is on its way to an alert, 0 to 1, on a log scale. */
export const evidenceShare = ({ r }: DriftState): number => Math.min(1, Math.log1p(r) / Math.log1p(driftRule.threshold));
