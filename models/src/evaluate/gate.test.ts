import fc from 'fast-check';
import { expect, test } from 'vitest';

import { comparePaired } from './compare.ts';
import { gateVerdict } from '@serin/protocol/bundle/gate';

import type { GateCheck } from './gate-check.ts';
import { widening, type SliceEvidence } from './gate-parts.ts';
import { judge, relativeLoss, servingOfPairs, type GateEvidence, type GateLimits, type VariantEvidence } from './gate.ts';
import type { PerturbedFigure } from './measured.ts';
import { chanceError, errorOfBins } from './reliability.ts';

const good: GateEvidence = {
  metrics: { auc: 0.9, accuracy: 0.95 },
  part: 'the test part',
  main: { metric: 'auc', better: 'higher' },
  variants: [{ variant: 'fp32', bytes: 1000 }],
};
const checkOf = (evidence: Partial<GateEvidence>, limits: GateLimits, name?: string): GateCheck => {
  const { checks } = judge({ ...good, ...evidence }, limits).verdict;
  const found = name === undefined ? checks[0] : checks.find((check) => check.name === name);
  if (found === undefined) throw new Error(`no check: ${JSON.stringify(checks)}`);
  return found;
};

const figures = fc.oneof(fc.double({ min: -10, max: 10, noNaN: true }), fc.constant(Number.NaN));
const estimates = fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));
const estimate = ([value, below, above]: readonly [number, number, number]) => ({ value, low: value - below, high: value + above });

test('a limit on a metric fails if the figure is beyond it, and only then; no figure fails', () => {
  fc.assert(
    fc.property(figures, fc.double({ min: -10, max: 10, noNaN: true }), fc.constantFrom('min', 'max'), (value, limit, side) => {
      const check = checkOf({ metrics: { auc: value } }, { limits: { auc: { [side]: limit } } });
      expect(check.passed).toBe(side === 'min' ? value >= limit : value <= limit);
      expect(gateVerdict.safeParse(judge({ ...good, metrics: { auc: value } }, { limits: { auc: { [side]: limit } } }).verdict).success).toBe(true);
      if (!check.passed) expect(check.words).toMatch(Number.isNaN(value) ? /what is not known does not pass/ : /it is off by/);
    }),
  );
});

test('a metric that nobody measured fails, and the words name it', () => {
  expect(checkOf({}, { limits: { recall: { min: 0.5 } } })).toEqual({
    name: 'recall',
    value: null,
    limit: 0.5,
    passed: false,
    words: 'recall could not be measured on the test part; at least 0.5 is asked, and what is not known does not pass',
  });
});

test('words name the number, what is asked and the distance', () => {
  expect(checkOf({}, { limits: { auc: { min: 0.95 } } }).words).toBe('auc is 0.9 on the test part; at least 0.95 is asked, it is off by 0.05');
  expect(checkOf({}, { limits: { auc: { min: 0.85 } } }).words).toBe('auc is 0.9 on the test part; at least 0.85 is asked');
});

const variant = (float: number, value: number): VariantEvidence => ({
  variant: 'u8s8',
  bytes: 400,
  loss: { metric: 'accuracy', better: 'higher', float, value, examples: 1000 },
});

test('a variant that loses more than it may is left out, and the version goes without it', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (float, value) => {
      const { verdict, variants } = judge(
        { ...good, variants: [...good.variants, variant(float, value)] },
        { quantisationLossMax: 0.003, modelBytesMax: 1000 },
      );
      const loses = (float - value) / float > 0.003;
      expect(variants).toMatchObject([
        { variant: 'fp32', ships: true },
        { variant: 'u8s8', ships: !loses },
      ]);
      expect(verdict.passed).toBe(true);
      expect(verdict.checks.find(({ name }) => name === 'quantisation_loss_u8s8')).toMatchObject({ passed: !loses, variant: 'u8s8' });
    }),
  );
  expect(judge({ ...good, variants: [variant(0.967, 0.962)] }, { quantisationLossMax: 0.003 }).verdict.checks[0]?.words).toBe(
    'u8s8 loses 0.517 % of accuracy on the same 1000 examples (0.962, float 0.967); at most 0.3 % is allowed, it is off by 0.217 %: u8s8 is left out',
  );
});

test('a variant nobody compared with float is left out, and one that was left out before is not judged', () => {
  const { variants, verdict } = judge(
    {
      ...good,
      variants: [
        { variant: 'dyn8', bytes: 10 },
        { variant: 'w8', bytes: 1e9, leftOut: 'slower than float' },
      ],
    },
    { quantisationLossMax: 0.003, modelBytesMax: 1000 },
  );
  expect(variants.map(({ ships }) => ships)).toEqual([false, false]);
  expect(variants[1]?.words).toBe('slower than float');
  // Nothing is left to run.
  expect(verdict.checks.find(({ name }) => name === 'model_bytes')).toMatchObject({ passed: false, value: null });
});

