import fc from 'fast-check';
import { expect, test } from 'vitest';
import { drawRandomFeatures, featuresOf, medianBandwidth, RANDOM_FEATURES } from './random-features.ts';
import { drawNormal, seededRandom } from './seeded-random.ts';

const inputs = 6;
const point = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: inputs, maxLength: inputs });
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const kernel = (x: readonly number[], y: readonly number[], bandwidth: number): number =>
  Math.exp(-x.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0) / (2 * bandwidth * bandwidth));

test('inner products of features approximate the Gaussian kernel, the better the more features there are', () => {
  fc.assert(
    fc.property(point, point, fc.double({ min: 0.5, max: 8, noNaN: true }), fc.constantFrom(128, 2048), fc.nat(), (x, y, bandwidth, features, seed) => {
      const drawn = drawRandomFeatures({ inputs, bandwidth, random: seededRandom(seed), features });
      const near = dot(featuresOf(x, drawn), featuresOf(y, drawn));
      // Each feature contributes with a variance of at most 1, so this is six standard deviations.
      expect(Math.abs(near - kernel(x, y, bandwidth))).toBeLessThan(6 / Math.sqrt(features));
    }),
    { numRuns: 300 },
  );
});

test('over draws of W and b the approximation has no bias, and a spread of at most 1/sqrt(D)', () => {
  const [x, y] = [
    [1, 0, 0.5, -1, 2, 0],
    [0.4, 0.3, 0, -1, 1, 1],
  ];
  const truth = kernel(x, y, 2);
  const errors = Array.from({ length: 400 }, (_, seed) => {
    const drawn = drawRandomFeatures({ inputs, bandwidth: 2, random: seededRandom(seed) });
    return dot(featuresOf(x, drawn), featuresOf(y, drawn)) - truth;
  });
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const spread = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
  expect(spread).toBeLessThan(1 / Math.sqrt(RANDOM_FEATURES));
  expect(Math.abs(mean)).toBeLessThan((3.5 * spread) / Math.sqrt(errors.length));
});

test('the same seed draws the same features, another seed others', () => {
  const draw = (seed: number) => drawRandomFeatures({ inputs: 3, bandwidth: 1, random: seededRandom(seed) });
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  expect([draw(1).weights.length, draw(1).biases.length]).toEqual([3 * RANDOM_FEATURES, RANDOM_FEATURES]);
});

test('the bandwidth is the median distance of pairs: exact of few, drawn of many, never of rows that are not finite', () => {
  // Points at 0, 1 and 3 of a line: distances 1, 2, 3.
  expect(medianBandwidth([0, 0, 1, 0, Number.NaN, 0, 3, 0], 2, seededRandom(1))).toBe(2);
  const random = seededRandom(2);
  const many = Float64Array.from({ length: 2000 }, () => drawNormal(random));
  // Two independent normals differ by one with a deviation of sqrt(2); half of them by less than .6745 of that.
  // The median of 2000 of them has a standard error of .025.
  expect(Math.abs(medianBandwidth(many, 1, random) - 0.6745 * Math.SQRT2)).toBeLessThan(0.1);
});

test('embeddings that do not differ, or are none, leave a bandwidth that can be used', () => {
  for (const values of [[], [1, 1, 1, 1], [Number.NaN, 1], [1e-320, 0, 0, 0], [3e200, 0, 0, 0]]) {
    const bandwidth = medianBandwidth(values, 2, seededRandom(1));
    expect(bandwidth).toBe(1);
    expect(drawRandomFeatures({ inputs: 2, bandwidth, random: seededRandom(1) }).weights.every(Number.isFinite)).toBe(true);
  }
});

test('features of nothing and lengths that are none are refused', () => {
  const draw = (over: object) => () => drawRandomFeatures({ inputs: 2, bandwidth: 1, random: seededRandom(1), ...over });
  for (const bad of [{ inputs: 0 }, { features: 1.5 }, { bandwidth: 0 }, { bandwidth: Number.NaN }, { bandwidth: Infinity }, { bandwidth: 1e-40 }]) {
    expect(draw(bad)).toThrow(RangeError);
  }
});
