import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeCanary, type CanaryRule } from './canary.ts';
import type { Block } from './e-values.ts';

const rule: CanaryRule = { delta: 0.01, margin: 0.05, alpha: 0.05, minFrames: 300, usualRate: 0.03 };

/** Blocks whose bad frames follow a rate as evenly as whole numbers allow. */
function blocksOf(count: number, treated: [n: number, rate: number], control: [n: number, rate: number]): Block[] {
  const armAt = ([n, rate]: [number, number], i: number) => ({ n, bad: Math.round((i + 1) * n * rate) - Math.round(i * n * rate) });
  return Array.from({ length: count }, (_, i) => ({ treated: armAt(treated, i), control: armAt(control, i) }));
}

test('a version as good as the control is good, once there are enough frames', () => {
  const blocks = blocksOf(20, [20, 0.03], [60, 0.03]);
  const early = judgeCanary(blocks.slice(0, 11), rule);
  expect(early).toMatchObject({ state: 'pending', canaryFrames: 220, words: 'not enough data: 220 of 300 frames' });
  const late = judgeCanary(blocks, rule);
  expect(late).toMatchObject({ state: 'good', canaryFrames: 400, controlFrames: 1200, threshold: 20 });
  expect(late.words).toMatch(/^not worse by 5 %: .+ of 400 canary frames bad against .+ of 1200; .+ to 1 against chance$/);
});

test('a version that fails often is bad before the frames suffice for a promotion', () => {
  const verdict = judgeCanary(blocksOf(6, [20, 0.4], [60, 0.03]), rule);
  expect(verdict.state).toBe('bad');
  expect(verdict.words).toMatch(/^worse: /);
  expect(verdict.interval![0]).toBeGreaterThan(0);
});

test('missing frames never decide', () => {
  expect(judgeCanary([], rule)).toMatchObject({ state: 'pending', canaryBad: null, interval: null, words: 'not enough data: no frames from the canary yet' });
  const alone = blocksOf(50, [100, 0.03], [0, 0]);
  expect(judgeCanary(alone, rule)).toMatchObject({ state: 'pending', words: 'not enough data: no frames from the control yet' });
  const blind = blocksOf(50, [0, 0], [100, 0.03]);
  expect(judgeCanary(blind, rule).state).toBe('pending');
});

test('between tolerated and too much the judge says that it cannot tell', () => {
  const verdict = judgeCanary(blocksOf(20, [20, 0.06], [60, 0.03]), { ...rule, delta: 0.02, margin: 0.04 });
  expect(verdict.state).toBe('pending');
  expect(verdict.words).toMatch(/^undecided: .+, 20 to 1 needed$/);
});

const arm = fc.nat(60).chain((n) => fc.record({ n: fc.constant(n), bad: fc.nat(n) }));
const anyBlocks = fc.array(fc.record({ treated: arm, control: arm }), { maxLength: 30 });

test('a canary found worse stays worse whatever follows, and every verdict is plain JSON', () => {
  fc.assert(
    fc.property(anyBlocks, anyBlocks, (before, after) => {
      const first = judgeCanary(before, rule);
      const second = judgeCanary([...before, ...after], rule);
      if (first.state === 'bad') expect(second.state).toBe('bad');
      if (second.state === 'good') expect(second.canaryFrames).toBeGreaterThanOrEqual(rule.minFrames);
      expect(JSON.parse(JSON.stringify(second))).toEqual(second);
    }),
  );
});

test('counts that cannot be are refused', () => {
  const control = { n: 10, bad: 0 };
  expect(() => judgeCanary([{ treated: { n: 1, bad: 2 }, control }], rule)).toThrow(RangeError);
  expect(() => judgeCanary([{ treated: { n: 1, bad: Number.NaN }, control }], rule)).toThrow(RangeError);
  expect(() => judgeCanary([], { ...rule, margin: 0 })).toThrow(RangeError);
});
