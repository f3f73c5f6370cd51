import { expect, test } from 'vitest';
import { isComparable, quantisationPairs, servedAccuracy } from './version-metrics.ts';

const variants = [
  { name: 'u8s8', bytes: 28_400 },
  { name: 'fp32', bytes: 98_700 },
];

test('a trained version shows what quantisation cost and saved', () => {
  const version = { metrics: { championAccuracy: 0.9, accuracy: 0.962, accuracyFp32: 0.967, ece: 0.02 }, variants };
  expect(quantisationPairs(version)).toEqual([
    { kind: 'accuracy', label: 'Accuracy', unit: 'share', float: 0.967, int8: 0.962 },
    { kind: 'size', label: 'Size', unit: 'bytes', float: 98_700, int8: 28_400 },
  ]);
  expect(servedAccuracy(version)).toBe(0.962);
});

test('a pushed version without metrics shows no pair it does not have', () => {
  expect(quantisationPairs({ metrics: {}, variants: [] })).toEqual([]);
  expect(servedAccuracy({ metrics: {}, variants })).toBeNull();
});

test('figures about another version are not compared with its own', () => {
  expect(['accuracy', 'ece', 'championAccuracy', 'championDifference', 'heldOutFrames'].filter(isComparable)).toEqual(['accuracy', 'ece']);
});
