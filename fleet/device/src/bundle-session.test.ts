import { expect, test } from 'vitest';
import { SerinError } from '@serin/protocol/errors';
import { openBundleSession, type BundleSession, type WarmOptions } from './bundle-session.ts';
import { goldenDistances, requireGolden } from './golden-check.ts';
import { createTestEngine, makeBundle, makeVariants, type TestVariants } from './testing/models.ts';
import { VirtualClock } from './testing/virtual-clock.ts';

test('a model that reproduces its golden vectors is handed over with its pace', async () => {
  const engine = createTestEngine();
  const clock = new VirtualClock();
  engine.onRun = () => clock.advance(4);
  const { session, report } = await openBundleSession(engine, [await makeBundle(1, 1)], clock);
  expect(report).toEqual({ variant: 'u8s8', measured: [{ variant: 'u8s8', bytes: 2, loadMs: 0, goldenDifference: 0, p50Ms: 4, p90Ms: 4 }] });
  await session.close();
  expect(engine.opened()).toBe(0);
});

test.each([
  ['unloadable', 'MODEL_LOAD_FAILED'],
  ['wrong golden', 'GOLDEN_MISMATCH'],
] as const)('one that is %s is refused with %s, and nothing stays open', async (misbehaviour, code) => {
  const engine = createTestEngine();
  await expect(openBundleSession(engine, [await makeBundle(1, 1, misbehaviour)], new VirtualClock())).rejects.toMatchObject({ code });
  expect(engine.opened()).toBe(0);
});

test('without golden vectors, or with unreadable ones, nothing shows that it runs right', async () => {
  const engine = createTestEngine();
  const bundle = await makeBundle(1, 1);
  const open = (golden: typeof bundle.golden) => openBundleSession(engine, [{ ...bundle, golden }], new VirtualClock());
  await expect(open(undefined)).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  const vector = { inputs: { frame: { shape: [1, 1, 1, 1], dtype: 'float32', data: 'abc' } }, outputs: { probabilities: [0, 0, 0] } };
  await expect(open({ v: 1, tolerance: 1, vectors: [vector] })).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  expect(engine.opened()).toBe(0);
});

test('an output that is missing, short or not a number is infinitely far off', async () => {
  const bundle = await makeBundle(1, 1);
  const session = await createTestEngine().open(await bundle.modelBytes());
  const [vector] = bundle.golden?.vectors ?? [];
  const distances = async (outputs: Record<string, number[]>) =>
    Object.fromEntries(await goldenDistances(session, { v: 1, tolerance: 0, vectors: [{ inputs: vector?.inputs ?? {}, outputs }] }));
  expect(await distances({ probabilities: [0.0625, 0.875, 0.1875] })).toEqual({ probabilities: 0.125 });
  expect(await distances({ probabilities: [0.0625, 0.875] })).toEqual({ probabilities: Infinity });
  expect(await distances({ boxes: [1] })).toEqual({ boxes: Infinity });
  expect(await distances({ probabilities: [0.0625, Number.NaN, 0.0625] })).toEqual({ probabilities: Infinity });
});

test('an output with a tolerance of its own is held to that one, the others to the common one', async () => {
  const bundle = await makeBundle(1, 1);
  const session = await createTestEngine().open(await bundle.modelBytes());
  const [vector] = bundle.golden?.vectors ?? [];
  const vectors = [{ inputs: vector?.inputs ?? {}, outputs: { probabilities: [0.0625, 0.875, 0.1875] } }];
  expect(await requireGolden(session, { v: 1, tolerance: 0, tolerances: { probabilities: 0.125 }, vectors })).toBe(0.125);
  await expect(requireGolden(session, { v: 1, tolerance: 1, tolerances: { probabilities: 0.1 }, vectors })).rejects.toMatchObject({
    code: 'GOLDEN_MISMATCH',
    detail: 'output probabilities is off by 0.125, allowed 0.1',
  });
  await expect(requireGolden(session, { v: 1, tolerance: 0.1, tolerances: { boxes: 1 }, vectors })).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
});

/** Each run of the model with that answer takes so long. */
async function choose(
  paceMs: Record<number, number | (() => number)>,
  variants: TestVariants,
  options: WarmOptions = {},
): Promise<BundleSession & { order: number[]; opened: number }> {
  const engine = createTestEngine();
  const clock = new VirtualClock();
  const order: number[] = [];
  engine.onRun = async (answer) => {
    order.push(answer);
    const pace = paceMs[answer] ?? 0;
    await clock.advance(typeof pace === 'number' ? pace : pace());
  };
  const chosen = await openBundleSession(engine, await makeVariants(1, variants), clock, options).catch((error: unknown) => {
    expect(engine.opened()).toBe(0);
    throw error;
  });
  return { ...chosen, order, opened: engine.opened() };
}

