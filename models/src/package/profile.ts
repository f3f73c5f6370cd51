import { shuffle, type Random } from '@serin/inference/random';
import { correctedPsi } from '@serin/stats/distances';
import { countInto, emptyCounts, equalMassEdges } from '@serin/stats/histogram';
import type { Profile, ProfileStatistic } from '@serin/protocol/bundle/profile';

export interface ProfileOptions {
  /** Values of each statistic on reference frames that no weight has seen. */
  readonly statistics: Readonly<Record<string, ArrayLike<number>>>;
  readonly framesPerWindow: number;
  readonly random: Random;
  /** Where the reference frames come from, in words. */
  readonly origin: string;
}

const binsMax = 32;
const framesPerBinMin = 15;
const nullWindows = 400;

/**
 * One random half of the reference freezes the bins and their counts. From the other half windows are drawn with
 * replacement, and their distances are what "no drift" looks like. That half being finite shifts the distances a
 * little upwards: fewer false alarms than stated, never more.
 */
export function makeProfile(options: ProfileOptions): Profile {
  const { framesPerWindow, random, origin } = options;
  const statistics = Object.entries(options.statistics).flatMap(([name, values]) => profileStatistic(name, values, framesPerWindow, random.fork(name)) ?? []);
  const windows = framesPerWindow === 1 ? 'frame' : `${framesPerWindow} frames`;
  return {
    v: 1,
    framesPerWindow,
    assumption: `Reference: ${origin}. Null windows are ${windows} drawn independently from it, so the stated rate holds if frames of a live window are as unrelated as those; it does not yet allow for frames that resemble their neighbours.`,
    statistics,
  };
}

/** Undefined where the frozen half has not a single value: there is nothing to drift from. */
function profileStatistic(name: string, values: ArrayLike<number>, framesPerWindow: number, random: Random): ProfileStatistic | undefined {
  const order = shuffle(
    random.fork('halves'),
    Int32Array.from({ length: values.length }, (_, index) => index),
  );
  const middle = Math.ceil(order.length / 2);
  const pick = (indices: Int32Array): Float64Array => Float64Array.from(indices, (index) => values[index] ?? Number.NaN);
  const frozen = pick(order.subarray(0, middle));
  const rest = pick(order.subarray(middle));
  if (!frozen.some(Number.isFinite)) return undefined;

  const bins = Math.max(2, Math.min(binsMax, Math.floor(frozen.length / framesPerBinMin)));
  const edges = equalMassEdges(frozen, bins);
  const counts = emptyCounts(edges);
  for (const value of frozen) countInto(counts, edges, value);

  const draw = random.fork('windows');
  const nullPsi: number[] = [];
  for (let window = 0; window < nullWindows && rest.length > 0 && framesPerWindow > 0; window += 1) {
    const seen = emptyCounts(edges);
    for (let frame = 0; frame < framesPerWindow; frame += 1) countInto(seen, edges, rest[draw.integer(rest.length)] ?? Number.NaN);
    nullPsi.push(correctedPsi(counts, seen));
  }
  return { name, edges, counts, ...moments(frozen), nullPsi: nullPsi.toSorted((a, b) => a - b) };
}

/** Of the values there are: a cell of a record may well be empty. */
function moments(all: Float64Array): { mean: number; deviation: number } {
  const values = all.filter(Number.isFinite);
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

/** Even bins without counts, for a model whose live frames nobody has seen yet: a device can count, nothing can alarm. */
export function emptyStatistic(name: string, low: number, high: number): ProfileStatistic {
  const edges = Array.from({ length: binsMax + 1 }, (_, index) => low + ((high - low) * index) / binsMax);
  return { name, edges, counts: emptyCounts(edges), mean: (low + high) / 2, deviation: 0, nullPsi: [] };
}
