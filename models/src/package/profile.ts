import { shuffle, type Random } from '@serin/inference/random';
import { classConfidenceCellsMax, type CalibrationProfile, type Profile, type ProfileStatistic } from '@serin/protocol/bundle/profile';
import { CONFIDENCE_BINS, countClass, emptyClassConfidence, tenthOf } from '@serin/stats/class-confidence';
import { correctedPsi } from '@serin/stats/distances';
import { addFeatures, emptyMoments, mmd2, type Moments } from '@serin/stats/embedding-moments';
import { countInto, emptyCounts, equalMassEdges } from '@serin/stats/histogram';

/** What a model said of reference inputs: one entry an answer of a classifier, one an object of a detector. */
export interface ReferenceAnswers {
  /** How many classes there are. */
  readonly labels: number;
  /** Index of the class; -1 for an answer that is none. */
  readonly predicted: ArrayLike<number>;
  /** Of the class that was answered, as devices will count it. */
  readonly confidence: ArrayLike<number>;
  /** Index of the right class, -1 where none is (a detector saw what is not there), NaN where nobody knows. */
  readonly truth?: ArrayLike<number>;
  /** What logits were divided by. */
  readonly temperature?: number;
}

/** Rows of random features, as the model's `embedding` output gave them. */
export interface ReferenceEmbeddings {
  readonly width: number;
  readonly values: ArrayLike<number>;
}

export interface ProfileOptions {
  /** Values of each statistic on reference frames that no weight has seen. */
  readonly statistics: Readonly<Record<string, ArrayLike<number>>>;
  readonly framesPerWindow: number;
  readonly random: Random;
  /** Where the reference frames come from, in words. */
  readonly origin: string;
  readonly answers?: ReferenceAnswers;
  readonly embeddings?: ReferenceEmbeddings;
}

const binsMax = 32;
const framesPerBinMin = 15;
const nullWindows = 400;
/** Fewer frames say too little of what no drift looks like: windows of another draw then bet more than they may. */
const referenceFramesMin = 80;
/** Windows that a reference must be worth, or the same happens; docs/statistics.md has the figures. */
const referenceWindowsMin = (frames: number): number => (frames < 150 ? 10 : 4);
const assumptionMax = 500;

/**
 * One random half of the reference freezes the bins and their counts. From the other half windows are drawn with
 * replacement, and their distances are what "no drift" looks like. That half being finite shifts the distances a
 * little upwards: fewer false alarms than stated on average over references.
 */
export function makeProfile(options: ProfileOptions): Profile {
  const { framesPerWindow, random, answers, embeddings } = options;
  const statistics = Object.entries(options.statistics).flatMap(([name, values]) => profileStatistic(name, values, framesPerWindow, random.fork(name)) ?? []);
  const classConfidence = answers === undefined ? undefined : classConfidenceOf(answers);
  const calibration = answers === undefined ? undefined : calibrationOf(answers);
  const embedding = embeddings === undefined ? undefined : profileEmbedding(embeddings, framesPerWindow, random.fork('embedding'));
  const watched = [...statistics.map(({ nullPsi }) => nullPsi.length > 0), ...(embedding === undefined ? [] : [embedding.nullMmd.length > 0])];
  return {
    v: 1,
    framesPerWindow,
    assumption: assumptionOf(options, watched),
    statistics,
    ...(classConfidence === undefined ? {} : { classConfidence }),
    ...(calibration === undefined ? {} : { calibration }),
    ...(embedding === undefined ? {} : { embedding }),
  };
}

/** `watched`: for each distance whether the reference sufficed for null windows. */
function assumptionOf({ origin, framesPerWindow }: ProfileOptions, watched: readonly boolean[]): string {
  const windows = framesPerWindow === 1 ? 'frame' : `${framesPerWindow} frames`;
  const rests = `Null windows are ${windows} drawn independently from it, so the stated rate holds if frames of a live window are as unrelated as those; it does not yet allow for frames that resemble their neighbours.`;
  const short = watched.filter((isWatched) => !isWatched).length;
  const which = short === watched.length ? 'It is' : `For ${short} of ${watched.length} distances it is`;
  const lacks = `${which} too small for null windows: devices count, and nothing is called drift by it until a reference has been learnt and confirmed.`;
  const words = [`Reference: ${origin}.`, ...(short < watched.length ? [rests] : []), ...(short > 0 ? [lacks] : [])];
  return words.join(' ').slice(0, assumptionMax);
}

const suffices = (frames: number, framesPerWindow: number): boolean =>
  framesPerWindow > 0 && frames >= Math.max(referenceFramesMin, referenceWindowsMin(frames) * framesPerWindow);

/** The window that a reference of so many frames suffices for, of at most as many frames as are wanted. */
export const fittingWindow = (frames: number, wanted: number): number => Math.max(1, Math.min(wanted, Math.floor(frames / referenceWindowsMin(frames))));

