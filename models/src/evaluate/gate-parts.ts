import { bisect, lnNormalCdf } from '@serin/stats/special-functions';
import type { Estimate } from '@serin/protocol/api/runs';
import type { GateSettings } from '@serin/protocol/pipeline';

import { shown } from '../pipeline/figures.ts';
import { limitCheck, type Better, type GateCheck } from './gate-check.ts';
import type { Robustness } from './measured.ts';

/** Checks that look at many figures of one kind and are decided by the worst. */

/** A figure on the examples that share a value; null where they are too few or do not define it. */
export interface SliceEvidence {
  readonly column: string;
  readonly value: string;
  readonly count: number;
  readonly metric: Estimate | null;
  /** Minus that of everybody else, by intervals that hold for all slices at once. */
  readonly difference?: Estimate | null;
}

const namedMax = 5;

/** The others that fail beside the worst, by name. */
function also(names: readonly string[]): string {
  const [, ...others] = names;
  if (others.length === 0) return '';
  const more = others.length > namedMax ? ` and ${others.length - namedMax} more` : '';
  return `; so ${others.length === 1 ? 'does' : 'do'} ${others.slice(0, namedMax).join(', ')}${more}`;
}

const nameOf = ({ column, value }: SliceEvidence): string => `${column}=${value === '' ? '(empty)' : value}`;

/** Worst first; what is not a number is worse than all. */
const worstFirst = <Item>(items: readonly Item[], badness: (item: Item) => number): Item[] =>
  items.toSorted((one, other) => (Number.isNaN(badness(one)) ? -1 : Number.isNaN(badness(other)) ? 1 : badness(other) - badness(one)));

/**
 * A slice fails where its interval leaves no doubt, because among many small slices some look bad by chance. The intervals of
 * differences hold all at once already; those of the slices' own figures are widened to do so (Bonferroni, by a normal's quantiles).
 */
export function sliceChecks(
  { slices = [], main: { metric, better } }: { readonly slices?: readonly SliceEvidence[] | undefined; readonly main: { metric: string; better: Better } },
  limits: GateSettings['slices'],
): GateCheck[] {
  if (limits === undefined) return [];
  const judged = slices.filter((slice): slice is JudgedSlice => slice.metric !== null);
  const checks: GateCheck[] = [];
  if (limits.dropMax !== undefined) checks.push(dropCheck(judged, metric, better, limits.dropMax));
  if (limits.min !== undefined) checks.push(boundCheck(judged, metric, 'at least', limits.min));
  if (limits.max !== undefined) checks.push(boundCheck(judged, metric, 'at most', limits.max));
  return checks;
}

type JudgedSlice = SliceEvidence & { readonly metric: Estimate };
const unknown: Estimate = { value: Number.NaN, low: Number.NaN, high: Number.NaN };
const nothing = 'no slice had examples enough to be judged';

function dropCheck(slices: readonly JudgedSlice[], metric: string, better: Better, limit: number): GateCheck {
  const name = 'slices_drop';
  const dropOf = ({ difference }: JudgedSlice): Estimate => {
    const { value, low, high } = difference ?? unknown;
    return better === 'higher' ? { value: -value, low: -high, high: -low } : { value, low, high };
  };
  const ordered = worstFirst(slices, (slice) => dropOf(slice).low);
  const [worst] = ordered;
  if (worst === undefined) return limitCheck({ name, value: Number.NaN, side: 'at most', limit, found: nothing });
  const drop = dropOf(worst);
  const failing = ordered.filter((slice) => !(dropOf(slice).low <= limit)).map(nameOf);
  const apart = Number.isNaN(drop.value)
    ? 'not compared with everybody else'
    : `${drop.value > 0 ? 'worse' : 'better'} than everybody else by ${shown(Math.abs(drop.value))}`;
  const sure = failing.length > 0 ? (Number.isNaN(drop.low) ? '' : `, by ${shown(drop.low)} at the very least`) : sureWords(slices.length, drop.low);
  return limitCheck({
    name,
    value: drop.low,
    side: 'at most',
    limit,
    found: `on ${nameOf(worst)} (${worst.count} examples) ${metric} is ${shown(worst.metric.value)}, ${apart}${sure}`,
    follows: also(failing),
  });
}

