import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { profile as profileSchema, type Profile } from '@serin/protocol/bundle/profile';
import { expectedQuality, measuredShares, tenthOf } from '@serin/stats/class-confidence';
import { correctedPsi } from '@serin/stats/distances';
import { addFeatures, areMoments, emptyMoments, mmd2 } from '@serin/stats/embedding-moments';
import { countInto, emptyCounts, totalCount } from '@serin/stats/histogram';

import { fittingWindow, makeProfile, type ProfileOptions } from './profile.ts';

const framesPerWindow = 200;
const draw = (seed: string, count: number, shift = 0): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.normal() + shift);
};

function statisticOf(count: number) {
  const made = makeProfile({ statistics: { brightness: draw('reference', count) }, framesPerWindow, random: seededRandom(1), origin: 'a test' });
  expect(profileSchema.parse(made)).toEqual(made);
  const [statistic] = made.statistics;
  if (statistic === undefined) throw new Error('no statistic');
  return statistic;
}

test('half of the reference fills 32 bins of equal mass', () => {
  const { edges, counts, mean, deviation } = statisticOf(4000);
  expect(edges.length).toBe(33);
  expect(counts.length).toBe(35);
  expect(totalCount(counts)).toBe(2000);
  for (const count of counts.slice(1, 33)) expect(Math.abs(count - 62.5)).toBeLessThan(2);
  expect(mean).toBeCloseTo(0, 0);
  expect(deviation).toBeCloseTo(1, 0);
});

test('few frames give fewer bins', () => {
  expect(statisticOf(240).edges.length).toBe(9);
});

test('new windows of the same source lie among the null windows, shifted ones beyond', () => {
  const { edges, counts, nullPsi } = statisticOf(4000);
  expect(nullPsi.length).toBe(400);
  expect(nullPsi).toEqual(nullPsi.toSorted((a, b) => a - b));
  const rank = (seed: string, shift: number): number => {
    const window = emptyCounts(edges);
    for (const value of draw(seed, framesPerWindow, shift)) countInto(window, edges, value);
    const distance = correctedPsi(counts, window);
    return (1 + nullPsi.filter((one) => one >= distance).length) / (nullPsi.length + 1);
  };
  const ranks = Array.from({ length: 200 }, (_, index) => rank(`live ${index}`, 0));
  expect(ranks.filter((one) => one <= 0.05).length / 200).toBeLessThan(0.09);
  expect(rank('shifted', 0.7)).toBe(1 / 401);
});

test('the same seed freezes the same profile', () => {
  expect(statisticOf(400)).toEqual(statisticOf(400));
});

/** On its way to a device and back. */
function profileOf(options: Partial<ProfileOptions>): Profile {
  const made = makeProfile({ statistics: {}, framesPerWindow, random: seededRandom(1), origin: 'a test', ...options });
  const parsed = profileSchema.parse(JSON.parse(JSON.stringify(made)));
  expect(parsed).toEqual(made);
  return parsed;
}

test('a reference too small for null windows has none, and the assumption says what that means', () => {
  const some = (count: number, perWindow: number) => profileOf({ statistics: { brightness: draw('few', count) }, framesPerWindow: perWindow });
  for (const [count, perWindow, windows] of [
    [50, 5, 0],
    [79, 5, 0],
    [80, 8, 400],
    [149, 15, 0],
    [150, 37, 400],
    [799, 200, 0],
    [800, 200, 400],
    [800, 0, 0],
  ] as const) {
    const { statistics, assumption } = some(count, perWindow);
    expect(statistics[0]?.nullPsi).toHaveLength(windows);
    expect(totalCount(statistics[0]?.counts ?? [])).toBe(count / 2 + (count % 2) / 2);
    expect(assumption.includes('too small'), assumption).toBe(windows === 0);
    expect(assumption.includes('so the stated rate holds'), assumption).toBe(windows > 0);
  }
  const mixed = profileOf({ statistics: { brightness: draw('many', 800), confidence: draw('few', 40) }, origin: `a test of ${'words '.repeat(60)}` });
  expect(mixed.statistics.map(({ nullPsi }) => nullPsi.length)).toEqual([400, 0]);
  expect(mixed.assumption.length).toBeLessThanOrEqual(500);
  expect(profileOf({ statistics: { brightness: draw('many', 800), confidence: draw('few', 40) } }).assumption).toContain('For 1 of 2 distances');
});

test('the fitting window is as large as wanted or as the reference suffices for', () => {
  expect([2000, 400, 399, 150, 149, 80].map((frames) => fittingWindow(frames, 100))).toEqual([100, 100, 99, 37, 14, 8]);
  expect([0, 5].map((frames) => fittingWindow(frames, 100))).toEqual([1, 1]);
  for (const frames of [80, 149, 150, 333]) {
    const made = profileOf({ statistics: { brightness: draw('fits', frames) }, framesPerWindow: fittingWindow(frames, 100) });
    expect(made.statistics[0]?.nullPsi).toHaveLength(400);
  }
});

/** A classifier of three classes whose answers of .95 are right eight times in ten, and those of .45 four times. */
const answered = (count: number) => ({
  labels: 3,
  predicted: Int32Array.from({ length: count }, (_, index) => index % 3),
  confidence: Float32Array.from({ length: count }, (_, index) => (index % 2 === 0 ? 0.95 : 0.45)),
  truth: Float64Array.from({ length: count }, (_, index) => ((index >> 1) % 10 < (index % 2 === 0 ? 8 : 4) ? index % 3 : (index + 1) % 3)),
});

