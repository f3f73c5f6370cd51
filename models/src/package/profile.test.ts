import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';
import { correctedPsi } from '@serin/stats/distances';
import { countInto, emptyCounts, totalCount } from '@serin/stats/histogram';

import { makeProfile } from './profile.ts';

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
