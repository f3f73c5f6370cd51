import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describePromise, driftRule, initialDrift, stepDrift, windowPValue, type DriftRule, type DriftState, type DriftWindow } from './drift-detector.ts';
import { drawNormal, seededRandom, type Random } from './seeded-random.ts';

const rule: DriftRule = { threshold: 200, effectMin: 0.1, clearWindows: 3 };

function run(windows: readonly DriftWindow[], start: DriftState = initialDrift): DriftState {
  return windows.reduce((state, window) => stepDrift(state, window, rule), start);
}

function windowsOf(count: number, p: number, effect: number, from = 0): DriftWindow[] {
  return Array.from({ length: count }, (_, i) => ({ p, effect, at: from + i }));
}

test('the p-value counts the reference windows at least as far out, ties included', () => {
  const reference = [1, 2, 2, 3];
  expect([0, 1, 2, 2.5, 3, 4].map((value) => windowPValue(reference, value))).toEqual([1, 1, 0.8, 0.4, 0.4, 0.2]);
  expect(windowPValue([], 1)).toBeNaN();
  expect(windowPValue(reference, Number.NaN)).toBeNaN();
});

test('drift raises an alert that says when the run began, and a calm stretch clears it', () => {
  const calm = windowsOf(10, 0.9, 0.01);
  const raised = run([...calm, ...windowsOf(5, 0.005, 0.4, 10)]);
  expect(raised).toMatchObject({ alert: true, since: 10 });
  const held = run([...windowsOf(2, 0.9, 0.01, 15), ...windowsOf(1, 0.5, 0.06, 17), ...windowsOf(2, 0.9, 0.01, 18)], raised);
  expect(held).toMatchObject({ alert: true, since: 10 });
  expect(run(windowsOf(1, 0.9, 0.01, 20), held)).toMatchObject({ alert: false, since: null, r: 0 });
});

test('a surprising but small change raises no alert', () => {
  const state = run(windowsOf(50, 0.005, 0.09));
  expect(state.r).toBeGreaterThan(rule.threshold);
  expect(state.alert).toBe(false);
});

test('windows without evidence neither raise nor clear', () => {
  const raised = run(windowsOf(6, 0.005, 0.4));
  for (const hole of [
    { p: Number.NaN, effect: 0, at: 9 },
    { p: 0.9, effect: Number.NaN, at: 9 },
  ]) {
    expect(stepDrift(raised, hole, rule)).toBe(raised);
  }
  expect(() => stepDrift(raised, { p: 0, effect: 0, at: 9 }, rule)).toThrow(RangeError);
});

const anyWindow = fc.record({
  p: fc.double({ min: 1e-4, max: 1, noNaN: true }),
  effect: fc.double({ min: -0.1, max: 2, noNaN: true }),
  at: fc.nat(),
});

test('the state survives JSON at every step, and an alert always had its effect', () => {
  fc.assert(
    fc.property(fc.array(anyWindow, { maxLength: 200 }), (windows) => {
      let state = initialDrift;
      for (const window of windows) {
        const next = stepDrift(JSON.parse(JSON.stringify(state)) as DriftState, window, rule);
        expect(next).toEqual(stepDrift(state, window, rule));
        if (next.alert && !state.alert) {
          expect(window.effect).toBeGreaterThanOrEqual(rule.effectMin);
          expect(next.since).not.toBeNull();
        }
        expect(next.alert).toBe(next.since !== null);
        state = next;
      }
    }),
  );
});

test('the start of a run is the window that makes the later evidence largest', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1e-3, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 }), (ps) => {
      const state = run(ps.map((p, at) => ({ p, effect: 0, at })));
      const evidence = ps.map((_, from) => ps.slice(from).reduce((sum, p) => sum - Math.log(2 * Math.sqrt(p)), 0));
      const best = Math.max(0, ...evidence);
      expect(state.runEvidence).toBeCloseTo(best, 9);
      if (state.runStart !== null) expect(evidence[state.runStart]).toBeCloseTo(best, 9);
    }),
  );
});

function autoregressive(random: Random, phi: number): Random {
  let value = drawNormal(random);
  return () => {
    value = phi * value + Math.sqrt(1 - phi * phi) * drawNormal(random);
    return value;
  };
}

/** Runs without drift until the alarm, each with a reference of its own. */
function alarms(phi: number, runs: number): { meanLength: number; broken: number; trusted: number } {
  const random = seededRandom(3);
  let length = 0;
  let broken = 0;
  let trusted = 0;
  for (let i = 0; i < runs; i++) {
    const reference = Float64Array.from({ length: 200 }, autoregressive(random, phi)).toSorted();
    const draw = autoregressive(random, phi);
    let state = initialDrift;
    while (!state.alert && state.windows < 20 * rule.threshold) {
      state = stepDrift(state, { p: windowPValue(reference, draw()), effect: 1, at: state.windows }, rule);
    }
    length += state.windows / runs;
    const { holds } = describePromise(state, rule);
    if (holds === false) broken += 1 / runs;
    if (holds === true) trusted += 1 / runs;
  }
  return { meanLength: length, broken, trusted };
}

test('exchangeable windows run on average at least A = 200 windows to a false alarm (300 runs, references drawn too)', () => {
  const { meanLength, broken } = alarms(0, 300);
  expect(meanLength).toBeGreaterThanOrEqual(200);
  expect(broken).toBeLessThan(0.05);
});

test('correlated windows (.5, .9) break that promise, and the detector seldom claims otherwise', () => {
  for (const phi of [0.5, 0.9]) {
    const { meanLength, broken, trusted } = alarms(phi, 300);
    expect(meanLength).toBeLessThan(200);
    expect(broken).toBeGreaterThan(0.4);
    expect(trusted).toBeLessThan(0.15);
  }
});

test('the promise names its assumption and is withdrawn when the reference is known to be correlated', () => {
  expect(describePromise(initialDrift)).toMatchObject({ assumption: 'exchangeable windows', holds: 'unknown', autocorrelation: null });
  expect(describePromise(initialDrift).words).toContain(`${driftRule.threshold} windows`);
  const random = seededRandom(9);
  const calm = run(Array.from({ length: 500 }, (_, at) => ({ p: 1 - random(), effect: 0, at })));
  expect(describePromise(calm, rule).holds).toBe(true);
  expect(describePromise(calm, rule, false)).toMatchObject({ holds: false });
  expect(describePromise(calm, rule, false).words).toMatch(/^no false-alarm rate can be promised/);
});
