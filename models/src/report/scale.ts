/** From figures to places on a drawing, rounded so that the same figure always is the same text. */

export interface Scale {
  readonly low: number;
  readonly high: number;
  /** A place between 0 and 1. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** One, two or five times a power of ten. */
function step(span: number, wanted: number): number {
  const rough = span / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find((times) => times * power >= rough) ?? 10) * power;
}

const drawnMax = 1e100;
const ticksMax = 20;

/** From a little below the least to a little above the most, ending on ticks; never beyond the bounds. */
export function niceScale(values: readonly number[], { ticks: wanted = 5, floor = -Infinity, ceiling = Infinity } = {}): Scale {
  // What no drawing could show is left off it.
  const finite = values.filter((value) => Math.abs(value) < drawnMax);
  const [least, most] = finite.length === 0 ? [0, 1] : [Math.min(...finite), Math.max(...finite)];
  const spread = most - least || Math.abs(most) / 10 || 1;
  const each = step(spread * 1.08, wanted);
  const low = Math.max(floor, Math.floor((least - spread * 0.04) / each) * each);
  const high = Math.min(ceiling, Math.ceil((most + spread * 0.04) / each) * each);
  const first = Math.ceil(low / each - 1e-9);
  const ticks = Array.from({ length: Math.min(ticksMax, Math.max(0, Math.floor(high / each + 1e-9) - first + 1)) }, (_, index) =>
    Number(((first + index) * each).toPrecision(12)),
  );
  return { low, high, at: (value) => (high === low ? 0.5 : Math.min(1, Math.max(0, (value - low) / (high - low)))), ticks };
}

/** A length with two decimals at most. */
export const px = (value: number): string => String(Number((Number.isFinite(value) ? value : 0).toFixed(2)));
export const share = (value: number): string => `${px(100 * value)}%`;
