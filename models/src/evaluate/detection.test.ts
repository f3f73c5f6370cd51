import fc from 'fast-check';
import { expect, test } from 'vitest';

import { designLight } from '@serin/inference/bin-scene/parameters';
import { renderBin } from '@serin/inference/bin-scene/render';
import type { Detection, Part } from '@serin/inference/detections';
import { seededRandom, shuffle, type Random } from '@serin/inference/random';
import { averagePrecision, evaluateDetections } from './detection.ts';
import type { DetectedFrame } from './detection-schemes.ts';
import { overlap } from './overlap.ts';

const washer = 0;
const nut = 1;
const plate = 2;
const bolt = 3;
const part = (label: number, x: number, y: number, angle = 0, visible = 1): Part => ({ label, x, y, angle, visible });
const seen = ({ label, x, y, angle }: Part, score = 0.9): Detection => ({ label, x, y, angle, score });
const degrees = (value: number): number => (value * Math.PI) / 180;

test('overlaps of boxes of known size, worked out by hand', () => {
  expect(overlap(seen(part(washer, 50, 50)), part(washer, 50, 50))).toBeCloseTo(1);
  // Two squares of 20, one moved by half: 200 of 600.
  expect(overlap(seen(part(washer, 60, 50)), part(washer, 50, 50))).toBeCloseTo(1 / 3);
  expect(overlap(seen(part(washer, 70.1, 50)), part(washer, 50, 50))).toBe(0);
  // A bolt across another: they share a square of 13.
  expect(overlap(seen(part(bolt, 50, 50, degrees(90))), part(bolt, 50, 50))).toBeCloseTo(169 / (2 * 28 * 13 - 169));
  // Moved along its own axis, whatever that is.
  expect(overlap(seen(part(plate, 50 + 14.5 * Math.cos(1), 50 + 14.5 * Math.sin(1), 1)), part(plate, 50, 50, 1))).toBeCloseTo(1 / 3);
  expect(overlap(seen(part(nut, 50, 50)), part(washer, 50, 50))).toBe(0);
});

test('a turn that cannot be seen does not count', () => {
  expect(overlap(seen(part(plate, 50, 50, degrees(180))), part(plate, 50, 50))).toBeCloseTo(1);
  expect(overlap(seen(part(nut, 50, 50, degrees(60))), part(nut, 50, 50))).toBeCloseTo(1);
  expect(overlap(seen(part(washer, 50, 50, 1)), part(washer, 50, 50))).toBeCloseTo(1);
  expect(overlap(seen(part(nut, 50, 50, degrees(30))), part(nut, 50, 50))).toBeLessThan(0.95);
});

test('the overlap agrees with counting points', () => {
  const random = seededRandom(4);
  for (let run = 0; run < 20; run += 1) {
    const truth = part(bolt, 50, 50, random.between(-3, 3));
    const said = seen(part(bolt, 50 + random.between(-9, 9), 50 + random.between(-9, 9), random.between(-3, 3)));
    const isIn = ({ x, y, angle }: Part | Detection, px: number, py: number): boolean => {
      const along = (px - x) * Math.cos(angle) + (py - y) * Math.sin(angle);
      const across = (py - y) * Math.cos(angle) - (px - x) * Math.sin(angle);
      return Math.abs(along) <= 14 && Math.abs(across) <= 6.5;
    };
    let [both, either] = [0, 0];
    for (let x = 20; x < 80; x += 0.2) {
      for (let y = 20; y < 80; y += 0.2) {
        const [a, b] = [isIn(truth, x, y), isIn(said, x, y)];
        if (a && b) both += 1;
        if (a || b) either += 1;
      }
    }
    expect(Math.abs(overlap(said, truth) - both / either)).toBeLessThan(0.01);
  }
});

