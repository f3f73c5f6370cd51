import { expect, test } from 'vitest';
import { pointsWithin, versionMarks } from './device-history.ts';

const points = [
  { at: 0, version: 3 },
  { at: 60, version: 3 },
  { at: 100, version: 4 },
  { at: 130, version: 3 },
];

test('a span counts back from the newest point, not from now', () => {
  expect(pointsWithin(points, 70).map(({ at }) => at)).toEqual([60, 100, 130]);
  expect(pointsWithin(points, Infinity)).toHaveLength(4);
  expect(pointsWithin([], 70)).toEqual([]);
});

test('a mark stands wherever the version changes, back and forth alike', () => {
  expect(versionMarks(points)).toEqual([
    { at: 100, version: 4 },
    { at: 130, version: 3 },
  ]);
});
