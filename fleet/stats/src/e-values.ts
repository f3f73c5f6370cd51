import { bisect, lnBeta } from './special-functions.ts';

/**
 * E-values: bets against a hypothesis. Under it the expected stake never grows, so the chance that it ever reaches
 * 1 / alpha is at most alpha, however often one looks. All products are kept as logs.
 */

const INSTALL_STEPS = 12;
const INSTALL_GROWTH = 1.5;
const INSTALL_SHARE_MAX = 0.95;
const E_MAX = 1e12;

/** An e-value out of its log, cut so that it stays plain JSON; a smaller one is always safe. */
export function eValue(lnE: number): number {
  return Math.min(Math.exp(lnE), E_MAX);
}

function lnMeanExp(terms: readonly number[]): number {
  const largest = Math.max(...terms);
  return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0) / terms.length);
}

/**
 * E-value against "installs fail with probability at most p0": a mixture over twelve worse rates.
 * Assumes: each install fails with at most p0 given the ones before it; installs are counted when they settle.
 */
export function installFailureE(failures: number, installs: number, p0: number): number {
  if (!(p0 > 0 && p0 < INSTALL_SHARE_MAX)) throw new RangeError(`the usual failure rate must lie between 0 and 0.95, got ${p0}`);
  const successes = installs - failures;
  const terms = Array.from({ length: INSTALL_STEPS }, (_, j) => {
    const worse = Math.min(INSTALL_SHARE_MAX, p0 * INSTALL_GROWTH ** (j + 1));
    return failures * Math.log(worse / p0) + successes * Math.log((1 - worse) / (1 - p0));
  });
  return eValue(lnMeanExp(terms));
}

/**
 * ln e-value against "an event falls on the first side with probability `share`": crashes by exposure, discordant
 * labels with share 1/2. Assumes: given the past, the side of each event is an independent coin of that share.
 */
export function lnShareE(first: number, second: number, share: number, a = 0.5, b = 0.5): number {
  return lnBeta(a + first, b + second) - lnBeta(a, b) - first * Math.log(share) - second * Math.log(1 - share);
}

/** Frames of one arm in one block, and how many of them were bad. */
export interface ArmCounts {
  n: number;
  bad: number;
}

export interface Block {
  treated: ArmCounts;
  control: ArmCounts;
}

/** The null about treated minus control that a bet is against. */
export interface GapNull {
  side: 'at most' | 'at least';
  gap: number;
}

/** Weight of the reference rate in the plug-in, in frames. */
const PLUG_IN_FRAMES = 50;
const SHARE_EDGE = 1e-6;

/** The point t of the null (control at t, treated at t + gap) closest to a pair of rates, by KL weighted with the sizes. */
export function projectOntoGap(control: number, treated: number, controlFrames: number, treatedFrames: number, gap: number): number {
  const low = Math.max(0, -gap);
  const high = Math.min(1, 1 - gap);
  const slope = (t: number): number => {
    const shifted = t + gap;
    return (controlFrames * (t - control)) / (t * (1 - t)) + (treatedFrames * (shifted - treated)) / (shifted * (1 - shifted));
  };
  return bisect(slope, low, high);
}

function lnLikelihood({ n, bad }: ArmCounts, rate: number): number {
  return (bad === 0 ? 0 : bad * Math.log(rate)) + (n === bad ? 0 : (n - bad) * Math.log1p(-rate));
}

function plugIn(past: ArmCounts, usualRate: number): number {
  const rate = (past.bad + PLUG_IN_FRAMES * usualRate) / (past.n + PLUG_IN_FRAMES);
  return Math.min(Math.max(rate, SHARE_EDGE), 1 - SHARE_EDGE);
}

/** ln e-variable of one block: the rates expected from the past against the closest pair inside the null. */
function lnBlockE(block: Block, past: Block, bet: GapNull, usualRate: number): number {
  const { treated, control } = block;
  if (treated.n === 0 || control.n === 0) return 0;
  const expectedControl = plugIn(past.control, usualRate);
  const expectedTreated = plugIn(past.treated, usualRate);
  const gap = expectedTreated - expectedControl;
  if (bet.side === 'at most' ? gap <= bet.gap : gap >= bet.gap) return 0;
  const t = projectOntoGap(expectedControl, expectedTreated, control.n, treated.n, bet.gap);
  return lnLikelihood(control, expectedControl) + lnLikelihood(treated, expectedTreated) - lnLikelihood(control, t) - lnLikelihood(treated, t + bet.gap);
}

/**
 * ln e-value after each block, against a null about the difference of two shares (Turner, Ly, Grünwald 2021, with
 * the projection of a convex null). Assumes: within a block every frame of an arm is bad with the same probability,
 * independently, whatever the past; block sizes do not depend on the outcomes inside the block. Devices that differ
 * among themselves break it: twenty against five fixed devices gave 13 to 31 % false alarms at 5 %.
 * `usualRate` is the share of bad frames known before the experiment; a wrong one costs power, never validity.
 */
export function lnBlocksE(blocks: readonly Block[], bet: GapNull, usualRate: number): number[] {
  if (!(Math.abs(bet.gap) < 1)) throw new RangeError(`a gap between shares lies within (-1, 1), got ${bet.gap}`);
  const past: Block = { treated: { n: 0, bad: 0 }, control: { n: 0, bad: 0 } };
  let lnE = 0;
  return blocks.map((block) => {
    lnE += lnBlockE(block, past, bet, usualRate);
    for (const arm of ['treated', 'control'] as const) {
      past[arm].n += block[arm].n;
      past[arm].bad += block[arm].bad;
    }
    return lnE;
  });
}
