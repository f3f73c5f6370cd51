import { expect, test } from 'vitest';

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
const failedChecks = (evidence: DetectionEvidence): string[] => judgeDetector(evidence).verdict.checks.flatMap(({ name, passed }) => (passed ? [] : [name]));

test('a good detector passes in 8 bits, beside its champion too', () => {
  expect(judgeDetector(good)).toMatchObject({ served: 'u8s8', verdict: { passed: true } });
  const judged = judgeDetector({ ...good, champion: evaluation(0.6, 0.4) });
  expect(judged.verdict.passed).toBe(true);
  expect(judged.comparison).toMatchObject({ wins: 58, losses: 0 });
});

test('each limit fails on its own, and says by how much', () => {
  expect(failedChecks({ ...good, float: evaluation(0.84, 0.9), quantised: evaluation(0.84, 0.9) })).toEqual(['map50']);
  expect(failedChecks({ ...good, quantised: evaluation(0.94, 0.8) })).toEqual(['framesRight']);
  expect(failedChecks({ ...good, modelBytes: usualLimits.modelBytesMax + 1 })).toEqual(['model_bytes']);
  expect(failedChecks({ ...good, quantised: evaluation(0.945, 0.86), champion: evaluation(0.95, 1) })).toEqual(['against_champion']);
  const words = judgeDetector({ ...good, quantised: evaluation(0.94, 0.8) }).verdict.checks[1]?.words;
  expect(words).toBe('framesRight is 0.8 on 100 held-out frames; at least 0.85 is asked, it is off by 0.05');
});

test('8 bits that lose too much are left out, and float is what is judged', () => {
  const judged = judgeDetector({ ...good, quantised: evaluation(0.5, 0.1) });
  expect(judged).toMatchObject({ served: 'fp32', verdict: { passed: true } });
  expect(judged.variants.filter(({ ships }) => ships).map(({ variant }) => variant)).toEqual(['fp32']);
  expect(judged.verdict.checks.find(({ passed }) => !passed)).toMatchObject({ name: 'quantisation_loss_u8s8', variant: 'u8s8' });
});

test('figures that are not numbers fail', () => {
  const nothing = evaluation(Number.NaN, Number.NaN);
  expect(failedChecks({ ...good, float: nothing, quantised: nothing })).toEqual(['map50', 'framesRight', 'quantisation_loss_u8s8']);
});
