import { expect, test } from 'vitest';

import { isRight } from './judgement.ts';

const origin = 'person';
const bolt = { label: 3, x: 40, y: 50, angle: 1 };

test('a label is right when it is the true one', () => {
  expect(isRight({ label: 2, confidence: 0.4 }, { label: 2, origin })).toBe(true);
  expect(isRight({ label: 2, confidence: 0.9 }, { label: 1, origin })).toBe(false);
});

test('objects are right when the picker is served; a part of unknown visibility is one to be seen', () => {
  const predicted = { objects: [{ ...bolt, score: 0.9 }] };
  expect(isRight(predicted, { objects: [{ ...bolt, visible: 0.9 }], origin })).toBe(true);
  expect(isRight(predicted, { objects: [bolt, { ...bolt, x: 90 }], origin })).toBe(false);
  expect(isRight(predicted, { objects: [bolt, { ...bolt, x: 90, visible: 0.5 }], origin })).toBe(true);
});

test('a label is no measure for objects, nor the other way round', () => {
  expect(isRight({ label: 2, confidence: 1 }, { objects: [bolt], origin })).toBeUndefined();
  expect(isRight({ objects: [] }, { label: 0, origin })).toBeUndefined();
});
