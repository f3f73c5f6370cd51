import type { Distribution } from './summary.ts';

/** What is known of a distribution function at `value`: between these shares. */
function boundsAt({ at, upTo, complete }: Distribution, value: number): [low: number, high: number] {
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  const below = low === 0 ? 0 : (upTo[low - 1] as number);
  if (complete || (low > 0 && at[low - 1] === value)) return [below, below];
  return [below, low === at.length ? 1 : low === 0 ? 0 : (upTo[low] as number)];
}

/**
 * How far apart two distribution functions lie at the least (Kolmogorov and Smirnov's distance), from what is known of both at
 * some points: what lies between points is counted in favour of equality.
 */
export function gapAtLeast(one: Distribution, other: Distribution): number {
  let gap = 0;
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.at.forEach((value, place) => {
      const share = from.upTo[place] as number;
      const [low, high] = boundsAt(to, value);
      gap = Math.max(gap, low - share, share - high);
    });
  }
  return Math.max(0, gap - one.error - other.error);
}

/** The distribution of what the values become; a negative factor turns their order round. */
export function scaled(from: Distribution, factor: number, offset: number): Distribution {
  const at = from.at.map((value) => value * factor + offset);
  if (factor > 0) return { ...from, at };
  const upTo = from.upTo.map((_, place) => 1 - (place === 0 ? 0 : (from.upTo[place - 1] as number)));
  return { ...from, at: at.toReversed(), upTo: upTo.toReversed() };
}
