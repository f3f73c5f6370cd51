import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asymptoticHalfWidth, bernoulliInterval, bestRho, boundOneSided, boundTwoSided, lnMixtureOneSided, lnMixtureTwoSided } from './confidence.ts';
import { seededRandom } from './seeded-random.ts';

test('the two-sided log mixture of the published vector', () => {
  const rho = bestRho(100, 0.05);
  expect(rho).toBeCloseTo(12.60056, 5);
  expect(lnMixtureTwoSided(10, 100, rho)).toBeCloseTo(-0.6510052, 7);
  expect(boundTwoSided(100, rho, 0.05)).toBeCloseTo(30.35209, 5);
});

test('the one-sided log mixture of the published vector', () => {
  const rho = bestRho(100, 0.1);
  expect(rho).toBeCloseTo(15.80063, 5);
  expect(lnMixtureOneSided(10, 100, rho)).toBeCloseTo(-0.06502391, 7);
  expect(boundOneSided(100, rho, 0.05)).toBeCloseTo(27.66071, 5);
});

test('the Bernoulli and asymptotic sequences of the published vectors', () => {
  const [low, high] = bernoulliInterval(700, 1000, 0.05, 100);
  expect(low).toBeCloseTo(0.651629, 5);
  expect(high).toBeCloseTo(0.745949, 5);
  expect(asymptoticHalfWidth(1000, 0.25, 0.0079361546, 0.05)).toBeCloseTo(0.0479909, 7);
});

test('a bound is where its mixture reaches ln(1 / alpha)', () => {
  const positive = fc.double({ min: 0.01, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(positive, positive, fc.double({ min: 1e-4, max: 0.5, noNaN: true }), (v, rho, alpha) => {
      expect(lnMixtureTwoSided(boundTwoSided(v, rho, alpha), v, rho)).toBeCloseTo(Math.log(1 / alpha), 6);
      expect(lnMixtureOneSided(boundOneSided(v, rho, alpha), v, rho)).toBeCloseTo(Math.log(1 / alpha), 6);
    }),
  );
});

test('a Bernoulli interval holds the share that was seen and mirrors its complement', () => {
  const trialsAndSuccesses = fc.integer({ min: 1, max: 5000 }).chain((trials) => fc.tuple(fc.constant(trials), fc.nat(trials)));
  fc.assert(
    fc.property(trialsAndSuccesses, ([trials, successes]) => {
      const [low, high] = bernoulliInterval(successes, trials, 0.05);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(low).toBeLessThanOrEqual(successes / trials);
      expect(high).toBeGreaterThanOrEqual(successes / trials);
      expect(high).toBeLessThanOrEqual(1);
      const [mirrorLow, mirrorHigh] = bernoulliInterval(trials - successes, trials, 0.05);
      expect(mirrorLow).toBeCloseTo(1 - high, 6);
      expect(mirrorHigh).toBeCloseTo(1 - low, 6);
    }),
  );
  expect(bernoulliInterval(0, 0, 0.05)).toEqual([0, 1]);
});

test('a 95 % sequence looked at after each of 400 trials misses the truth in at most 5 % of 300 runs', () => {
  const random = seededRandom(5);
  let misses = 0;
  for (let run = 0; run < 300; run++) {
    let successes = 0;
    for (let trials = 1; trials <= 400; trials++) {
      if (random() < 0.1) successes++;
      if (trials % 10 > 0) continue;
      const [low, high] = bernoulliInterval(successes, trials, 0.05);
      if (low > 0.1 || high < 0.1) {
        misses++;
        break;
      }
    }
  }
  expect(misses / 300).toBeLessThanOrEqual(0.05);
});
