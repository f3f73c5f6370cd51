import { expect, test } from 'vitest';
import { isComparable, quantisationPairs, servedQuality } from './version-metrics.ts';

const variants = [
  { name: 'u8s8', bytes: 28_400, devices: 0, p50Ms: null },
  { name: 'fp32', bytes: 98_700, devices: 0, p50Ms: null },
];

test('a trained version shows what quantisation cost and saved', () => {
  const version = { metrics: { championAccuracy: 0.9, accuracy: 0.962, accuracyFp32: 0.967, ece: 0.02 }, variants };
  expect(quantisationPairs(version)).toEqual([
    { kind: 'quality', label: 'Accuracy', unit: 'share', float: 0.967, int8: 0.962 },
    { kind: 'size', label: 'Size', unit: 'bytes', float: 98_700, int8: 28_400 },
  ]);
  expect(servedQuality(version)).toBe(0.962);
});

test('a detector is shown by its average precision', () => {
  const version = { metrics: { map50: 0.941, recall: 0.97, framesRight: 0.93, map50Fp32: 0.946, championMap50: 0.7 }, variants: [] };
  expect(quantisationPairs(version)).toEqual([{ kind: 'quality', label: 'mAP50', unit: 'share', float: 0.946, int8: 0.941 }]);
  expect(servedQuality(version)).toBe(0.941);
});

test('a pushed version without metrics shows no pair it does not have', () => {
  expect(quantisationPairs({ metrics: {}, variants: [] })).toEqual([]);
  expect(servedQuality({ metrics: {}, variants })).toBeNull();
});

test('figures about another version are not compared with its own', () => {
  expect(['accuracy', 'framesRight', 'championAccuracy', 'championDifference', 'heldOutFrames'].filter(isComparable)).toEqual(['accuracy', 'framesRight']);
});
