import { expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '@serin/inference/random';
import { createLocalRunner, type LocalRunnerOptions, type MeasuredBundles } from './local-runner.ts';
import type { RawWindow } from './ports.ts';
import { createTestCamera, createTestEngine, makeBundle, makeVariants } from './testing/models.ts';
import { settle, VirtualClock } from './testing/virtual-clock.ts';

async function begin(options: Partial<LocalRunnerOptions> = {}) {
  const engine = createTestEngine();
  const clock = new VirtualClock();
  const camera = createTestCamera();
  const windows: RawWindow[] = [];
  const runner = createLocalRunner({ engine, source: camera, clock, random: seededRandom('runner'), deadlineMs: 100, ...options });
  runner.configure({ windowMs: 1_000, samplesPerWindow: 0 });
  await runner.start({ window: (window) => windows.push(window), sample: () => {}, restarted: () => {} });
  onTestFinished(() => runner.stop());
  const show = async (): Promise<void> => {
    camera.show({ pixels: Uint8Array.of(1), capturedAt: clock.elapsed() });
    await settle();
  };
  return { engine, clock, windows, runner, show };
}

test('a version is warmed beside the one that serves, takes over between two frames, and the old one can be dropped', async () => {
  const { engine, windows, runner, show } = await begin();
  const [first, second] = [await makeBundle(1, 1), await makeBundle(2, 2)];
  await runner.warm(first);
  await runner.activate(first.digest);
  await show();
  await runner.warm(second);
  await show();
  await runner.activate(second.digest);
  await show();
  await runner.drop(first.digest);
  expect(engine.opened()).toBe(1);
  await show();
  await runner.stop();
  expect(windows.map(({ version, counters }) => [version, counters.run, counters.failed])).toEqual([
    [1, 2, 0],
    [2, 2, 0],
  ]);
  expect(engine.opened()).toBe(0);
});

test('going back needs nothing but the word', async () => {
  const { windows, runner, show } = await begin();
  const [first, second] = [await makeBundle(1, 1), await makeBundle(2, 2)];
  for (const bundle of [first, second]) {
    await runner.warm(bundle);
    await runner.activate(bundle.digest);
    await show();
  }
  await runner.activate(first.digest);
  await runner.drop(second.digest);
  await show();
  await runner.stop();
  expect(windows.map(({ version }) => version)).toEqual([1, 2, 1]);
});

test('a version that does not prove itself leaves the one that serves alone', async () => {
  const { engine, windows, runner, show } = await begin();
  const first = await makeBundle(1, 1);
  await runner.warm(first);
  await runner.activate(first.digest);
  await expect(runner.warm(await makeBundle(2, 2, 'wrong golden'))).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  await expect(runner.activate((await makeBundle(2, 2)).digest)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(engine.opened()).toBe(1);
  await show();
  await runner.stop();
  expect(windows.map(({ version, counters }) => [version, counters.run])).toEqual([[1, 1]]);
});

test('warming twice opens once; a model for other frames is refused before it is opened', async () => {
  const { engine, runner } = await begin();
  const bundle = await makeBundle(1, 1);
  expect(await runner.warm(bundle)).toEqual(await runner.warm(bundle));
  expect(engine.opened()).toBe(1);
  const other = await makeBundle(2, 1);
  const manifest = { ...other.manifest, inputs: [{ name: 'frame', dtype: 'uint8' as const, shape: [-1, 32, 32, 3] }] };
  await expect(runner.warm({ ...other, manifest })).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' });
  expect(engine.opened()).toBe(1);
});

test('of several variants the best serves and the others are closed; a runner with the same engine does not measure again', async () => {
  const measuredBefore: MeasuredBundles = new Map();
  const { engine, clock, runner, show, windows } = await begin({ measuredBefore });
  let runs = 0;
  engine.onRun = (answer) => {
    runs++;
    return clock.advance(answer === 1 ? 5 : 1);
  };
  const variants = await makeVariants(1, [
    ['u8s8', 2],
    ['fp32', 1],
  ]);
  const report = await runner.warm(...variants);
  expect(report).toMatchObject({ variant: 'u8s8', measured: [{ p50Ms: 1 }, { p50Ms: 5 }] });
  const second = createLocalRunner({ engine, source: createTestCamera(), clock, random: seededRandom('second'), deadlineMs: 100, measuredBefore });
  await second.start({ window: () => {}, sample: () => {}, restarted: () => {} });
  onTestFinished(() => second.stop());
  runs = 0;
  expect(await second.warm(...variants)).toEqual(report);
  expect([runs, engine.opened()]).toEqual([1, 2]);

  await runner.activate(variants[0]?.digest ?? ('' as never));
  await show();
  await runner.stop();
  expect(windows[0]?.labels).toEqual([0, 0, 1]);
});

test('what one runner could not measure another one tries itself', async () => {
  const measuredBefore: MeasuredBundles = new Map();
  const { runner } = await begin({ measuredBefore });
  await expect(runner.warm(await makeBundle(1, 1, 'wrong golden'))).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  expect(measuredBefore.size).toBe(0);
});
