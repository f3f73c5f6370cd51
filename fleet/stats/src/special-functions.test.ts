import { expect, test } from 'vitest';
import { bisect, lnBeta, lnGamma, lnGammaQ, lnNormalCdf } from './special-functions.ts';

test('known values of the gamma and beta functions', () => {
  expect(lnGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 13);
  expect(lnGamma(0.1)).toBeCloseTo(2.252712651734206, 12);
  expect(lnGamma(11)).toBeCloseTo(Math.log(3_628_800), 12);
  expect(lnBeta(2, 3)).toBeCloseTo(Math.log(1 / 12), 13);
  // Q(1, x) = exp(-x), on both sides of the switch of methods.
  for (const x of [0.1, 1, 1.99, 2.01, 50, 900]) expect(lnGammaQ(1, x)).toBeCloseTo(-x, 9);
  expect(lnGammaQ(3, 0)).toBe(0);
});

test('known values of the normal distribution, far tails included', () => {
  expect(lnNormalCdf(0)).toBeCloseTo(-Math.LN2, 14);
  expect(Math.exp(lnNormalCdf(1.959963984540054))).toBeCloseTo(0.975, 13);
  expect(Math.exp(lnNormalCdf(-1.959963984540054))).toBeCloseTo(0.025, 13);
  expect(lnNormalCdf(-40)).toBeCloseTo(-804.608442, 5);
});

test('bisection finds the root', () => {
  expect(bisect((x) => x * x - 2, 0, 2)).toBeCloseTo(Math.SQRT2, 15);
});
