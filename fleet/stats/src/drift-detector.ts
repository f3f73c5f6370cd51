import { judgeCorrelation, type Holds } from './autocorrelation.ts';

/**
 * Drift of one statistic on one device, window by window. Each window's distance becomes a conformal p-value
 * against the reference windows, e = 1 / (2 sqrt p) is an e-value, and the Shiryaev-Roberts sum
 * R <- (R + 1) e alerts at R >= threshold, provided the effect is large enough to matter.
 *
 * Assumption: without drift, windows are exchangeable with the reference windows. Then the average number of
 * windows before a false alarm is at least the threshold (averaged over references too: one unlucky reference
 * can alarm sooner). Neighbouring windows that resemble each other break this, and alarms come much sooner; the
 * detector watches for that and `describePromise` says what it found.
 */
export interface DriftRule {
  /** Average run length promised, in windows; 8640 is 30 days of five minutes. */
  threshold: number;
  /** Least effect (corrected PSI) worth an alert. */
  effectMin: number;
  /** Windows in a row below half the effect that clear an alert. */
  clearWindows: number;
}

export const driftRule: DriftRule = { threshold: 8640, effectMin: 0.1, clearWindows: 3 };

export interface DriftWindow {
  /** From windowPValue. */
  p: number;
  /** Corrected PSI of the window. */
  effect: number;
  /** When the window began; becomes the `since` of an alert. */
  at: number;
}

interface PairSums {
  pairs: number;
  products: number;
}

/** Plain JSON, stored between windows. */
export interface DriftState {
  r: number;
  alert: boolean;
  /** While alerting: the window where the run that raised the alert began. */
  since: number | null;
  windows: number;
  calmWindows: number;
  /** Start and log evidence of the present run: the strongest term of the Shiryaev-Roberts sum. */
  runStart: number | null;
  runEvidence: number;
  lastP: number | null;
  /** Products of neighbouring p-values before the present run, and within it. */
  quiet: PairSums;
  run: PairSums;
}

export const initialDrift: DriftState = {
  r: 0,
  alert: false,
  since: null,
  windows: 0,
  calmWindows: 0,
  runStart: null,
  runEvidence: 0,
  lastP: null,
  quiet: { pairs: 0, products: 0 },
  run: { pairs: 0, products: 0 },
};

/** Keeps a long drift from growing past what JSON can hold; less evidence than seen is always safe. */
const R_MAX = 1e12;

/** Share of reference windows at least as far out; NaN without reference windows or without a value. */
export function windowPValue(nullSorted: ArrayLike<number>, value: number): number {
  if (nullSorted.length === 0 || Number.isNaN(value)) return Number.NaN;
  let low = 0;
  let high = nullSorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (nullSorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return (1 + nullSorted.length - low) / (nullSorted.length + 1);
}

/** A window without a p-value or an effect changes nothing: it is neither evidence of drift nor of calm. */
export function stepDrift(state: DriftState, window: DriftWindow, rule: DriftRule = driftRule): DriftState {
  const { p, effect, at } = window;
  if (Number.isNaN(p) || Number.isNaN(effect)) return state;
  if (!(p > 0 && p <= 1)) throw new RangeError(`a p-value lies in (0, 1], got ${p}`);
  const seen = state.windows + 1;
  const calmWindows = effect < rule.effectMin / 2 ? state.calmWindows + 1 : 0;
  if (state.alert && calmWindows >= rule.clearWindows) {
    return { ...initialDrift, windows: seen, quiet: state.quiet };
  }
  const e = 1 / (2 * Math.sqrt(p));
  const r = Math.min((state.r + 1) * e, R_MAX);
  const next = { ...state, ...trackRun(state, p, e, at), r, windows: seen, calmWindows };
  if (state.alert || r < rule.threshold || effect < rule.effectMin) return next;
  return { ...next, alert: true, since: next.runStart ?? at };
}

/** Follows the strongest run, and files neighbouring p-values as quiet once a run has come to nothing. */
function trackRun(state: DriftState, p: number, e: number, at: number) {
  const runEvidence = Math.max(state.runEvidence + Math.log(e), 0);
  const paired = state.lastP !== null && !state.alert;
  const run = {
    pairs: state.run.pairs + (paired ? 1 : 0),
    products: state.run.products + (paired ? (p - 0.5) * (state.lastP! - 0.5) : 0),
  };
  if (runEvidence > 0) return { runEvidence, runStart: state.runStart ?? at, lastP: p, run };
  const quiet = { pairs: state.quiet.pairs + run.pairs, products: state.quiet.products + run.products };
  return { runEvidence, runStart: null, lastP: p, quiet, run: initialDrift.run };
}

export interface DriftPromise {
  assumption: 'exchangeable windows';
  holds: Holds;
  /** Correlation of neighbouring p-values outside the present run; uniform and independent gives 0. */
  autocorrelation: number | null;
  words: string;
}

/**
 * What the false-alarm rate rests on, and whether the windows so far support it. `reference` is the same question
 * asked of the reference windows in their order (looksExchangeable); either side can break the promise.
 */
export function describePromise(state: DriftState, rule: DriftRule = driftRule, reference: Holds = 'unknown'): DriftPromise {
  const { pairs, products } = state.quiet;
  const autocorrelation = pairs === 0 ? null : (12 * products) / pairs;
  const live = judgeCorrelation(autocorrelation ?? 0, pairs);
  const holds = reference === false ? false : live;
  const rate = `on average at most one false alarm in ${rule.threshold} windows`;
  const words =
    holds === 'unknown'
      ? `${rate} if windows are exchangeable; too few windows seen to check`
      : holds
        ? `${rate} if windows are exchangeable; nothing seen so far contradicts that`
        : `no false-alarm rate can be promised: neighbouring windows resemble each other`;
  return { assumption: 'exchangeable windows', holds, autocorrelation, words };
}
