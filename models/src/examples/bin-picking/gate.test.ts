import { expect, test } from 'vitest';

import { comparePaired } from '../../evaluate/compare.ts';
import type { DetectionEvaluation } from '../../evaluate/detection.ts';
import { judgeDetector, usualLimits, type DetectionEvidence } from './gate.ts';

const evaluation = (map50: number, rightShare: number): DetectionEvaluation => ({
  frames: 100,
  parts: 1200,
  map50,
  averagePrecision: [map50, map50, map50, map50],
  centreError: { median: 0.4, p90: 1.2 },
  angleError: { median: 2, p90: 9 },
  recall: 0.95,
  right: Uint8Array.from({ length: 100 }, (_, index) => (index < 100 * rightShare ? 1 : 0)),
  rightShare,
});
const good: DetectionEvidence = { float: evaluation(0.95, 0.98), quantised: evaluation(0.948, 0.98), modelBytes: 250_000 };
const failedChecks = (evidence: DetectionEvidence): string[] => judgeDetector(evidence).checks.flatMap(({ name, passed }) => (passed ? [] : [name]));

test('a good detector passes, beside its champion too', () => {
  expect(judgeDetector(good).passed).toBe(true);
  const comparison = comparePaired(good.quantised.right, evaluation(0.6, 0.4).right);
  expect(judgeDetector({ ...good, comparison }).passed).toBe(true);
});

test('each limit fails on its own, and says by how much', () => {
  expect(failedChecks({ ...good, float: evaluation(0.84, 0.9), quantised: evaluation(0.84, 0.9) })).toEqual(['map50']);
  expect(failedChecks({ ...good, quantised: evaluation(0.94, 0.8) })).toEqual(['frames_right']);
  expect(failedChecks({ ...good, float: evaluation(0.98, 1) })).toEqual(['quantisation_loss']);
  expect(failedChecks({ ...good, modelBytes: usualLimits.modelBytesMax + 1 })).toEqual(['model_bytes']);
  const comparison = comparePaired(evaluation(0.9, 0.86).right, evaluation(0.95, 1).right);
  expect(failedChecks({ ...good, comparison })).toEqual(['against_champion']);
  expect(judgeDetector({ ...good, quantised: evaluation(0.94, 0.8) }).checks[1]?.words).toMatch(/80.0 % of 100 .* at least 85.0 %/);
});

test('figures that are not numbers fail', () => {
  const nothing = evaluation(Number.NaN, Number.NaN);
  expect(failedChecks({ ...good, float: nothing, quantised: nothing })).toEqual(['map50', 'frames_right', 'quantisation_loss']);
});