/** The frames that are frozen, and those that null windows are drawn from. */
function halvesOf(frames: number, random: Random): readonly [frozen: Int32Array, rest: Int32Array] {
  const order = shuffle(
    random.fork('halves'),
    Int32Array.from({ length: frames }, (_, index) => index),
  );
  const middle = Math.ceil(order.length / 2);
  return [order.subarray(0, middle), order.subarray(middle)];
}

/** Distances of windows drawn from the rest, ascending; `distance` is given the frames of one after the other. */
function nullDistances(frames: number, rest: Int32Array, framesPerWindow: number, random: Random, distance: (window: Int32Array) => number): number[] {
  if (!suffices(frames, framesPerWindow)) return [];
  const draw = random.fork('windows');
  const window = new Int32Array(framesPerWindow);
  const drawn = (): number => distance(window.map(() => rest[draw.integer(rest.length)] as number));
  return Array.from({ length: nullWindows }, drawn).toSorted((a, b) => a - b);
}

/** Undefined where the frozen half has not a single value: there is nothing to drift from. */
function profileStatistic(name: string, values: ArrayLike<number>, framesPerWindow: number, random: Random): ProfileStatistic | undefined {
  const [frozenFrames, rest] = halvesOf(values.length, random);
  const valueOf = (frame: number): number => values[frame] ?? Number.NaN;
  const frozen = Float64Array.from(frozenFrames, valueOf);
  if (!frozen.some(Number.isFinite)) return undefined;

  const bins = Math.max(2, Math.min(binsMax, Math.floor(frozen.length / framesPerBinMin)));
  const edges = equalMassEdges(frozen, bins);
  const countsOf = (frames: Int32Array): number[] => {
    const counts = emptyCounts(edges);
    for (const frame of frames) countInto(counts, edges, valueOf(frame));
    return counts;
  };
  const counts = countsOf(frozenFrames);
  const nullPsi = nullDistances(values.length, rest, framesPerWindow, random, (window) => correctedPsi(counts, countsOf(window)));
  return { name, edges, counts, ...moments(frozen), nullPsi };
}

/** Undefined where there are too few embeddings for any distance, or none that are finite. */
function profileEmbedding({ width, values }: ReferenceEmbeddings, framesPerWindow: number, random: Random): Profile['embedding'] {
  const rows = Array.from({ length: Math.floor(values.length / width) }, (_, row) => row).filter((row) =>
    addFeatures(emptyMoments(width), values, row * width),
  );
  const [frozenFrames, rest] = halvesOf(rows.length, random);
  const momentsOf = (frames: Int32Array): Moments => {
    const found = emptyMoments(width);
    for (const frame of frames) addFeatures(found, values, (rows[frame] as number) * width);
    return found;
  };
  const frozen = momentsOf(frozenFrames);
  if (frozen.count < 2) return undefined;
  // One embedding alone has no distance.
  const perWindow = framesPerWindow < 2 ? 0 : framesPerWindow;
  const nullMmd = nullDistances(rows.length, rest, perWindow, random, (window) => digits(mmd2(frozen, momentsOf(window)), 6));
  return { ...frozen, sum: frozen.sum.map((value) => digits(value, 12)), nullMmd };
}

/** The document is fetched by every device. */
const digits = (value: number, figures: number): number => Number(value.toPrecision(figures));

/** Class by confidence, with nothing counted yet: a device counts where there is a place for it. None of more classes than a window may tell of. */
export const emptyAnswers = (labels: number): number[] | undefined =>
  labels > 0 && labels * CONFIDENCE_BINS <= classConfidenceCellsMax ? emptyClassConfidence(labels) : undefined;

function classConfidenceOf({ labels, predicted, confidence }: ReferenceAnswers): number[] | undefined {
  const counts = emptyAnswers(labels);
  if (counts === undefined) return undefined;
  for (let index = 0; index < predicted.length; index += 1) countClass(counts, predicted[index] ?? -1, confidence[index] ?? Number.NaN);
  return counts;
}

/** How far confidence was from being right; undefined where nobody knows what is right. */
function calibrationOf({ predicted, confidence, truth, temperature = 1 }: ReferenceAnswers): CalibrationProfile | undefined {
  if (truth === undefined) return undefined;
  const tallies = Array.from({ length: CONFIDENCE_BINS }, () => ({ count: 0, stated: 0, right: 0 }));
  for (let index = 0; index < predicted.length; index += 1) {
    const [label, stated, right] = [predicted[index] ?? -1, confidence[index] ?? Number.NaN, truth[index] ?? Number.NaN];
    if (label < 0 || !Number.isFinite(stated) || !Number.isFinite(right)) continue;
    const tally = tallies[tenthOf(stated)] as (typeof tallies)[number];
    tally.count += 1;
    tally.stated += stated;
    if (label === right) tally.right += 1;
  }
  const total = tallies.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return undefined;
  return {
    temperature,
    ece: Math.min(1, tallies.reduce((sum, { stated, right }) => sum + Math.abs(stated - right), 0) / total),
    bins: tallies.map(({ count, stated, right }) => ({
      count,
      confidence: digits(stated / Math.max(1, count), 6),
      right: digits(right / Math.max(1, count), 6),
    })),
  };
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
