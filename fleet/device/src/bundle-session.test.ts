import { expect, test } from 'vitest';
import { goldenDistance, openBundleSession } from './bundle-session.ts';
import { createTestEngine, makeBundle } from './testing/models.ts';
import { VirtualClock } from './testing/virtual-clock.ts';

test('a model that reproduces its golden vectors is handed over with its pace', async () => {
  const engine = createTestEngine();
  const clock = new VirtualClock();
  engine.onRun = () => clock.advance(4);
  const { session, report } = await openBundleSession(engine, await makeBundle(1, 1), clock);
  expect(report).toEqual({ loadMs: 0, p50Ms: 4, goldenMaxDifference: 0 });
  await session.close();
  expect(engine.opened()).toBe(0);
});

test.each([
  ['unloadable', 'MODEL_LOAD_FAILED'],
  ['wrong golden', 'GOLDEN_MISMATCH'],
] as const)('one that is %s is refused with %s, and nothing stays open', async (misbehaviour, code) => {
  const engine = createTestEngine();
  await expect(openBundleSession(engine, await makeBundle(1, 1, misbehaviour), new VirtualClock())).rejects.toMatchObject({ code });
  expect(engine.opened()).toBe(0);
});

test('without golden vectors, or with unreadable ones, nothing shows that it runs right', async () => {
  const engine = createTestEngine();
  const bundle = await makeBundle(1, 1);
  const open = (golden: typeof bundle.golden) => openBundleSession(engine, { ...bundle, golden }, new VirtualClock());
  await expect(open(undefined)).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  const vector = { inputs: { frame: { shape: [1, 1, 1, 1], dtype: 'float32', data: 'abc' } }, outputs: { probabilities: [0, 0, 0] } };
  await expect(open({ v: 1, tolerance: 1, vectors: [vector] })).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  expect(engine.opened()).toBe(0);
});

test('an output that is missing, short or not a number is infinitely far off', async () => {
  const bundle = await makeBundle(1, 1);
  const session = await createTestEngine().open(await bundle.modelBytes());
  const [vector] = bundle.golden?.vectors ?? [];
  const distance = (outputs: Record<string, number[]>) => goldenDistance(session, { v: 1, tolerance: 0, vectors: [{ inputs: vector?.inputs ?? {}, outputs }] });
  expect(await distance({ probabilities: [0.0625, 0.875, 0.1875] })).toBe(0.125);
  expect(await distance({ probabilities: [0.0625, 0.875] })).toBe(Infinity);
  expect(await distance({ boxes: [1] })).toBe(Infinity);
  expect(await distance({ probabilities: [0.0625, Number.NaN, 0.0625] })).toBe(Infinity);
});
