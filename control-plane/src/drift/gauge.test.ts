import { expect, test } from 'vitest';
import type { Profile } from '@serin/protocol/bundle/profile';
import { deviceId } from '@serin/protocol/ids';
import { testWindow } from '../link/testing.ts';
import { createDriftGauge } from './gauge.ts';

const ada = deviceId.parse('ada');
const bob = deviceId.parse('bob');
const reference = [0, 250, 250, 250, 250, 0, 0];
const profile: Profile = {
  v: 1,
  framesPerWindow: 200,
  assumption: '',
  statistics: ['brightness', 'contrast'].map((name) => ({ name, edges: [0, 1, 2, 3, 4], counts: reference, mean: 2, deviation: 1, nullPsi: [0] })),
};

async function gauge() {
  const asked: string[] = [];
  const made = createDriftGauge(async (model, version) => {
    asked.push(`${model} ${version}`);
    return version === 1 ? profile : undefined;
  });
  for (let round = 0; round < 2; round++) await made.prepare(new Map([1, 2].map((version) => [`picker ${version}`, { model: 'picker', version }])));
  return { made, asked };
}

const windowOf = (brightness: number[], version = 1) =>
  testWindow({
    version,
    statistics: [
      { name: 'brightness', counts: brightness, sum: 0, sumSquares: 0 },
      { name: 'contrast', counts: [0, 25, 25, 25, 25, 0, 0], sum: 0, sumSquares: 0 },
    ],
  });
const even = [0, 25, 25, 25, 25, 0, 0];
const dark = [60, 40, 0, 0, 0, 0, 0];

test('says nothing until the frames of a device are as many as in a reference window, then the worst of its statistics, by name', async () => {
  const { made, asked } = await gauge();
  expect(asked).toEqual(['picker 1', 'picker 2']);
  expect(made.driftOf(ada, windowOf(even))).toBeNull();
  expect(Math.abs(made.driftOf(ada, windowOf(even))!.effect)).toBeLessThan(0.05);
  const before = made.driftOf(ada, windowOf(dark));
  expect(Math.abs(before!.effect)).toBeLessThan(0.05);
  const moved = made.driftOf(ada, windowOf(dark));
  expect(moved!.effect).toBeGreaterThan(1);
  expect(moved!.statistic).toBe('brightness');
  expect(made.driftOf(bob, windowOf(dark))).toBeNull();
});

test('says nothing about versions without a profile and counts of other bins', async () => {
  const { made } = await gauge();
  expect(made.driftOf(ada, windowOf(dark, 2))).toBeNull();
  for (let round = 0; round < 3; round++)
    expect(made.driftOf(bob, testWindow({ statistics: [{ name: 'brightness', counts: [100, 0], sum: 0, sumSquares: 0 }] }))).toBeNull();
});

test('a profile that cannot be read holds nothing up, and is asked for again', async () => {
  let asked = 0;
  const made = createDriftGauge(async () => {
    if (++asked === 1) throw new Error('damaged');
    return profile;
  });
  const versions = new Map([['picker 1', { model: 'picker', version: 1 }]]);
  await made.prepare(versions);
  expect(made.driftOf(ada, windowOf(dark))).toBeNull();
  await made.prepare(versions);
  expect([made.driftOf(ada, windowOf(dark)), made.driftOf(ada, windowOf(dark))].map((drift) => drift !== null)).toEqual([false, true]);
});
