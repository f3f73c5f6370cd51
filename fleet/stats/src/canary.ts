import { bernoulliInterval, type Interval } from './confidence.ts';
import { eValue, lnBlocksE, type ArmCounts, type Block } from './e-values.ts';

export interface CanaryRule {
  /** Excess share of bad frames that is tolerated: beyond it the canary is worse. */
  delta: number;
  /** Excess share that would be too much: promotion needs proof that the excess is smaller. */
  margin: number;
  /** Chance of a wrong decision, for each of the two decisions. */
  alpha: number;
  /** Canary frames without which nothing is promoted; 3 / margin is a sound choice. */
  minFrames: number;
  /** Share of bad frames before the canary, if known; a wrong one costs time, never correctness. */
  usualRate?: number;
}

export interface CanaryVerdict {
  state: 'good' | 'bad' | 'pending';
  /** One sentence a person understands. */
  words: string;
  canaryBad: number | null;
  controlBad: number | null;
  /** Confidence sequence of canary minus control; null while an arm has no frames. */
  interval: Interval | null;
  canaryFrames: number;
  controlFrames: number;
  framesNeeded: number;
  /** Evidence that the canary is worse, at its strongest; the canary is bad at `threshold`. */
  eWorse: number;
  /** Evidence so far that it is not worse by the margin; the canary is good at `threshold`. */
  eNotWorse: number;
  threshold: number;
}

const USUAL_RATE = 0.01;

/**
 * Judges a canary by its share of bad frames against the control in the same blocks of time. May be asked again
 * after every block: each wrong decision has probability at most alpha over all looks together.
 *
 * Assumption: frames are exchangeable, so that without a difference between the versions a canary frame and a
 * control frame of one block are bad with the same probability, independently of each other. Devices whose own
 * error rates differ break it (a `delta` above the spread between devices is the remedy here; a paired switchback
 * needs no such remedy), and so do errors that come in bursts within a block.
 */
export function judgeCanary(blocks: readonly Block[], rule: CanaryRule): CanaryVerdict {
  const { delta, margin, alpha, minFrames, usualRate = USUAL_RATE } = rule;
  if (!(delta >= 0 && margin > 0 && alpha > 0 && alpha < 1)) {
    throw new RangeError('a canary rule needs delta >= 0, margin > 0 and alpha between 0 and 1');
  }
  for (const block of blocks) for (const arm of [block.treated, block.control]) checkArm(arm);
  const canary = addArms(blocks.map((block) => block.treated));
  const control = addArms(blocks.map((block) => block.control));
  const worse = lnBlocksE(blocks, { side: 'at most', gap: delta }, usualRate);
  const notWorse = lnBlocksE(blocks, { side: 'at least', gap: margin }, usualRate);
  const figures = {
    canaryBad: shareOf(canary),
    controlBad: shareOf(control),
    interval: differenceInterval(canary, control, alpha),
    canaryFrames: canary.n,
    controlFrames: control.n,
    framesNeeded: minFrames,
    // Once worse is worse for good; being not worse has to be true of all blocks up to now.
    eWorse: eValue(worse.reduce((most, lnE) => Math.max(most, lnE), 0)),
    eNotWorse: eValue(notWorse.at(-1) ?? 0),
    threshold: 1 / alpha,
  };
  return { ...decide(figures, margin), ...figures };
}

type Figures = Omit<CanaryVerdict, 'state' | 'words'>;

function decide(figures: Figures, margin: number): Pick<CanaryVerdict, 'state' | 'words'> {
  const { canaryFrames, controlFrames, framesNeeded, canaryBad, controlBad, eWorse, eNotWorse, threshold } = figures;
  if (canaryBad === null || controlBad === null) {
    const missing = canaryBad === null ? 'the canary' : 'the control';
    return { state: 'pending', words: `not enough data: no frames from ${missing} yet` };
  }
  const shares = `${percent(canaryBad)} of ${canaryFrames} canary frames bad against ${percent(controlBad)} of ${controlFrames}`;
  if (eWorse >= threshold) return { state: 'bad', words: `worse: ${shares}; ${odds(eWorse)} against chance` };
  if (canaryFrames < framesNeeded) {
    return { state: 'pending', words: `not enough data: ${canaryFrames} of ${framesNeeded} frames` };
  }
  if (eNotWorse >= threshold) {
    return { state: 'good', words: `not worse by ${percent(margin)}: ${shares}; ${odds(eNotWorse)} against chance` };
  }
  return { state: 'pending', words: `undecided: ${shares}; evidence ${odds(eNotWorse)}, ${odds(threshold)} needed` };
}

function checkArm({ n, bad }: ArmCounts): void {
  if (!(Number.isSafeInteger(n) && Number.isSafeInteger(bad) && bad >= 0 && bad <= n)) {
    throw new RangeError(`an arm counts whole frames and at most as many bad ones, got ${bad} of ${n}`);
  }
}

function addArms(arms: readonly ArmCounts[]): ArmCounts {
  return arms.reduce((sum, arm) => ({ n: sum.n + arm.n, bad: sum.bad + arm.bad }), { n: 0, bad: 0 });
}

function shareOf({ n, bad }: ArmCounts): number | null {
  return n === 0 ? null : bad / n;
}

/** Both shares lie in their sequences with probability 1 - alpha, so their difference lies in this. */
function differenceInterval(canary: ArmCounts, control: ArmCounts, alpha: number): Interval | null {
  if (canary.n === 0 || control.n === 0) return null;
  const [canaryLow, canaryHigh] = bernoulliInterval(canary.bad, canary.n, alpha / 2);
  const [controlLow, controlHigh] = bernoulliInterval(control.bad, control.n, alpha / 2);
  return [canaryLow - controlHigh, canaryHigh - controlLow];
}

function percent(share: number): string {
  const points = share * 100;
  return `${points >= 10 || points === 0 ? Math.round(points) : Number(points.toPrecision(2))} %`;
}

function odds(e: number): string {
  if (e > 10_000) return 'more than 10000 to 1';
  return e >= 1 ? `${Math.floor(e)} to 1` : 'less than 1 to 1';
}
