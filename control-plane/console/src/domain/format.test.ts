import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dash,
  formatAgo,
  formatBytes,
  formatMs,
  formatNumber,
  formatPercent,
  formatPoints,
  formatRate,
  formatSpan,
  humanise,
  plural,
  sentence,
} from './format.ts';

test('what is absent or not a number is a dash, never a zero', () => {
  for (const format of [formatNumber, formatMs, formatRate, formatPercent, formatPoints, formatBytes]) {
    for (const value of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) expect(format(value)).toBe(dash);
    expect(format(0)).not.toBe(dash);
  }
});

test('latencies keep the digits that matter', () => {
  expect([0.4, 3.456, 23.44, 456.7, 12_345].map(formatMs)).toEqual(['0.40 ms', '3.46 ms', '23.4 ms', '457 ms', '12.3 s']);
});

test('differences carry their sign, and what rounds to nothing says so', () => {
  expect([0.123, -0.005, 0.0001, -0.0001].map((value) => formatPoints(value))).toEqual(['+12.3 pt', '−0.5 pt', '±0.0 pt', '±0.0 pt']);
});

test('sizes and spans use their largest sensible units', () => {
  expect([0, 999, 28_400, 128_400, 5_000_000].map(formatBytes)).toEqual(['0 B', '999 B', '28.4 KB', '128 KB', '5.0 MB']);
  expect([4000, 61_000, 125_000, 660_000, 3_600_000, 5_460_000, 90_000_000, 20 * 86_400_000].map(formatSpan)).toEqual([
    '4 s',
    '1 min 1 s',
    '2 min 5 s',
    '11 min',
    '1 h',
    '1 h 31 min',
    '1 d 1 h',
    '20 d',
  ]);
});

describe('an age', () => {
  test('is one unit', () => {
    const now = 100 * 86_400_000;
    const ages = [1000, 42_000, 95_000, 7_300_000, 3 * 86_400_000];
    expect(ages.map((age) => formatAgo(now - age, now))).toEqual(['just now', '42 s ago', '1 min ago', '2 h ago', '3 d ago']);
    expect(formatAgo(null, now)).toBe('never');
  });

  test('of something that a faster clock put into the future is now', () => {
    fc.assert(fc.property(fc.nat(10_000_000), (ahead) => formatAgo(1000 + ahead, 1000) === 'just now'));
  });
});

test('codes and field names read as words', () => {
  expect(humanise('ROLLBACK_INCOMPLETE')).toBe('Rollback incomplete');
  expect(humanise('meanConfidence')).toBe('Mean confidence');
  expect(humanise('accuracyFp32')).toBe('Accuracy fp32');
  expect(humanise('ece')).toBe('ECE');
  expect(humanise('simulated-annotator')).toBe('Simulated annotator');
  expect(humanise('')).toBe('');
});

test('a sentence begins with a capital, a device keeps its name', () => {
  expect(sentence('brightness moved to 0.9')).toBe('Brightness moved to 0.9');
  expect(sentence('cam-1 runs v4')).toBe('cam-1 runs v4');
  expect(sentence('cam1 runs v4')).toBe('cam1 runs v4');
  expect(sentence('')).toBe('');
});

test('one of something is not many', () => {
  expect([plural(0, 'device'), plural(1, 'device'), plural(1200, 'device'), plural(2, 'entry', 'entries')]).toEqual([
    '0 devices',
    '1 device',
    '1,200 devices',
    '2 entries',
  ]);
});