test('average precision of small cases, worked out by hand', () => {
  const hits = (...list: [score: number, hit: boolean][]) => list.map(([score, hit]) => ({ score, hit }));
  expect(averagePrecision(hits([0.9, true], [0.8, true]), 2)).toBe(1);
  expect(averagePrecision(hits([0.9, true], [0.8, false], [0.7, true]), 2)).toBeCloseTo(0.5 + 0.5 * (2 / 3));
  expect(averagePrecision(hits([0.9, false], [0.8, true]), 1)).toBe(0.5);
  expect(averagePrecision(hits([0.9, true]), 4)).toBe(0.25);
  // No threshold tells the two apart.
  expect(averagePrecision(hits([0.9, true], [0.9, false]), 1)).toBe(0.5);
  // Later precision that is higher holds for earlier recall.
  expect(averagePrecision(hits([0.9, false], [0.8, true], [0.7, true], [0.6, true]), 3)).toBeCloseTo(0.75);
  expect(averagePrecision([], 3)).toBe(0);
  expect(averagePrecision([], 0)).toBeNaN();
});

test('average precision never falls when a miss becomes a hit', () => {
  const list = fc.array(fc.record({ score: fc.double({ min: 0, max: 1, noNaN: true }), hit: fc.boolean() }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(list, fc.nat(), (hits, pick) => {
      const index = pick % hits.length;
      const better = hits.map((one, at) => (at === index ? { ...one, hit: true } : one));
      const value = averagePrecision(better, 20);
      expect(value).toBeGreaterThanOrEqual(averagePrecision(hits, 20) - 1e-12);
      expect(value).toBeLessThanOrEqual(1);
    }),
  );
});

const answered = (random: Random, frames: number): DetectedFrame[] =>
  Array.from({ length: frames }, () => {
    const { parts } = renderBin(random, designLight);
    return { parts, detections: parts.map((one) => seen(one, random.between(0.3, 1))) };
  });

test('the truth has full marks', () => {
  const found = evaluateDetections(answered(seededRandom(1), 30));
  expect(found.map50).toBeCloseTo(1);
  expect(found).toMatchObject({ frames: 30, recall: 1, rightShare: 1 });
  for (const { median, p90 } of [found.centreError, found.angleError]) expect([median, p90]).toEqual([0, 0]);
});

test('marks do not depend on the order of frames or of detections', () => {
  const random = seededRandom(2);
  const frames = answered(random, 20).map(({ parts, detections }) => ({
    parts,
    detections: detections.map((one) => ({ ...one, x: one.x + 4 * random.normal(), angle: one.angle + 0.3 * random.normal() })),
  }));
  const one = evaluateDetections(frames);
  const other = evaluateDetections(
    shuffle(
      random,
      frames.map(({ parts, detections }) => ({ parts, detections: shuffle(random, [...detections]) })),
    ),
  );
  expect({ ...other, right: [] }).toEqual({ ...one, right: [] });
  expect(one.map50).toBeLessThan(1);
});

test('a detection beside its part is one false and one missing', () => {
  const parts = [part(bolt, 30, 30), part(bolt, 90, 90)];
  const detections = [seen(part(bolt, 30, 30), 0.9), seen(part(bolt, 90, 104), 0.8)];
  const found = evaluateDetections([{ parts, detections }]);
  expect(found.averagePrecision).toEqual([Number.NaN, Number.NaN, Number.NaN, 0.5]);
  expect(found.map50).toBe(0.5);
  expect(found.recall).toBe(0.5);
});

test('a second detection of a part is a false one', () => {
  const parts = [part(nut, 30, 30), part(nut, 90, 90)];
  const detections = [seen(part(nut, 30, 30), 0.9), seen(part(nut, 31, 30), 0.8), seen(part(nut, 90, 90), 0.7)];
  expect(evaluateDetections([{ parts, detections }]).map50).toBeCloseTo(0.5 + 0.5 * (2 / 3));
});

test('errors are those of the parts found, in pixels and in degrees modulo symmetry', () => {
  const parts = [part(plate, 30, 30), part(plate, 90, 90), part(washer, 30, 90)];
  const detections = [seen(part(plate, 31, 30, degrees(183))), seen(part(plate, 90, 92, degrees(-5))), seen(part(washer, 30, 90.5, 2))];
  const { centreError, angleError } = evaluateDetections([{ parts, detections }]);
  expect(centreError).toEqual({ median: 1, p90: 2 });
  expect(angleError.median).toBeCloseTo(5);
});

test('a detection too unsure for a picker counts for precision only', () => {
  const parts = [part(nut, 30, 30)];
  const found = evaluateDetections([{ parts, detections: [seen(part(nut, 30, 30), 0.2)] }]);
  expect(found).toMatchObject({ map50: 1, recall: 0, rightShare: 0 });
});
