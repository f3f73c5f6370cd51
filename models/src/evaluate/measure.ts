import type { Random } from '@serin/inference/random';
import type { Estimate } from '@serin/protocol/api/runs';

import { differenceOf, estimateOf, resampleAwake, simultaneous, type Resampled } from './bootstrap.ts';
import { comparePaired, shareInterval } from './compare.ts';
import { kindOf, type Judged, type KnownMetric, type Metrics } from './judged.ts';
import type { Compared, Measured, SliceFigure } from './measured.ts';
import { everyRow, type Counted } from './ranking.ts';
import { sliceRowsMin, type Slice } from './slices.ts';

export interface MeasureOptions {
  readonly random: Random;
  /** Resamples; 1000 unless given. */
  readonly repeats?: number;
  /** 0.05 for intervals of 95 %. */
  readonly alpha?: number;
  readonly slices?: readonly Slice[];
  /** Throws to end the work. */
  readonly onProgress?: (fraction: number) => void;
}

const usualRepeats = 1000;
const slicesMax = 500;
/** Looks at a row in all; beyond it slices are judged by the main metric alone, which takes some seconds then. */
const looksMax = 2e9;

/** Some of the examples, or one class of them, with metrics that are asked by counts of all rows. */
interface Portion {
  readonly column: string;
  readonly value: string;
  readonly count: number;
  readonly rows: Uint32Array | undefined;
  readonly metrics: Metrics;
}

const namesOf = (metrics: Metrics): KnownMetric[] => Object.keys(metrics) as KnownMetric[];

/** Asked by counts of all rows, a metric that was prepared on some of them. */
function gathered(metrics: Metrics, rows: Uint32Array): Metrics {
  const some = new Uint16Array(rows.length);
  const wrap =
    (metric: Counted): Counted =>
    (counts) => {
      for (let place = 0; place < some.length; place += 1) some[place] = counts[rows[place] as number] as number;
      return metric(some);
    };
  return Object.fromEntries(namesOf(metrics).map((name) => [name, wrap(metrics[name] as Counted)]));
}

const countOf = (things: number, one: string): string => `${things} ${one}${things === 1 ? '' : 's'}`;

/** The slices that can be judged, and what is said of the others. */
function usable(judged: Judged, slices: readonly Slice[], notes: string[]): readonly Slice[] {
  const large = slices.filter(({ rows }) => rows.length >= sliceRowsMin);
  if (large.length < slices.length)
    notes.push(`${countOf(slices.length - large.length, 'slice')} with fewer than ${sliceRowsMin} examples left out: too few to say anything`);
  const chosen = large.toSorted((one, other) => other.rows.length - one.rows.length).slice(0, slicesMax);
  if (chosen.length < large.length) notes.push(`${countOf(large.length - chosen.length, 'smaller slice')} left out; at most ${slicesMax} are looked at`);
  return large.filter((slice) => chosen.includes(slice) && slice.rows.length < judged.rows);
}

function portionsOf(judged: Judged, slices: readonly Slice[], repeats: number, notes: string[]): Portion[] {
  const looked = slices.reduce((sum, { rows }) => sum + rows.length, 0) * namesOf(judged.metrics).length * repeats;
  if (looked > looksMax) notes.push(`slices were judged by ${judged.main} alone: there are too many rows for all metrics`);
  const kept = (metrics: Metrics): Metrics => {
    const main = metrics[judged.main];
    return looked <= looksMax || main === undefined ? metrics : { [judged.main]: main };
  };
  return [
    ...slices.map(({ column, value, rows }) => ({ column, value, rows, count: rows.length, metrics: gathered(kept(judged.within(rows)), rows) })),
    ...judged.classes.map(({ label, count, metrics }) => ({ column: 'class', value: label, count, rows: undefined, metrics })),
  ];
}

