import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dash,
  firstClause,
  formatAgo,
  formatBytes,
  formatEvidence,
  formatMetric,
  formatMs,
  formatNumber,
  formatPercent,
  formatPoints,
  formatRate,
  formatSpan,
  groupDigits,
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
  expect([humanise('loss.heat'), humanise('examplesPerSecond')]).toEqual(['Loss heat', 'Examples per second']);
  expect([humanise('map50'), humanise('championMap50'), humanise('centreErrorPxP90')]).toEqual(['mAP50', 'Champion mAP50', 'Centre error px p90']);
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

test('evidence is a number while that says something, then only its size', () => {
  expect([1, 89.9, 8640, 1e6, 3_742_225_737, 1e12, 2.9e-8, 0, Number.NaN].map(formatEvidence)).toEqual([
    '1',
    '89.9',
    '8,640',
    'more than 10⁶',
    'more than 10⁹',
    'more than 10¹²',
    'less than 0.001',
    '0',
    dash,
  ]);
});

test('metrics that are shares read as percentages, the rest as numbers', () => {
  expect([formatMetric('accuracy', 1), formatMetric('meanConfidence', 0.991), formatMetric('heldOutFrames', 69), formatMetric('latencyMs', 1.5)]).toEqual([
    '100.0%',
    '99.1%',
    '69',
    '1.50',
  ]);
});

test('a sentence begins with a capital, an acronym with all of its own, a name as it is written', () => {
  expect(['auc is 0.78', 'the bytes', 'cam-1 is offline', 'aucune', 'churn: version 4'].map(sentence)).toEqual([
    'AUC is 0.78',
    'The bytes',
    'cam-1 is offline',
    'Aucune',
    'churn: version 4',
  ]);
});

test('the small print of a sentence can be left out, and its long numbers grouped', () => {
  expect(firstClause('brightness moved to 37.7; on average at most one false alarm in 8640 windows')).toBe('Brightness moved to 37.7');
  expect(firstClause('cam-1 is offline')).toBe('cam-1 is offline');
  expect(groupDigits('the largest variant has 142628 bytes; at most 67108864 are allowed')).toBe(
    'the largest variant has 142,628 bytes; at most 67,108,864 are allowed',
  );
  expect(groupDigits('version 12 of 8640, key 08740626c55d1a4b, 0.123456')).toBe('version 12 of 8640, key 08740626c55d1a4b, 0.123456');
});

test('one of something is not many', () => {
  expect([plural(0, 'device'), plural(1, 'device'), plural(1200, 'device'), plural(2, 'entry', 'entries')]).toEqual([
    '0 devices',
    '1 device',
    '1,200 devices',
    '2 entries',
  ]);
});
