import fc from 'fast-check';
import { expect, test } from 'vitest';

import { designLight, partKinds } from './bin-scene/parameters.ts';
import { renderBin } from './bin-scene/render.ts';
import { detectionFields, judgeBin, matchDetections, meanScore, readDetections, turnBetween, type Detection, type Part } from './detections.ts';
import { seededRandom, shuffle } from './random.ts';

const washer = 0;
const nut = 1;
const plate = 2;
const bolt = 3;
const part = (label: number, x: number, y: number, angle = 0, visible = 1): Part => ({ label, x, y, angle, visible });
const seen = ({ label, x, y, angle }: Part, score = 0.9): Detection => ({ label, x, y, angle, score });
const degrees = (value: number): number => (value * Math.PI) / 180;

test('rows are read until their score says they are unused', () => {
  const values = [2, 10, 20, 0.5, 0.9, 3, 30, 40, -1, 0.4, 1, 5, 5, 0, 0.1, 0, 0, 0, 0, 0];
  expect(readDetections(values, 4)).toEqual([
    { label: 2, x: 10, y: 20, angle: 0.5, score: 0.9 },
    { label: 3, x: 30, y: 40, angle: -1, score: 0.4 },
  ]);
  expect(readDetections(values, 2, 2 * detectionFields, 0.05)).toEqual([{ label: 1, x: 5, y: 5, angle: 0, score: 0.1 }]);
});

test('an answer that is not finite or too short is no answer', () => {
  expect(readDetections([0, 1, 1, 0, 0.9, 0, Number.NaN, 1, 0, 0.8], 2)).toEqual([]);
  expect(readDetections([0, 1, 1, 0, 0.9], 2)).toEqual([]);
});

test('a model is as sure of a frame as of its detections on average, and not at all of one it detects nothing on', () => {
  const one = part(bolt, 1, 1);
  expect(meanScore([seen(one, 0.5), seen(one, 1), seen(one, 0.3)])).toBeCloseTo(0.6);
  expect(meanScore([])).toBe(0);
});

test('angles are compared modulo what the part looks like when turned', () => {
  expect(turnBetween(0, degrees(180), 2)).toBeCloseTo(0);
  expect(turnBetween(0, degrees(61), 6)).toBeCloseTo(degrees(1));
  expect(turnBetween(degrees(-179), degrees(179), 1)).toBeCloseTo(degrees(-2));
  expect(turnBetween(0, 1, Infinity)).toBe(0);
});

test('a turn is the same either way and never larger than half of the symmetry', () => {
  fc.assert(
    fc.property(fc.double({ min: -9, max: 9, noNaN: true }), fc.double({ min: -9, max: 9, noNaN: true }), fc.constantFrom(1, 2, 6), (from, to, symmetry) => {
      const turn = turnBetween(from, to, symmetry);
      expect(Math.abs(turn)).toBeLessThanOrEqual(Math.PI / symmetry + 1e-9);
      expect(Math.abs(turnBetween(to, from, symmetry))).toBeCloseTo(Math.abs(turn));
      expect(Math.abs(turnBetween(from, to + (2 * Math.PI) / symmetry, symmetry))).toBeCloseTo(Math.abs(turn));
    }),
  );
});

test('each part is matched once, by the surest detection near it', () => {
  const parts = [part(bolt, 20, 20), part(bolt, 60, 60)];
  const detections = [seen(part(bolt, 21, 20), 0.5), seen(part(bolt, 20, 22, degrees(10)), 0.8), seen(part(washer, 60, 60), 0.9)];
  const matches = matchDetections(detections, parts);
  expect(matches).toHaveLength(1);
  expect(matches[0]).toMatchObject({ detection: 1, part: 0, distance: 2 });
  expect(matches[0]?.angleError).toBeCloseTo(degrees(10));
});

test('the truth itself is a right answer, whatever the order of its rows', () => {
  const random = seededRandom(3);
  for (let frame = 0; frame < 30; frame += 1) {
    const { parts } = renderBin(random, designLight);
    const detections = shuffle(
      random,
      parts.map((one) => seen(one, random.between(0.3, 1))),
    );
    expect(judgeBin(detections, parts)).toBe(true);
  }
});

test('a best detection that grips beside its part, askew or nothing is wrong', () => {
  const parts = [part(bolt, 20, 20), part(plate, 60, 60), part(nut, 90, 90)];
  const others = parts.slice(1).map((one) => seen(one, 0.5));
  expect(judgeBin([seen(part(bolt, 22, 20, degrees(8))), ...others], parts)).toBe(true);
  expect(judgeBin([seen(part(bolt, 24, 20)), ...others], parts)).toBe(false);
  expect(judgeBin([seen(part(bolt, 20, 20, degrees(180))), ...others], parts)).toBe(false);
  expect(judgeBin([seen(part(plate, 20, 20)), ...others], parts)).toBe(false);
  expect(judgeBin([seen(part(plate, 60, 60, degrees(180))), seen(part(bolt, 20, 20), 0.5), seen(part(nut, 90, 90), 0.5)], parts)).toBe(true);
});

test('overlooking open parts is wrong, overlooking covered ones is not', () => {
  const open = Array.from({ length: 4 }, (_, index) => part(nut, 20 + 25 * index, 20));
  expect(
    judgeBin(
      open.slice(1).map((one) => seen(one)),
      open,
    ),
  ).toBe(false);
  const covered = [part(nut, 20, 20, 0, 0.6), ...open.slice(1)];
  expect(
    judgeBin(
      covered.slice(1).map((one) => seen(one)),
      covered,
    ),
  ).toBe(true);
});

test('an empty bin asks for no detection', () => {
  expect(judgeBin([], [])).toBe(true);
  expect(judgeBin([seen(part(nut, 5, 5))], [])).toBe(false);
  expect(judgeBin([], [part(nut, 5, 5)])).toBe(false);
});

test('the kinds of parts have names of their own', () => {
  expect(new Set(partKinds.map(({ label }) => label)).size).toBe(partKinds.length);
});