const sureWords = (count: number, low: number): string =>
  low <= 0 ? `; none of ${count} slices is certain to be worse` : `; none of ${count} slices is certain to be worse by more than ${shown(low)}`;

/** The quantile of the normal that k intervals of 5 % need, over that of one. */
export function widening(figures: number, alpha = 0.05): number {
  const quantileOf = (tail: number): number => bisect((x) => lnNormalCdf(x) - Math.log1p(-tail), 0, 40);
  return quantileOf(alpha / 2 / Math.max(1, figures)) / quantileOf(alpha / 2);
}

function boundCheck(slices: readonly JudgedSlice[], metric: string, side: 'at least' | 'at most', limit: number): GateCheck {
  const name = side === 'at least' ? 'slices_min' : 'slices_max';
  const wide = widening(slices.length);
  /** The end of the interval that speaks for the slice. */
  const boundOf = ({ metric: { value, low, high } }: JudgedSlice): number =>
    side === 'at least' ? value + wide * (high - value) : value - wide * (value - low);
  const sign = side === 'at least' ? -1 : 1;
  const ordered = worstFirst(slices, (slice) => sign * boundOf(slice));
  const [worst] = ordered;
  if (worst === undefined) return limitCheck({ name, value: Number.NaN, side, limit, found: nothing });
  const failing = ordered.filter((slice) => !(sign * boundOf(slice) <= sign * limit)).map(nameOf);
  return limitCheck({
    name,
    value: boundOf(worst),
    side,
    limit,
    found: `on ${nameOf(worst)} (${worst.count} examples) ${metric} is ${shown(worst.metric.value)}, ${side === 'at least' ? 'at most' : 'at least'} ${shown(boundOf(worst))} by its interval`,
    follows: also(failing),
  });
}

/** Judged by the drop itself: every perturbation is measured on the same examples, as they are and disturbed. */
export function robustnessChecks(
  { robustness }: { readonly robustness?: Pick<Robustness, 'metric' | 'perturbed'> | undefined },
  limits: GateSettings['robustness'],
): GateCheck[] {
  return Object.entries(limits ?? {}).map(([kind, { dropMax, severityMax = Infinity }]) => {
    const check = { name: `robustness_${kind}`, side: 'at most', limit: dropMax } as const;
    const perturbed = robustness?.perturbed ?? [];
    const dropOf = ({ drop }: (typeof perturbed)[number]): number => drop?.value ?? Number.NaN;
    const ordered = worstFirst(
      perturbed.filter((item) => item.kind === kind && item.severity <= severityMax),
      dropOf,
    );
    const [worst] = ordered;
    const value = worst === undefined ? Number.NaN : dropOf(worst);
    if (worst === undefined || Number.isNaN(value)) {
      const kinds = [...new Set(perturbed.map((item) => item.kind))];
      const others = worst !== undefined ? worst.words : kinds.length === 0 ? 'nothing was perturbed' : `perturbed were ${kinds.join(', ')}`;
      return limitCheck({ ...check, value: Number.NaN, found: `what ${kind} costs was not measured (${others})` });
    }
    const { low, high } = worst.drop as Estimate;
    const lost = `${value >= 0 ? 'a drop' : 'a gain'} of ${shown(Math.abs(value))} (${shown(low)} to ${shown(high)})`;
    return limitCheck({
      ...check,
      value,
      found: `under ${kind} of severity ${worst.severity} (${worst.words}) ${robustness?.metric ?? 'the metric'} is ${shown(worst.estimate?.value ?? Number.NaN)}, ${lost}`,
      follows: also(ordered.filter((item) => !(dropOf(item) <= dropMax)).map(({ severity }) => `severity ${severity}`)),
    });
  });
}