test('of several variants the fastest is kept, measured turn about, and the others are closed', async () => {
  const { report, bundle, order, opened } = await choose({ 0: 8, 1: 3, 2: 5 }, [
    ['u8s8', 1],
    ['fp32', 0],
    ['u8u8', 2],
  ]);
  expect([report.variant, bundle.variant, opened]).toEqual(['u8s8', 'u8s8', 1]);
  expect(report.measured.map(({ variant, p50Ms, p90Ms }) => [variant, p50Ms, p90Ms])).toEqual([
    ['u8s8', 3, 3],
    ['fp32', 8, 8],
    ['u8u8', 5, 5],
  ]);
  // After the golden vectors: there and back.
  expect(order.slice(0, 9)).toEqual([1, 0, 2, 1, 0, 2, 2, 0, 1]);
});

/** The quick run of each three, and what a busy machine makes of the others. */
const disturbed = (quickMs: number, slowMs: number) => {
  let runs = 0;
  return () => (++runs % 3 === 0 ? quickMs : slowMs);
};

test.each([
  ['as quick as the exact one when nothing disturbs it leaves that in place', 10, 'fp32'],
  ['quicker also then is kept', 9, 'u8s8'],
] as const)('a variant with the better median that is %s', async (_, quickMs, kept) => {
  const { report } = await choose({ 0: disturbed(quickMs, 20), 1: disturbed(10, 30) }, [
    ['u8s8', 0],
    ['fp32', 1],
  ]);
  expect(report.measured).toMatchObject([{ p50Ms: 20 }, { p50Ms: 30 }]);
  expect(report.variant).toBe(kept);
});

test('slow models are run a few times, and no longer', async () => {
  const { order } = await choose({ 0: 900, 1: 1_000 }, [
    ['u8s8', 0],
    ['fp32', 1],
  ]);
  expect(order).toHaveLength(2 * (1 + 6));
});

test.each([
  ['does not load', 'unloadable', 'MODEL_LOAD_FAILED'],
  ['misses its golden vectors', 'wrong golden', 'GOLDEN_MISMATCH'],
] as const)('a variant that %s is out and says why, another one serves', async (_, misbehaviour, code) => {
  const { report } = await choose({ 0: 1, 1: 9 }, [
    ['u8s8', 0, misbehaviour],
    ['fp32', 1],
  ]);
  expect(report.variant).toBe('fp32');
  expect(report.measured[0]).toEqual({ variant: 'u8s8', bytes: 2, code, detail: expect.stringMatching(/\w/) });
  expect(report.measured[1]).toMatchObject({ variant: 'fp32', p50Ms: 9 });
});

test('a variant beyond the memory there is is out; alone it is tried all the same', async () => {
  const free = [100, 5];
  const { report } = await choose(
    {},
    [
      ['u8s8', 0],
      ['fp32', 1],
    ],
    { freeBytes: () => free.shift() ?? 0 },
  );
  expect(report).toMatchObject({ variant: 'u8s8', measured: [{}, { variant: 'fp32', code: 'MEMORY_SHORT' }] });
  expect((await choose({}, [['fp32', 1]], { freeBytes: () => 0 })).report.variant).toBe('fp32');
});

test('where none can serve the most telling reason is given, with the words of all', async () => {
  const none = choose({}, [
    ['u8s8', 0, 'unloadable'],
    ['fp32', 1, 'wrong golden'],
  ]);
  await expect(none).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH', detail: expect.stringMatching(/^fp32: .+; u8s8: no such operator/) });
});

test("what befalls the whole engine is nobody's fault: it is thrown", async () => {
  const engine = createTestEngine();
  const variants = await makeVariants(1, [
    ['u8s8', 0],
    ['fp32', 1],
  ]);
  engine.onRun = (answer) => {
    if (answer === 1) throw new SerinError('INFERENCE_CRASHED');
  };
  await expect(openBundleSession(engine, variants, new VirtualClock())).rejects.toMatchObject({ code: 'INFERENCE_CRASHED' });
  expect(engine.opened()).toBe(0);
});

test('what was measured before is believed, the golden vectors are run all the same', async () => {
  const measured = [
    { variant: 'u8s8', bytes: 2, p50Ms: 1 },
    { variant: 'fp32', bytes: 2, p50Ms: 9 },
  ] as const;
  const { report, order } = await choose({}, [['u8s8', 1]], { measured });
  expect(report).toMatchObject({ variant: 'u8s8', measured: [{ variant: 'u8s8', p50Ms: 1, loadMs: 0 }, { p50Ms: 9 }] });
  expect(order).toEqual([1]);
  await expect(choose({}, [['u8s8', 1, 'wrong golden']], { measured })).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
});