/** Under one name each: `accuracy` on all rows, `3 accuracy` on a portion. */
const keyed = (judged: Judged, portions: readonly Portion[]): Record<string, Counted> => ({
  ...(judged.metrics as Record<string, Counted>),
  ...Object.fromEntries(portions.flatMap(({ metrics }, index) => namesOf(metrics).map((name) => [`${index} ${name}`, metrics[name] as Counted]))),
});

/** What is drawn independently, of all examples or of a portion. */
function unitsOf({ groups, rows }: Judged, portion?: Portion): number {
  const inside = portion?.rows ?? Uint32Array.from({ length: rows }, (_, row) => row);
  const units = groups === undefined ? inside.length : new Set(Array.from(inside, (row) => groups[row])).size;
  return Math.min(units, portion?.count ?? units);
}

const sharesOfRight: ReadonlySet<KnownMetric> = new Set<KnownMetric>(['accuracy', 'framesRight', 'precision', 'recall']);

/**
 * Where all are right every resample says so too, however few they are. The interval then reaches as far as the exact one for so
 * many units that are all right, or all wrong.
 */
function atTheEdge(name: KnownMetric, estimate: Estimate, units: number, alpha: number): Estimate {
  const { value, low, high } = estimate;
  if (!sharesOfRight.has(name) || low !== high || (value !== 0 && value !== 1)) return estimate;
  const [least, most] = shareInterval(value * units, units, alpha);
  return { value, low: Math.min(low, least), high: Math.max(high, most) };
}

function drawingOf(judged: Judged, { random, repeats = usualRepeats, alpha = 0.05 }: MeasureOptions) {
  return { rows: judged.rows, groups: judged.groups, repeats, alpha, random };
}

/** Every metric of a judged model with its interval, overall and by slice; a class is a slice as well. */
export async function measure(judged: Judged, options: MeasureOptions): Promise<Measured> {
  const drawing = drawingOf(judged, options);
  const notes: string[] = [];
  const portions = portionsOf(judged, usable(judged, options.slices ?? [], notes), drawing.repeats, notes);
  const found = await resampleAwake({ ...keyed(judged, portions), ...outsides(judged, portions) }, drawing, options.onProgress);
  const compared = portions.flatMap((portion, index) => {
    const [inside, outside] = [found[`${index} ${judged.main}`], found[`${index} outside`]];
    return inside === undefined || outside === undefined ? [] : [{ portion, difference: differenceOf(inside, outside) }];
  });
  const intervals = simultaneous(
    compared.map(({ difference }) => difference),
    drawing.alpha,
  );
  const differences = new Map(compared.map(({ portion }, index) => [portion, intervals[index] ?? null]));
  const estimate = (name: KnownMetric, key: string, units: number): Estimate | null => {
    const one = found[key];
    const told = one === undefined ? undefined : estimateOf(one, drawing.alpha);
    return told === undefined ? null : atTheEdge(name, told, units, drawing.alpha);
  };
  const units = unitsOf(judged);
  const metrics = namesOf(judged.metrics).map((name) => ({
    name,
    ...kindOf(name),
    estimate: estimate(name, name, units),
    slices: portions.flatMap((portion, index) => {
      if (!(name in portion.metrics)) return [];
      const own = figure(portion, estimate(name, `${index} ${name}`, unitsOf(judged, portion)));
      return [name === judged.main && differences.has(portion) ? { ...own, difference: differences.get(portion) ?? null } : own];
    }),
  }));
  return {
    count: judged.rows,
    units,
    main: judged.main,
    metrics,
    confusion: judged.confusion,
    repeats: drawing.repeats,
    alpha: drawing.alpha,
    notes,
  };
}

/** The main metric on all examples outside of each slice. */
function outsides(judged: Judged, portions: readonly Portion[]): Record<string, Counted> {
  const main = judged.metrics[judged.main];
  if (main === undefined) return {};
  return Object.fromEntries(
    portions.flatMap(({ rows }, index): [string, Counted][] => {
      if (rows === undefined) return [];
      const rest = new Uint16Array(judged.rows);
      const counted: Counted = (counts) => {
        for (let row = 0; row < rest.length; row += 1) rest[row] = counts[row] as number;
        for (const row of rows) rest[row] = 0;
        return main(rest);
      };
      return [[`${index} outside`, counted]];
    }),
  );
}

