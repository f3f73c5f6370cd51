import { expect, test } from 'vitest';
import { deviceId } from '@serin/protocol/ids';
import type { Sample } from '@serin/protocol/api/resources';
import { answerConfidence, answerTitle, answerWords, markOpacity, objectLabels, tickOf } from './sample-view.ts';

const seen = (label: string, score: number) => ({ label, x: 10, y: 20, angle: 0, score });
const sample = (predicted: Sample['predicted'], truth: Sample['truth'] = null): Sample => ({
  id: '1',
  device: deviceId.parse('cam-1'),
  at: 0,
  version: 1,
  width: 128,
  height: 128,
  predicted,
  truth,
  right: null,
});

test('an answer is told in words, whatever the task', () => {
  expect(answerWords({ label: 'bolt', confidence: 0.9 })).toBe('bolt');
  expect(answerWords({ objects: [seen('nut', 1), seen('bolt', 1), seen('nut', 1)] })).toBe('1 bolt, 2 nut');
  expect(answerWords({ objects: [] })).toBe('nothing');
  expect([answerTitle({ label: 'bolt', confidence: 0.9 }), answerTitle({ objects: [seen('nut', 1)] }), answerTitle({ objects: [] })]).toEqual([
    'bolt',
    '1 part',
    '0 parts',
  ]);
});

test('a detector is as sure as its objects on average, and of nothing not at all', () => {
  expect(answerConfidence({ label: 'bolt', confidence: 0.9 })).toBe(0.9);
  expect(answerConfidence({ objects: [seen('nut', 0.5), seen('nut', 0.75)] })).toBe(0.625);
  expect(answerConfidence({ objects: [] })).toBeNull();
});

test('labels have one order, whichever frame came first', () => {
  const one = sample({ objects: [seen('nut', 1)] }, { objects: [{ label: 'bolt', x: 0, y: 0, angle: 0 }], origin: 'person' });
  const two = sample({ objects: [seen('washer', 1)] });
  expect(objectLabels([one, two])).toEqual(['bolt', 'nut', 'washer']);
  expect(objectLabels([two, one])).toEqual(objectLabels([one, two]));
  expect(objectLabels([sample({ label: 'bolt', confidence: 1 })])).toEqual([]);
});

test('a tick shows the way an object points: right, then clockwise, as rows go down; a round one has none', () => {
  const tick = tickOf({ x: 10, y: 20, angle: Math.PI / 2 });
  expect(tick).toEqual({ x1: 10, y1: 20, x2: expect.closeTo(10), y2: expect.closeTo(31) });
  expect(tickOf({ x: 10, y: 20, angle: 0 })).toBeUndefined();
});

test('the surer a detection, the clearer its mark', () => {
  const opacities = [0, 0.3, 0.5, 0.9].map(markOpacity);
  expect(opacities).toEqual(opacities.toSorted((left, right) => left - right));
  expect([opacities[0], opacities.at(-1)]).toEqual([0.25, 1]);
});
