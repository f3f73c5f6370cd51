import type { Random } from '@serin/inference/random';
import type { Estimate } from '@serin/protocol/api/runs';

import { everyRow, type Counted } from './ranking.ts';

export interface BootstrapOptions {
  readonly rows: number;
  readonly repeats: number;
  readonly random: Random;
  /** Rows that belong together are drawn together: the group of each row, from 0. */
  readonly groups?: ArrayLike<number> | undefined;
  /** 0.05 for intervals of 95 %. */
  readonly alpha?: number;
}

/** Draws as many rows (or whole groups) as there are, with replacement: how often each is there. */
function drawCounts(counts: Uint16Array, random: Random, members: readonly Uint32Array[] | undefined): void {
  counts.fill(0);
  const units = members?.length ?? counts.length;
  for (let draw = 0; draw < units; draw += 1) {
    const unit = random.integer(units);
    if (members === undefined) counts[unit] = (counts[unit] as number) + 1;
    else for (const row of members[unit] as Uint32Array) counts[row] = (counts[row] as number) + 1;
  }
}

function membersOf(groups: ArrayLike<number>, rows: number): Uint32Array[] {
  const lists: number[][] = [];
  for (let row = 0; row < rows; row += 1) (lists[groups[row] as number] ??= []).push(row);
  return lists.filter((list) => list !== undefined).map((list) => Uint32Array.from(list));
}

/** Rows that are looked at between two looks at the world: a fraction of a second. */
const rowsBetween = 2e7;

/** Values of several metrics on the rows as they are, and on resamples; all metrics see the same ones, so differences are paired. */
export interface Resampled {
  readonly value: number;
  /** One a repeat; NaN where a resample does not define the metric. */
  readonly repeats: Float64Array;
}

/** Yields the share that is done now and then, for whoever must stay awake. */
function* resampling<Name extends string>(
  metrics: Readonly<Record<Name, Counted>>,
  { rows, repeats, random, groups }: BootstrapOptions,
): Generator<number, Record<Name, Resampled>> {
  const entries = Object.entries(metrics) as [Name, Counted][];
  const found = entries.map(([name, metric]) => [name, { value: metric(everyRow(rows)), repeats: new Float64Array(repeats) }] as const);
  const members = groups === undefined ? undefined : membersOf(groups, rows);
  const counts = new Uint16Array(rows);
  const each = Math.max(1, Math.floor(rowsBetween / Math.max(1, rows * entries.length)));
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    if (repeat % each === each - 1) yield repeat / repeats;
    drawCounts(counts, random, members);
    entries.forEach(([, metric], index) => {
      const [, { repeats: values }] = found[index] as (typeof found)[number];
      values[repeat] = metric(counts);
    });
  }
  return Object.fromEntries(found) as Record<Name, Resampled>;
}

export function resample<Name extends string>(metrics: Readonly<Record<Name, Counted>>, options: BootstrapOptions): Record<Name, Resampled> {
  const steps = resampling(metrics, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same for many rows: a signal to stop comes through while it works, and what `onProgress` throws ends it. */
export async function resampleAwake<Name extends string>(
  metrics: Readonly<Record<Name, Counted>>,
  options: BootstrapOptions,
  onProgress?: (fraction: number) => void,
): Promise<Record<Name, Resampled>> {
  const steps = resampling(metrics, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    onProgress?.(step.value);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The share of sorted values below which lies `at`, between two of them where need be. */
export function quantile(sorted: ArrayLike<number>, at: number): number {
  const place = at * (sorted.length - 1);
  const low = Math.floor(place);
  const [below, above] = [sorted[low] ?? Number.NaN, sorted[Math.min(sorted.length - 1, low + 1)] ?? Number.NaN];
  return below + (above - below) * (place - low);
}

/** Resamples of which too many do not define the metric say nothing about it. */
const undefinedShareMax = 0.2;

/** Percentile interval; undefined where the rows do not define the metric. */
export function estimateOf({ value, repeats }: Resampled, alpha = 0.05): Estimate | undefined {
  const sorted = repeats.filter((one) => Number.isFinite(one)).toSorted();
  if (!Number.isFinite(value) || sorted.length < repeats.length * (1 - undefinedShareMax)) return undefined;
  return { value, low: Math.min(value, quantile(sorted, alpha / 2)), high: Math.max(value, quantile(sorted, 1 - alpha / 2)) };
}

/** Of one metric less another on the same rows. */
export const differenceOf = (one: Resampled, other: Resampled): Resampled => ({
  value: one.value - other.value,
  repeats: one.repeats.map((value, repeat) => value - (other.repeats[repeat] ?? Number.NaN)),
});

/** Each metric with its interval; what the rows do not define is left out. */
export function estimatesOf<Name extends string>(resampled: Readonly<Record<Name, Resampled>>, alpha?: number): Partial<Record<Name, Estimate>> {
  const found = Object.entries(resampled) as [Name, Resampled][];
  return Object.fromEntries(
    found.flatMap(([name, one]) => {
      const estimate = estimateOf(one, alpha);
      return estimate === undefined ? [] : [[name, estimate]];
    }),
  ) as Partial<Record<Name, Estimate>>;
}

export const bootstrap = <Name extends string>(metrics: Readonly<Record<Name, Counted>>, options: BootstrapOptions): Partial<Record<Name, Estimate>> =>
  estimatesOf(resample(metrics, options), options.alpha);

/**
 * Intervals of several figures that hold all at once: the largest studentised deviation of any of them in a resample decides
 * how wide all are (single-step max-t). Figures that go together cost less than Bonferroni would ask.
 */
export function simultaneous(figures: readonly Resampled[], alpha = 0.05): (Estimate | undefined)[] {
  const usable = figures.map(({ value, repeats }) => {
    const finite = repeats.filter((one) => Number.isFinite(one));
    if (!Number.isFinite(value) || finite.length < repeats.length * (1 - undefinedShareMax)) return undefined;
    const mean = finite.reduce((sum, one) => sum + one, 0) / finite.length;
    const deviation = Math.sqrt(finite.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, finite.length - 1));
    return { value, repeats, mean, deviation };
  });
  const count = figures[0]?.repeats.length ?? 0;
  const largest = new Float64Array(count);
  for (const figure of usable) {
    if (figure === undefined || figure.deviation === 0) continue;
    for (let repeat = 0; repeat < count; repeat += 1) {
      const away = Math.abs((figure.repeats[repeat] as number) - figure.mean) / figure.deviation;
      if (away > (largest[repeat] as number)) largest[repeat] = away;
    }
  }
  const reach = count === 0 ? Number.NaN : quantile(largest.toSorted(), 1 - alpha);
  return usable.map((figure) =>
    figure === undefined ? undefined : { value: figure.value, low: figure.value - reach * figure.deviation, high: figure.value + reach * figure.deviation },
  );
}
