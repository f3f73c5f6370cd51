import { expect, test } from 'vitest';
import { correlationTime, lag1Autocorrelation, looksExchangeable } from './autocorrelation.ts';
import { drawNormal, seededRandom } from './seeded-random.ts';

function autoregressive(phi: number, length: number): number[] {
  const random = seededRandom(17);
  let value = drawNormal(random);
  return Array.from({ length }, () => {
    value = phi * value + Math.sqrt(1 - phi * phi) * drawNormal(random);
    return value;
  });
}

test('the correlation time of an autoregressive series is (1 + phi) / (1 - phi)', () => {
  for (const phi of [0, 0.5, 0.9]) {
    const series = autoregressive(phi, 20_000);
    const expected = (1 + phi) / (1 - phi);
    expect(Math.abs(lag1Autocorrelation(series) - phi)).toBeLessThan(0.03);
    expect(Math.abs(correlationTime(series) / expected - 1)).toBeLessThan(0.15);
  }
});

test('independent windows look exchangeable, correlated and cyclic ones do not, few say nothing', () => {
  expect(looksExchangeable(autoregressive(0, 400))).toBe(true);
  expect(looksExchangeable(autoregressive(0.5, 400))).toBe(false);
  expect(looksExchangeable(Array.from({ length: 400 }, (_, i) => Math.sin((2 * Math.PI * i) / 288)))).toBe(false);
  expect(looksExchangeable(autoregressive(0.9, 30))).toBe('unknown');
});

test('a constant series has no correlation', () => {
  expect(lag1Autocorrelation([4, 4, 4])).toBe(0);
  expect(correlationTime([4, 4, 4, 4, 4, 4, 4, 4])).toBe(1);
  expect(correlationTime([])).toBe(1);
});
