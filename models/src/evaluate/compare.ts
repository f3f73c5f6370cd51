import { bisect, lnGamma } from '@serin/stats/special-functions';

export interface PairedComparison {
  readonly count: number;
  /** Examples only the challenger has right. */
  readonly wins: number;
  /** Examples only the champion has right. */
  readonly losses: number;
  /** Accuracy of the challenger minus that of the champion. */
  readonly difference: number;
  /** Holds the true difference with at least the stated confidence, at any sample size. */
  readonly interval: readonly [low: number, high: number];
  /** Exact two-sided McNemar test of "equally accurate". */
  readonly pValue: number;
}

const lnChoose = (n: number, k: number): number => lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1);

/** P(X <= k) of a binomial. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k >= n) return 1;
  if (k < 0 || p >= 1) return 0;
  if (p <= 0) return 1;
  let sum = 0;
  for (let index = 0; index <= k; index += 1) {
    sum += Math.exp(lnChoose(n, index) + index * Math.log(p) + (n - index) * Math.log1p(-p));
  }
  return Math.min(1, sum);
}

/** Clopper-Pearson: exact interval of a share. */
export function shareInterval(successes: number, trials: number, alpha: number): [low: number, high: number] {
  if (trials === 0) return [0, 1];
  const low = successes === 0 ? 0 : bisect((p) => 1 - binomialCdf(successes - 1, trials, p) - alpha / 2, 0, 1);
  const high = successes === trials ? 1 : bisect((p) => alpha / 2 - binomialCdf(successes, trials, p), 0, 1);
  return [low, high];
}

/**
 * Two versions judged on the same examples. The difference is d (2w - 1): d the share of examples they disagree on,
 * w the share of those that the challenger wins. Each gets an exact interval at half of alpha.
 */
export function comparePaired(challenger: ArrayLike<number>, champion: ArrayLike<number>, alpha = 0.05): PairedComparison {
  const count = challenger.length;
  if (champion.length !== count) throw new RangeError(`${count} answers cannot be paired with ${champion.length}`);
  let wins = 0;
  let losses = 0;
  for (let index = 0; index < count; index += 1) {
    const better = (challenger[index] ?? 0) - (champion[index] ?? 0);
    if (better > 0) wins += 1;
    if (better < 0) losses += 1;
  }
  const disagreements = wins + losses;
  const [shareLow, shareHigh] = shareInterval(disagreements, count, alpha / 2);
  const [winLow, winHigh] = shareInterval(wins, disagreements, alpha / 2);
  const least = 2 * winLow - 1;
  const most = 2 * winHigh - 1;
  return {
    count,
    wins,
    losses,
    difference: count === 0 ? Number.NaN : (wins - losses) / count,
    interval: [least * (least < 0 ? shareHigh : shareLow), most * (most < 0 ? shareLow : shareHigh)],
    pValue: disagreements === 0 ? 1 : Math.min(1, 2 * binomialCdf(Math.min(wins, losses), disagreements, 0.5)),
  };
}