const figure = ({ column, value, count }: Portion, estimate: Estimate | null): SliceFigure => ({ column, value, count, estimate });

/**
 * Two models on the same examples, drawn again together, so that what is hard for both does not blur the difference.
 * A gain above 0 is the challenger's, whatever the metric.
 */
export async function compareJudged(challenger: Judged, champion: Judged, options: MeasureOptions): Promise<Compared> {
  if (challenger.rows !== champion.rows) throw new RangeError(`${challenger.rows} examples cannot be paired with ${champion.rows}`);
  const drawing = drawingOf(challenger, options);
  const notes: string[] = [];
  const slices = usable(challenger, options.slices ?? [], notes);
  const portions = portionsOf(challenger, slices, 2 * drawing.repeats, notes);
  const others = portionsOf(champion, slices, 2 * drawing.repeats, []);
  const both = {
    ...prefixed('challenger', keyed(challenger, portions)),
    ...prefixed('champion', keyed(champion, others)),
  };
  const found = await resampleAwake(both, drawing, options.onProgress);
  const gainOf = (name: KnownMetric, key: string): Resampled | undefined => {
    const [one, other] = [found[`challenger ${key}`], found[`champion ${key}`]];
    if (one === undefined || other === undefined) return undefined;
    return kindOf(name).better === 'higher' ? differenceOf(one, other) : differenceOf(other, one);
  };
  const names = namesOf(challenger.metrics).filter((name) => name in champion.metrics);
  const metrics = names.map((name) => {
    const gain = gainOf(name, name) as Resampled;
    const parts = portions.flatMap((portion, index) => {
      const one = gainOf(name, `${index} ${name}`);
      return one === undefined ? [] : [{ portion, gain: one }];
    });
    const intervals = simultaneous(
      parts.map((part) => part.gain),
      drawing.alpha,
    );
    return {
      name,
      ...kindOf(name),
      challenger: found[`challenger ${name}`]?.value ?? Number.NaN,
      champion: found[`champion ${name}`]?.value ?? Number.NaN,
      gain: estimateOf(gain, drawing.alpha) ?? null,
      slices: parts.map(({ portion }, index) => figure(portion, intervals[index] ?? null)),
    };
  });
  const isGrouped = challenger.groups !== undefined;
  if (isGrouped && challenger.right !== null) notes.push('the test of right and wrong takes examples for independent, which those of one group are not');
  return {
    count: challenger.rows,
    units: unitsOf(challenger),
    main: challenger.main,
    metrics,
    ...comparedRight(challenger, champion, slices, drawing.alpha),
    repeats: drawing.repeats,
    alpha: drawing.alpha,
    notes,
  };
}

const prefixed = (prefix: string, metrics: Readonly<Record<string, Counted>>): Record<string, Counted> =>
  Object.fromEntries(Object.entries(metrics).map(([key, metric]) => [`${prefix} ${key}`, metric]));

/** Right against wrong: exact, whatever the number of examples. */
function comparedRight(challenger: Judged, champion: Judged, slices: readonly Slice[], alpha: number): Pick<Compared, 'right' | 'rightSlices'> {
  const [one, other] = [challenger.right, champion.right];
  if (one === null || other === null) return { right: null, rightSlices: [] };
  return {
    right: comparePaired(one, other, alpha),
    rightSlices: slices.map(({ column, value, rows }) => ({
      column,
      value,
      comparison: comparePaired(
        Uint8Array.from(rows, (row) => one[row] ?? 0),
        Uint8Array.from(rows, (row) => other[row] ?? 0),
        alpha / slices.length,
      ),
    })),
  };
}

/** The value of a metric on the examples as they are. */
export const valueOn = (judged: Judged, name: KnownMetric = judged.main): number => judged.metrics[name]?.(everyRow(judged.rows)) ?? Number.NaN;
