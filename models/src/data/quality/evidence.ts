import { bisect, lnBeta, lnGammaQ } from '@serin/stats/special-functions';

/**
 * The tests behind what is reported, each with its rate of false alarms for records that are drawn independently. They hold at
 * any number of records, but for those that say they are approximations.
 */

/** Of one validation, over all columns and checks that chance can set off: each of k tests gets a k-th (Bonferroni). */
export const falseAlarmRate = 0.001;

function divergence(seen: number, assumed: number): number {
  if (assumed <= 0) return seen > 0 ? Number.POSITIVE_INFINITY : 0;
  if (assumed >= 1) return seen < 1 ? Number.POSITIVE_INFINITY : 0;
  const yes = seen === 0 ? 0 : seen * Math.log(seen / assumed);
  const no = seen === 1 ? 0 : (1 - seen) * Math.log((1 - seen) / (1 - assumed));
  return yes + no;
}

/** Whether `count` of `total` is more than a share of at most `limit` gives by chance (Chernoff). */
export function exceeds(count: number, total: number, limit: number, alpha: number): boolean {
  return total > 0 && count / total > limit && total * divergence(count / total, limit) >= Math.log(1 / alpha);
}

/** The largest share that `count` of `total` leaves possible. */
export function shareAtMost(count: number, total: number, alpha: number): number {
  if (total === 0) return 1;
  const seen = count / total;
  return bisect((share) => total * divergence(seen, share) - Math.log(1 / alpha), seen, 1);
}

/** ln of the chance that none of `before` records is among some `count` of all that are alike: what is new only now. */
export function lnChanceOfNew(count: number, now: number, before: number): number {
  if (count > now) return Number.NEGATIVE_INFINITY;
  const lnChoose = (n: number, k: number): number => -Math.log(n + 1) - lnBeta(n - k + 1, k + 1);
  return lnChoose(now, count) - lnChoose(now + before, count);
}

/** ln P(at most `count` of `total`) where each has the chance `share`. */
export function lnFewer(count: number, total: number, share: number): number {
  let sum = 0;
  for (let seen = 0; seen <= count; seen += 1) {
    const lnChoose = -Math.log(total + 1) - lnBeta(total - seen + 1, seen + 1);
    sum += Math.exp(lnChoose + seen * Math.log(share) + (total - seen) * Math.log1p(-share));
  }
  return Math.min(0, Math.log(sum));
}

/** ln P(at least `count`) of a Poisson count, by Chernoff's bound. */
export function lnMoreThanPoisson(count: number, mean: number): number {
  if (count <= mean) return 0;
  if (mean === 0) return Number.NEGATIVE_INFINITY;
  return count - mean - count * Math.log(count / mean);
}

/** How far apart two distribution functions of as many numbers come by chance (Dvoretzky, Kiefer, Wolfowitz; the constant e by Wei and Dudley 2012). */
export const gapByChance = (one: number, other: number, alpha: number): number => Math.sqrt(((Math.log(1 / alpha) + 1) * (one + other)) / (2 * one * other));

const expectedMin = 10;

/** ln of the p-value that two counts of the same levels are of one distribution; rare levels are taken together. Pearson's test: an approximation for many records. */
export function lnSameLevels(one: readonly number[], other: readonly number[]): number {
  const [n, m] = [one, other].map((counts) => counts.reduce((total, count) => total + count, 0)) as [number, number];
  if (n === 0 || m === 0) return 0;
  const cells: [number, number][] = [];
  const rare: [number, number] = [0, 0];
  one.forEach((count, level) => {
    const pair: [number, number] = [count, other[level] ?? 0];
    if (((pair[0] + pair[1]) * Math.min(n, m)) / (n + m) >= expectedMin) cells.push(pair);
    else {
      rare[0] += pair[0];
      rare[1] += pair[1];
    }
  });
  if (((rare[0] + rare[1]) * Math.min(n, m)) / (n + m) >= expectedMin) cells.push(rare);
  if (cells.length < 2) return 0;
  let statistic = 0;
  for (const [a, b] of cells) statistic += (a * Math.sqrt(m / n) - b * Math.sqrt(n / m)) ** 2 / (a + b);
  return lnGammaQ((cells.length - 1) / 2, statistic / 2);
}

/** How large a correlation of `count` pairs is as good as certain to be (Fisher's z): an approximation for many pairs of normal values. */
export function correlationAtLeast(correlation: number, count: number, deviations: number): number {
  return count <= 3 ? 0 : Math.tanh(Math.atanh(Math.min(Math.abs(correlation), 1 - 1e-12)) - deviations / Math.sqrt(count - 3));
}