test('a loss is a share of what float reaches, in the direction of the metric', () => {
  expect(relativeLoss(0.5, 0.4, 'higher')).toBeCloseTo(0.2);
  expect(relativeLoss(2, 3, 'lower')).toBeCloseTo(0.5);
  expect(relativeLoss(0, 0, 'lower')).toBe(0);
  expect(relativeLoss(0, 1, 'lower')).toBe(Infinity);
  expect(relativeLoss(Number.NaN, 1, 'higher')).toBeNaN();
});

test('a version that may be worse than the serving one fails, however good it is', () => {
  const worse = servingOfPairs(comparePaired([1, 1, 0, 1], [1, 1, 1, 1]), 'examples');
  expect(checkOf({ serving: worse }, { inferiorityMax: 0.05 })).toMatchObject({ name: 'against_champion', passed: false, limit: -0.05 });
  const alike = servingOfPairs(comparePaired(Array(200).fill(1), Array(200).fill(1)), 'examples');
  expect(checkOf({ serving: alike }, { inferiorityMax: 0.05 }).passed).toBe(true);
});

test('the baseline is asked about until a version serves; to be no worse than it is not enough', () => {
  const baseline = { name: 'linear', metric: 'auc', value: 0.8, gain: { value: 0.1, low: 0, high: 0.2 } };
  const limits = { beatBaseline: true, inferiorityMax: 0.02 };
  expect(checkOf({ baseline }, limits)).toMatchObject({ name: 'against_baseline', passed: false, value: 0 });
  expect(checkOf({ baseline: { ...baseline, gain: { value: 0.1, low: 0.01, high: 0.2 } } }, limits).passed).toBe(true);
  expect(checkOf({ baseline: { ...baseline, gain: null } }, limits)).toMatchObject({ passed: false, value: null });
  const names = judge({ ...good, baseline, serving: { low: 0, words: 'alike' } }, limits).verdict.checks.map(({ name }) => name);
  expect(names).toEqual(['against_champion']);
});

test('calibration is judged beyond what chance makes of so many examples', () => {
  const few = [{ count: 5, confidence: 0.7, right: 0.6 }];
  const many = [{ count: 50_000, confidence: 0.7, right: 0.5 }];
  expect(checkOf({ calibration: { error: errorOfBins(few), bins: few } }, { calibrationErrorMax: 0.05 }).passed).toBe(true);
  const check = checkOf({ calibration: { error: errorOfBins(many), bins: many } }, { calibrationErrorMax: 0.1 });
  expect(check).toMatchObject({ passed: false });
  expect(check.words).toMatch(
    /off by 20.0 points on average on the test part, of which 0.2 points .*; at most 10.0 points is allowed, it is off by 9.8 points/,
  );
  expect(checkOf({ calibration: { error: Number.NaN, bins: [] } }, { calibrationErrorMax: 0.1 }).passed).toBe(false);
});

test('what chance makes of a calibration that is right shrinks with the root of the examples', () => {
  const bins = (count: number) => [{ count, confidence: 0.8, right: 0.8 }];
  expect(chanceError(bins(100)) / chanceError(bins(400))).toBeCloseTo(2, 6);
  expect(chanceError([])).toBe(0);
});

const slice = (value: string, metric: readonly [number, number, number], difference: readonly [number, number, number]): SliceEvidence => ({
  column: 'plan',
  value,
  count: 120,
  metric: estimate(metric),
  difference: estimate(difference),
});

