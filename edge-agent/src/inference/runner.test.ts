import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import type { RawWindow, RunnerHandlers } from '@serin/device/ports';
import { frameChannels, frameHeight, frameWidth } from '@serin/inference/bin-scene/parameters';
import { systemClock } from '../clock.ts';
import { moduleUrl, runModule } from '../testing/child.ts';
import { recordLog } from '../testing/log.ts';
import { stubbornBundle } from '../testing/onnx.ts';
import type { InferenceSettings } from './messages.ts';
import { createProcessRunner, type ProcessRunner, type RunnerLimits } from './runner.ts';

const settings: InferenceSettings = { fps: 100, sceneFile: undefined, seed: 'test', deadlineMs: 1_000 };
const washer = [0, 64, 64, 0, 0.875];
const nut = [1, 64, 64, 0, 0.875];

interface Bench {
  runner: ProcessRunner;
  windows: RawWindow[];
  samples: Parameters<RunnerHandlers['sample']>[0][];
  restarted: string[];
}

async function bench(limits: Partial<RunnerLimits> = {}): Promise<Bench> {
  const runner = createProcessRunner({ settings, clock: systemClock, log: recordLog().log, limits });
  const made: Bench = { runner, windows: [], samples: [], restarted: [] };
  await runner.start({
    window: (window) => made.windows.push(window),
    sample: (sample) => made.samples.push(sample),
    restarted: (code) => made.restarted.push(code),
  });
  onTestFinished(() => runner.stop());
  return made;
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('frames run in another process; windows and samples come over, and none is lost while variants are tried, at a swap or at the end', async () => {
  const { runner, windows, samples } = await bench();
  runner.configure({ windowMs: 500, samplesPerWindow: 2 });
  const [first, second] = [await stubbornBundle(1, washer), await stubbornBundle(2, nut)];
  const figures = { loadMs: expect.any(Number), goldenDifference: expect.any(Number), p50Ms: expect.any(Number) };
  expect(await runner.warm(first)).toMatchObject({ variant: 'fp32', measured: [figures] });
  await runner.activate(first.digest);
  await expect.poll(() => windows.length, { timeout: 20_000 }).toBeGreaterThan(2);
  const broken = { ...second, variant: 'w8' as const, modelBytes: () => Promise.resolve(Uint8Array.of(1, 2, 3)) };
  expect(await runner.warm(broken, { ...second, variant: 'u8s8' }, second)).toMatchObject({
    // They are the same: noise decides nothing that anybody would notice.
    variant: expect.stringMatching(/^(u8s8|fp32)$/),
    measured: [
      { variant: 'w8', code: 'MODEL_LOAD_FAILED' },
      { variant: 'u8s8', ...figures },
      { variant: 'fp32', ...figures },
    ],
  });
  await runner.activate(second.digest);
  await runner.drop(first.digest);
  await expect.poll(() => windows.filter(({ version }) => version === 2).length, { timeout: 20_000 }).toBeGreaterThan(1);
  const { pid } = { pid: runner.pid() };
  expect(pid).not.toBe(process.pid);
  await runner.stop();
  expect(isAlive(pid ?? 0)).toBe(false);

  for (const { version, labels, counters } of windows) {
    expect(labels[version - 1]).toBe(counters.run);
    expect(counters).toMatchObject({ failed: 0, nonFinite: 0, frames: counters.run, judged: counters.run });
  }
  // Versions follow each other, and so do the windows of each.
  for (const version of [1, 2]) {
    const own = windows.filter((window) => window.version === version);
    own.slice(1).forEach((window, index) => expect(window.from).toBe(own[index]?.to));
  }
  expect(samples.length).toBeGreaterThan(0);
  expect(samples[0]?.pixels).toBeInstanceOf(Uint8Array);
  expect(samples[0]).toMatchObject({
    model: 'picker',
    shape: [frameHeight, frameWidth, frameChannels],
    predicted: { objects: [{ label: 0, x: 64 }] },
    truth: { origin: 'simulated-annotator' },
  });
}, 60_000);

test('a model that does not load, or does not reproduce its golden vectors, is refused under its code, and the old one goes on', async () => {
  const { runner, windows, restarted } = await bench();
  runner.configure({ windowMs: 500, samplesPerWindow: 0 });
  const good = await stubbornBundle(1, washer);
  await runner.warm(good);
  await runner.activate(good.digest);
  await expect(runner.warm({ ...(await stubbornBundle(2, nut)), modelBytes: () => Promise.resolve(Uint8Array.of(1, 2, 3)) })).rejects.toMatchObject({
    code: 'MODEL_LOAD_FAILED',
  });
  const wrong = await stubbornBundle(3, nut, washer);
  await expect(runner.warm(wrong)).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  await expect(runner.activate(wrong.digest)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect.poll(() => windows.length, { timeout: 20_000 }).toBeGreaterThan(1);
  expect(windows.every(({ version }) => version === 1)).toBe(true);
  expect(restarted).toEqual([]);
}, 60_000);

test('killed, the process is there again with nothing loaded, and says so; orders meanwhile wait or fail as a crash', async () => {
  const { runner, windows, restarted } = await bench();
  const bundle = await stubbornBundle(1, washer);
  runner.configure({ windowMs: 500, samplesPerWindow: 0 });
  await runner.warm(bundle);
  await runner.activate(bundle.digest);
  const before = runner.pid() ?? 0;
  process.kill(before, 'SIGKILL');
  await expect.poll(() => runner.pid() === before).toBe(false);
  await expect(runner.activate(bundle.digest)).rejects.toMatchObject({ code: 'INFERENCE_CRASHED' });
  await expect.poll(() => restarted).toEqual(['INFERENCE_CRASHED']);
  windows.length = 0;
  await runner.warm(bundle);
  await runner.activate(bundle.digest);
  await expect.poll(() => windows.length, { timeout: 20_000 }).toBeGreaterThan(1);
  expect(runner.restarts()).toBe(1);
}, 60_000);

test('an order under way when the process dies fails as a crash', async () => {
  const { runner } = await bench();
  const warming = runner.warm(await stubbornBundle(1, washer));
  process.kill(runner.pid() ?? 0, 'SIGKILL');
  await expect(warming).rejects.toMatchObject({ code: 'INFERENCE_CRASHED' });
}, 60_000);

test('a process that hangs is ended and started again', async () => {
  const { runner, restarted } = await bench({ answerMs: 3_000 });
  process.kill(runner.pid() ?? 0, 'SIGSTOP');
  await expect.poll(() => restarted, { timeout: 30_000 }).toEqual(['INFERENCE_CRASHED']);
  await runner.warm(await stubbornBundle(1, washer));
}, 60_000);

test('stopped while the process is down, nothing is started any more', async () => {
  const { runner } = await bench();
  process.kill(runner.pid() ?? 0, 'SIGKILL');
  await expect.poll(() => runner.pid()).toBe(undefined);
  const waiting = runner.warm(await stubbornBundle(1, washer));
  await runner.stop();
  await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
}, 60_000);

test('the process does not outlive the agent, however the agent ends', async () => {
  const agent = runModule(
    `import { createProcessRunner } from ${moduleUrl('./runner.ts', import.meta.url)};
     import { systemClock } from ${moduleUrl('../clock.ts', import.meta.url)};
     const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, () => {}]));
     const runner = createProcessRunner({ settings: ${JSON.stringify(settings)}, clock: systemClock, log });
     await runner.start({ window() {}, sample() {}, restarted() {} });
     console.log(runner.pid());`,
  );
  const pid = Number(await agent.line());
  expect(isAlive(pid)).toBe(true);
  agent.child.kill('SIGKILL');
  await once(agent.child, 'exit');
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
}, 60_000);
