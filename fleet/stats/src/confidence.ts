import { bisect, lnBeta, lnNormalCdf } from './special-functions.ts';

/**
 * Confidence sequences: bounds that hold at all times at once, so one may look after every window and stop when
 * one likes (Howard, Ramdas, McAuliffe, Sekhon 2021). `v` is the variance accumulated so far, `rho` says where the
 * bound is tightest. The log mixtures are logs of e-processes: reject when they reach ln(1 / alpha).
 */

/** The rho that makes the two-sided bound tightest at v; the one-sided bound uses twice the alpha. */
export function bestRho(v: number, alpha: number): number {
  const twice = 2 * Math.log(1 / alpha);
  return v / (twice + Math.log1p(twice));
}

/** Assumes: s is a sum of 1-sub-Gaussian steps with accumulated variance v and, under the null, mean zero. */
export function lnMixtureTwoSided(s: number, v: number, rho: number): number {
  return 0.5 * Math.log(rho / (v + rho)) + (s * s) / (2 * (v + rho));
}

/** Assumes the same as the two-sided mixture, for the null "mean at most zero". */
export function lnMixtureOneSided(s: number, v: number, rho: number): number {
  const spread = v + rho;
  return 0.5 * Math.log((4 * rho) / spread) + (s * s) / (2 * spread) + lnNormalCdf(s / Math.sqrt(spread));
}

/** |s| stays below this at all times with probability 1 - alpha. */
export function boundTwoSided(v: number, rho: number, alpha: number): number {
  return Math.sqrt((v + rho) * (Math.log((v + rho) / rho) + 2 * Math.log(1 / alpha)));
}

/** s stays below this at all times with probability 1 - alpha. */
export function boundOneSided(v: number, rho: number, alpha: number): number {
  const target = Math.log(1 / alpha);
  // Phi >= 1/2 for s >= 0, so the two-sided bound with all of alpha on a doubled budget encloses the root.
  const high = Math.sqrt((v + rho) * 2 * (target + Math.LN2 + 0.5 * Math.log((v + rho) / rho)));
  return bisect((s) => lnMixtureOneSided(s, v, rho) - target, 0, high);
}

export type Interval = [low: number, high: number];

/**
 * Confidence sequence for a probability by beta-binomial mixtures, tightest around `trialsBest` trials.
 * Assumes: every trial has the same conditional probability given the past (or the interval is about their mean).
 */
export function bernoulliInterval(successes: number, trials: number, alpha: number, trialsBest = 300): Interval {
  if (trials === 0) return [0, 1];
  const target = Math.log(1 / alpha);
  const surprise = (p: number): number => {
    const variance = p * (1 - p);
    const room = Math.max(bestRho(trialsBest * variance, alpha) - variance, 1e-3 * variance);
    const a = room / (1 - p);
    const b = room / p;
    const failures = trials - successes;
    return lnBeta(a + successes, b + failures) - lnBeta(a, b) - successes * Math.log(p) - failures * Math.log1p(-p);
  };
  const share = successes / trials;
  const edge = 1e-12;
  const low = share <= edge ? 0 : bisect((p) => target - surprise(p), edge, Math.min(share, 1 - edge));
  const high = share >= 1 - edge ? 1 : bisect((p) => surprise(p) - target, Math.max(share, edge), 1 - edge);
  return [low, high];
}

/**
 * Half width of the asymptotic confidence sequence of a mean. Assumes: many independent (or martingale)
 * differences with finite variance; like the central limit theorem it promises nothing for small n.
 */
export function asymptoticHalfWidth(n: number, variance: number, rhoSquared: number, alpha: number): number {
  const scaled = n * rhoSquared + 1;
  return Math.sqrt(variance * ((2 * scaled) / (n * n * rhoSquared)) * Math.log(Math.sqrt(scaled) / alpha));
}