test('class by confidence and calibration are taken from labelled answers, and say what quality is to be expected', () => {
  const answers = { ...answered(600), temperature: 1.5 };
  const { classConfidence = [], calibration } = profileOf({ answers });
  expect(classConfidence).toHaveLength(30);
  expect(classConfidence.slice(0, 10)).toEqual([0, 0, 0, 0, 100, 0, 0, 0, 0, 100]);
  expect(calibration?.temperature).toBe(1.5);
  expect(calibration?.ece).toBeCloseTo((0.15 + 0.05) / 2, 6);
  expect(calibration?.bins).toHaveLength(10);
  expect(calibration?.bins[tenthOf(0.95)]).toEqual({ count: 300, confidence: 0.95, right: 0.8 });
  expect(calibration?.bins[0]).toEqual({ count: 0, confidence: 0, right: 0 });
  const { accuracy, count } = expectedQuality(classConfidence, measuredShares(calibration?.bins ?? []));
  expect([count, accuracy.toFixed(9)]).toEqual([600, '0.600000000']);
});

test('answers that are none and truths that nobody knows are left out; without labels there is no calibration', () => {
  const { truth, ...rest } = answered(60);
  expect(profileOf({ answers: rest })).not.toHaveProperty('calibration');
  expect(profileOf({ answers: { ...rest, truth: truth.map(() => Number.NaN) } })).not.toHaveProperty('calibration');
  const silent = { ...rest, predicted: rest.predicted.map(() => -1), truth };
  expect(profileOf({ answers: silent })).not.toHaveProperty('calibration');
  expect(profileOf({ answers: silent }).classConfidence).toEqual(Array.from({ length: 30 }, () => 0));
  // A detector that saw what is not there.
  expect(profileOf({ answers: { ...rest, truth: truth.map(() => -1) } }).calibration?.bins[9]?.right).toBe(0);
  expect(profileOf({ answers: { ...rest, labels: 100 } }).classConfidence).toHaveLength(1000);
  for (const labels of [0, 101]) expect(profileOf({ answers: { ...rest, labels } })).not.toHaveProperty('classConfidence');
});

const width = 8;
function embedded(seed: string, count: number, shift = 0): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count * width }, (_, place) => Math.cos(random.normal() + (place % width) + shift) / 2);
}

test('new windows of embeddings of the same source lie among the null windows, shifted ones beyond', () => {
  const perWindow = 50;
  const { embedding } = profileOf({ embeddings: { width, values: embedded('reference', 600) }, framesPerWindow: perWindow });
  if (embedding === undefined) throw new Error('an embedding was given');
  const { nullMmd } = embedding;
  expect([embedding.count, embedding.sum.length, nullMmd.length]).toEqual([300, width, 400]);
  expect(areMoments(embedding)).toBe(true);
  expect(nullMmd).toEqual(nullMmd.toSorted((a, b) => a - b));
  const rank = (seed: string, shift: number): number => {
    const window = emptyMoments(width);
    const values = embedded(seed, perWindow, shift);
    for (let row = 0; row < perWindow; row += 1) addFeatures(window, values, row * width);
    const distance = mmd2(embedding, window);
    return (1 + nullMmd.filter((one) => one >= distance).length) / (nullMmd.length + 1);
  };
  const ranks = Array.from({ length: 200 }, (_, index) => rank(`live ${index}`, 0));
  expect(ranks.filter((one) => one <= 0.05).length / 200).toBeLessThan(0.09);
  expect(rank('shifted', 0.5)).toBe(1 / 401);
});

test('embeddings that are not finite are left out, too few of them have no null windows, hardly any no profile', () => {
  const values = embedded('gaps', 200).map((value, place) => (place < 60 * width && place % width === 3 ? Number.NaN : value));
  const made = profileOf({ embeddings: { width, values }, framesPerWindow: 20 });
  // 140 are left, too few for windows of 20.
  expect([made.embedding?.count, made.embedding?.nullMmd]).toEqual([70, []]);
  expect(made.assumption).toContain('too small');
  expect(profileOf({ embeddings: { width, values: embedded('one', 300) }, framesPerWindow: 1 }).embedding?.nullMmd).toEqual([]);
  expect(profileOf({ embeddings: { width, values: embedded('two', 2) } })).not.toHaveProperty('embedding');
});

test('the document stays small: of a classifier of ten classes with an embedding some tens of kilobytes', () => {
  const random = seededRandom('size');
  const statistics = Object.fromEntries(['brightness', 'contrast', 'sharpness', 'confidence'].map((name) => [name, draw(name, 600)]));
  const answers = { ...answered(600), labels: 10 };
  const embeddings = { width: 128, values: Float32Array.from({ length: 600 * 128 }, () => random.normal() / 8) };
  const bytes = (options: Partial<ProfileOptions>): number => JSON.stringify(profileOf({ statistics, framesPerWindow: 100, ...options })).length;
  const plain = bytes({});
  expect(bytes({ answers }) - plain).toBeLessThan(1200);
  expect(bytes({ embeddings }) - plain).toBeLessThan(8000);
});

test('values that are missing count as missing, and a statistic without any value is left out', () => {
  const gaps = draw('gaps', 400).map((value, index) => (index % 4 === 0 ? Number.NaN : value));
  const made = makeProfile({
    statistics: { 'column/gaps': gaps, 'column/empty': gaps.map(() => Number.NaN) },
    framesPerWindow,
    random: seededRandom(1),
    origin: 'a test',
  });
  expect(profileSchema.parse(JSON.parse(JSON.stringify(made)))).toEqual(made);
  const [statistic, ...others] = made.statistics;
  expect(others).toEqual([]);
  expect(statistic?.counts.at(-1)).toBeGreaterThan(30);
  expect(statistic?.mean).toBeCloseTo(0, 0);
  expect(statistic?.deviation).toBeCloseTo(1, 0);
});
