import { expect, test } from 'vitest';

import { readProbabilities } from './postprocess.ts';

test('the most probable class of one row is the answer', () => {
  expect(readProbabilities([0.2, 0.5, 0.3])).toEqual({ label: 1, confidence: 0.5, finite: true });
  expect(readProbabilities([0.9, 0.1, 0.25, 0.75], 2, 2)).toEqual({ label: 1, confidence: 0.75, finite: true });
});

test('a row with a value that is not finite, or missing, is no answer', () => {
  for (const row of [[Number.NaN, 1], [0, Infinity], [0.1]]) {
    expect(readProbabilities(row, 2)).toEqual({ label: -1, confidence: 0, finite: false });
  }
  expect(readProbabilities([])).toEqual({ label: -1, confidence: 0, finite: false });
});