test('a slice fails where the whole interval of its drop is beyond the limit, in the direction of the metric', () => {
  fc.assert(
    fc.property(
      fc.array(estimates, { minLength: 1, maxLength: 6 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom('higher' as const, 'lower' as const),
      (differences, dropMax, better) => {
        const slices = differences.map((difference, index) => slice(`p${index}`, [0.8, 0.1, 0.1], difference));
        const check = checkOf({ slices, main: { metric: 'auc', better } }, { slices: { dropMax } });
        const surely = slices.map(({ difference }) => (better === 'higher' ? -(difference?.high ?? 0) : (difference?.low ?? 0)));
        expect(check.passed).toBe(surely.every((drop) => drop <= dropMax));
        expect(check.words).toContain(`plan=p${surely.indexOf(Math.max(...surely))}`);
      },
    ),
  );
});

test('slices that fail are all named, the worst first, with what they are off by', () => {
  const slices = [
    slice('basic', [0.71, 0.05, 0.05], [-0.12, 0.03, 0.03]),
    slice('plus', [0.9, 0.02, 0.02], [0.05, 0.05, 0.05]),
    slice('pro', [0.75, 0.02, 0.02], [-0.1, 0.02, 0.02]),
  ];
  expect(checkOf({ slices }, { slices: { dropMax: 0.05 } }).words).toBe(
    'on plan=basic (120 examples) auc is 0.71, worse than everybody else by 0.12, by 0.09 at the very least; at most 0.05 is allowed, it is off by 0.04; so does plan=pro',
  );
});

test('a small slice that looks bad by chance passes; one that is bad beyond doubt does not', () => {
  const wide = slice('few', [0.6, 0.2, 0.3], [-0.2, 0.3, 0.3]);
  const sure = slice('many', [0.6, 0.02, 0.02], [-0.2, 0.02, 0.02]);
  expect(checkOf({ slices: [wide] }, { slices: { min: 0.8 } }).passed).toBe(true);
  expect(checkOf({ slices: [wide, sure] }, { slices: { min: 0.8 } })).toMatchObject({ passed: false, name: 'slices_min' });
  expect(checkOf({ slices: [wide, sure] }, { slices: { max: 0.5 } }).passed).toBe(false);
  expect(widening(1)).toBeCloseTo(1, 10);
  expect(widening(20)).toBeCloseTo(3.0233 / 1.96, 3);
});

test('slices that could not be judged do not let a version pass', () => {
  const unknown: SliceEvidence = { column: 'plan', value: 'basic', count: 3, metric: null };
  for (const slices of [[], [unknown]]) expect(checkOf({ slices }, { slices: { dropMax: 0.5 } })).toMatchObject({ passed: false, value: null });
  // Judged, but never compared with the others.
  const alone: SliceEvidence = { column: 'plan', value: 'basic', count: 30, metric: { value: 1, low: 1, high: 1 } };
  expect(checkOf({ slices: [alone] }, { slices: { dropMax: 0.5 } }).passed).toBe(false);
});

const perturbed = (kind: string, severity: 1 | 2 | 3, drop: number | null): PerturbedFigure => ({
  kind,
  severity,
  words: `${severity} of it`,
  estimate: drop === null ? null : { value: 0.9 - drop, low: 0.8 - drop, high: 1 - drop },
  drop: drop === null ? null : { value: drop, low: drop - 0.01, high: drop + 0.01 },
});

test('a perturbation fails by its worst severity, up to the one that counts', () => {
  const robustness = {
    metric: 'accuracy',
    perturbed: [perturbed('blur', 1, 0.01), perturbed('blur', 2, 0.04), perturbed('blur', 3, 0.3), perturbed('noise', 1, 0.5)],
  };
  expect(checkOf({ robustness }, { robustness: { blur: { dropMax: 0.05, severityMax: 2 } } }).passed).toBe(true);
  expect(checkOf({ robustness }, { robustness: { blur: { dropMax: 0.05 } } }).words).toBe(
    'under blur of severity 3 (3 of it) accuracy is 0.6, a drop of 0.3 (0.29 to 0.31); at most 0.05 is allowed, it is off by 0.25',
  );
});

test('a perturbation that was not measured fails, and the words say which were', () => {
  const robustness = { metric: 'accuracy', perturbed: [perturbed('blur', 1, 0.01), perturbed('noise', 1, null)] };
  expect(checkOf({ robustness }, { robustness: { blurr: { dropMax: 1 } } }).words).toContain('what blurr costs was not measured (perturbed were blur, noise)');
  expect(checkOf({ robustness }, { robustness: { noise: { dropMax: 1 } } }).passed).toBe(false);
  expect(checkOf({}, { robustness: { noise: { dropMax: 1 } } }).passed).toBe(false);
});

test('latency and memory are those of the fastest variant that goes along', () => {
  const variants: VariantEvidence[] = [
    { variant: 'fp32', bytes: 4000, latency: { p90Ms: 9, memoryBytes: 500 } },
    { ...variant(0.9, 0.9), latency: { p90Ms: 3, memoryBytes: 200 } },
    { variant: 'u8u8', bytes: 1, leftOut: 'slower', latency: { p90Ms: 1 } },
  ];
  const limits = { quantisationLossMax: 0.01, latencyMsMax: 2, memoryBytesMax: 100, modelBytesMax: 3999 };
  expect(checkOf({ variants }, limits, 'latency_ms')).toMatchObject({ value: 3, passed: false, words: expect.stringContaining('u8s8, answers') as string });
  expect(checkOf({ variants }, limits, 'memory_bytes')).toMatchObject({ value: 200, passed: false });
  expect(checkOf({ variants }, limits, 'model_bytes')).toMatchObject({ value: 4000, passed: false });
  expect(checkOf({}, limits, 'latency_ms')).toMatchObject({ value: null, passed: false });
  expect(checkOf({}, limits, 'memory_bytes')).toMatchObject({ value: null, passed: false });
});

test('what is not limited is not asked about', () => {
  expect(judge(good, {}).verdict).toEqual({ passed: true, checks: [] });
});
