import { seededRandom } from '@serin/inference/random';
import { expect, test } from 'vitest';

import { crossEntropyOf, fitTemperature, probabilitiesAt, recalibrate } from './temperature.ts';

test.each([0.3, 1, 4])('scores that are %f times too large are found out', (factor) => {
  const random = seededRandom('calibration');
  const scores = Float64Array.from({ length: 4000 }, () => 2 * random.normal());
  const labels = scores.map((score) => (random.uniform() < 1 / (1 + Math.exp(-score)) ? 1 : 0));
  const temperature = fitTemperature(
    scores.map((score) => factor * score),
    labels,
    1,
  );
  expect(temperature / factor).toBeGreaterThan(0.9);
  expect(temperature / factor).toBeLessThan(1.1);
});

test('one column and two say the same', () => {
  const scores = [0.3, -2, 800, -800];
  const labels = [1, 0, 1, 0];
  const both = scores.flatMap((score) => [0, score]);
  expect(crossEntropyOf(scores, labels, 1, 0.7)).toBeCloseTo(crossEntropyOf(both, labels, 2, 0.7), 12);
});

test('the loss of a certain mistake is large, and finite', () => {
  expect(crossEntropyOf([1000], [0], 1)).toBeCloseTo(1000, 6);
  expect(crossEntropyOf([1000, 0, 0], [1], 3)).toBeCloseTo(1000, 6);
});

test('without labels nothing is changed', () => {
  expect(fitTemperature([], [], 2)).toBe(1);
});

/** Three classes, drawn as the scores say. */
function drawn(rows: number): { scores: Float64Array; labels: number[] } {
  const random = seededRandom('recalibration');
  const scores = Float64Array.from({ length: rows * 3 }, () => 2 * random.normal());
  const probabilities = probabilitiesAt(scores, 3, 1);
  const labels = Array.from({ length: rows }, (_, row) => {
    const at = random.uniform();
    const [first = 0, second = 0] = probabilities.subarray(row * 3);
    return at < first ? 0 : at < first + second ? 1 : 2;
  });
  return { scores, labels };
}

test('scores that are too sure are recalibrated, and mean what they say afterwards', () => {
  const { scores, labels } = drawn(3000);
  const found = recalibrate(
    scores.map((score) => 3 * score),
    labels,
    3,
  );
  expect(found?.temperature).toBeGreaterThan(2.7);
  expect(found?.temperature).toBeLessThan(3.3);
  expect(found?.after).toBeLessThan((found?.before ?? 0) / 3);
});

test('what is calibrated stays as it is, unless every split gains', () => {
  const { scores, labels } = drawn(3000);
  // One third would gain a lot; the others are right already.
  const mixed = scores.map((score, at) => (Math.floor(at / 3) % 3 === 0 ? 3 * score : score));
  expect(recalibrate(mixed, labels, 3)).toBeUndefined();
  expect(recalibrate(scores.subarray(0, 90), labels.slice(0, 30), 3)).toBeUndefined();
});

test('probabilities of one column and of two are the same', () => {
  const one = probabilitiesAt([0.3, -2, 800], 1, 0.7);
  const two = probabilitiesAt([0, 0.3, 0, -2, 0, 800], 2, 0.7);
  expect([...one]).toEqual([...two]);
});
