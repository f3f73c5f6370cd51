import { seededRandom } from '@serin/inference/random';
import { expect, test } from 'vitest';

import { crossEntropyOf, fitTemperature } from './calibrate.ts';

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
