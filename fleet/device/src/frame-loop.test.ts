import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '@serin/inference/random';
import type { TablePreprocessing } from '@serin/protocol/bundle/preprocessing';
import type { FrameSample } from '@serin/protocol/messages/telemetry';
import { FrameLoop, type FrameResult, type ServedModel } from './frame-loop.ts';
import type { EngineTensor, Frame, RawWindow, Unsent } from './ports.ts';
import { createTestCamera, createTestEngine, makeBundle, modelFile, type Misbehaviour } from './testing/models.ts';
import { settle, VirtualClock } from './testing/virtual-clock.ts';

const engine = createTestEngine();

async function model(version: number, answer: number, misbehaviour: Misbehaviour = 'none', name = 'picker'): Promise<ServedModel> {
  const { digest, manifest, profile } = await makeBundle(version, answer, misbehaviour, name);
  return { digest, manifest, profile, session: await engine.open(modelFile(answer, misbehaviour)) };
}

function begin(options: { windowMs?: number; samplesPerWindow?: number; deadlineMs?: number } = {}) {
  const clock = new VirtualClock();
  const camera = createTestCamera();
  const windows: RawWindow[] = [];
  const samples: Unsent<FrameSample>[] = [];
  const results: FrameResult[] = [];
  const faults: unknown[] = [];
  const loop = new FrameLoop({
    source: camera,
    clock,
    random: seededRandom('loop'),
    deadlineMs: options.deadlineMs ?? 50,
    handlers: {
      window: (window) => windows.push(window),
      sample: (sample) => samples.push(sample),
      result: (result) => results.push(result),
      fault: (error) => faults.push(error),
    },
  });
  loop.configure({ windowMs: options.windowMs ?? 1_000, samplesPerWindow: options.samplesPerWindow ?? 0 });
  loop.start();
  onTestFinished(() => loop.stop());
  const show = (pixel: number, truth?: number): Frame => {
    const frame: Frame = {
      pixels: Uint8Array.of(pixel),
      capturedAt: clock.elapsed(),
      ...(truth === undefined ? {} : { truth: { label: truth, origin: 'device-outcome' } }),
    };
    camera.show(frame);
    return frame;
  };
  return { clock, camera, windows, samples, results, faults, loop, show };
}

test('frames wait until something serves; then each is answered and counted', async () => {
  const { camera, windows, results, loop, show } = begin();
  show(10, 1);
  camera.skip(40);
  await settle();
  expect(camera.taken()).toBe(0);
  await loop.serve(await model(1, 1));
  camera.skip(3);
  show(20, 2);
  await settle();
  await loop.stop();
  expect(results.map(({ answer, version }) => ({ version, ...answer }))).toEqual([
    { version: 1, label: 1, confidence: 0.875, finite: true },
    { version: 1, label: 1, confidence: 0.875, finite: true },
  ]);
  expect(windows).toHaveLength(1);
  expect(windows[0]).toMatchObject({ version: 1, counters: { frames: 2, run: 2, skipped: 3, judged: 2, wrong: 1, failed: 0 }, labels: [0, 2, 0] });
});

test('windows end where the wall clock is a multiple of their length, also while no frame comes', async () => {
  const { clock, windows, loop, show } = begin();
  await clock.advance(300);
  await loop.serve(await model(1, 1));
  show(1);
  await clock.advance(5_000);
  expect(windows.map(({ from, to }) => [from % 10_000, to % 10_000])).toEqual([[300, 1_000]]);
  show(2);
  await clock.advance(1_000);
  expect(windows.map(({ from, to }) => to - from)).toEqual([700, 1_000]);
});

test('a shorter window takes effect at once', async () => {
  const { clock, windows, loop, show } = begin({ windowMs: 60_000 });
  await loop.serve(await model(1, 1));
  show(1);
  await clock.advance(1_200);
  loop.configure({ windowMs: 500, samplesPerWindow: 0 });
  await clock.advance(300);
  expect(windows.map(({ to }) => to % 10_000)).toEqual([1_500]);
});

test('a frame in hand when the model changes counts for the one that answered it, and no frame is lost', async () => {
  const { windows, results, loop, show } = begin();
  await loop.serve(await model(1, 1));
  let release = (): void => {};
  engine.onRun = () => new Promise<void>((resolve) => (release = resolve));
  onTestFinished(() => (engine.onRun = undefined));
  show(1);
  await settle();
  let isSwitched = false;
  const switching = loop.serve(await model(2, 2)).then(() => (isSwitched = true));
  show(2);
  await settle();
  expect(isSwitched).toBe(false);
  engine.onRun = undefined;
  release();
  await switching;
  await settle();
  await loop.stop();
  expect(results.map(({ version }) => version)).toEqual([1, 2]);
  expect(windows.map(({ version, counters }) => [version, counters.run])).toEqual([
    [1, 1],
    [2, 1],
  ]);
});

test('however often the model changes, every frame taken is in exactly one window', async () => {
  const step = fc.oneof(fc.constant('frame' as const), fc.constant('change' as const), fc.constant('wait' as const));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { clock, camera, windows, results, loop, show } = begin({ windowMs: 1_000 });
      let version = 1;
      await loop.serve(await model(version, 1));
      const switches: Promise<void>[] = [];
      for (const done of steps) {
        if (done === 'frame') show(1, 1);
        else if (done === 'wait') await clock.advance(400);
        else switches.push(loop.serve(await model(++version, version % 3)));
      }
      await Promise.all(switches);
      await settle();
      await loop.stop();
      expect(results).toHaveLength(camera.taken());
      const perVersion = new Map<number, number>();
      for (const window of windows) perVersion.set(window.version, (perVersion.get(window.version) ?? 0) + window.counters.frames);
      const answered = new Map<number, number>();
      for (const result of results) answered.set(result.version, (answered.get(result.version) ?? 0) + 1);
      expect(perVersion).toEqual(answered);
    }),
    { numRuns: 40 },
  );
});

test('failures, answers that are not finite and answers that come too late are counted, and the loop goes on', async () => {
  const { clock, windows, faults, loop, show } = begin({ deadlineMs: 50 });
  await loop.serve(await model(1, 1, 'throws'));
  show(1);
  show(1);
  await settle();
  await loop.serve(await model(2, 1, 'not finite'));
  show(1, 1);
  await settle();
  await loop.serve(await model(3, 1));
  const old = show(1);
  old.capturedAt -= 51;
  await settle();
  await clock.advance(1_000);
  expect(windows.map(({ version, counters }) => [version, counters])).toEqual([
    [1, { frames: 2, run: 0, skipped: 0, failed: 2, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0 }],
    [2, { frames: 1, run: 1, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 1, judged: 0, wrong: 0 }],
    [3, { frames: 1, run: 1, skipped: 0, failed: 0, deadlineMissed: 1, nonFinite: 0, judged: 0, wrong: 0 }],
  ]);
  expect(faults).toHaveLength(1);
});

test('of a window as many random frames are sent along as are wanted, each with what was said and known of it', async () => {
  const { clock, samples, loop, show } = begin({ samplesPerWindow: 4 });
  await loop.serve(await model(1, 2));
  for (let pixel = 0; pixel < 100; pixel++) {
    const frame = show(pixel, 2);
    await settle();
    // Cameras use their buffers again.
    frame.pixels[0] = 0;
  }
  await clock.advance(1_000);
  expect(samples).toHaveLength(4);
  const pixels = samples.map((sample) => sample.pixels[0] ?? 0);
  expect(new Set(pixels).size).toBe(4);
  expect(Math.max(...pixels)).toBeGreaterThan(4);
  expect(samples[0]).toMatchObject({ model: 'picker', version: 1, shape: [1, 1, 1], predicted: { label: 2 }, truth: { label: 2, origin: 'device-outcome' } });
  show(1);
  await clock.advance(1_000);
  expect(samples).toHaveLength(5);
});

test('a detector is counted by its objects, judged by the parts that lie there, and its samples carry both', async () => {
  const { clock, camera, windows, samples, loop } = begin({ samplesPerWindow: 2 });
  const served = await model(1, 1);
  const rows = [2, 30, 40, 0.5, 0.875, 2, 90, 40, 0, 0.625, 1, 10, 10, 0, 0.125];
  loop.configure({ windowMs: 1_000, samplesPerWindow: 2 });
  await loop.serve({
    ...served,
    manifest: { ...served.manifest, task: 'detection', outputs: [{ name: 'detections', dtype: 'float32', shape: [-1, 3, 5] }] },
    session: { run: async () => ({ detections: { dtype: 'float32', shape: [1, 3, 5], data: Float32Array.from(rows) } }), close: () => Promise.resolve() },
  });
  const truth = (x: number): NonNullable<Frame['truth']> => ({ origin: 'simulated-annotator', objects: [{ label: 2, x, y: 40, angle: 0.5, visible: 1 }] });
  for (const x of [31, 60]) camera.show({ pixels: Uint8Array.of(1), capturedAt: clock.elapsed(), truth: truth(x) });
  await settle();
  await clock.advance(1_000);
  expect(windows[0]).toMatchObject({ labels: [0, 0, 4], counters: { run: 2, nonFinite: 0, judged: 2, wrong: 1 } });
  expect(windows[0]?.statistics[1]).toMatchObject({ name: 'confidence', sum: 1.5 });
  expect(samples[0]).toMatchObject({
    predicted: { objects: [{ label: 2, x: 30, y: 40, angle: 0.5, score: 0.875 }, { x: 90 }] },
    truth: { objects: [{ label: 2, y: 40, visible: 1 }], origin: 'simulated-annotator' },
  });
});

test('two models see the same frames, each in windows of its own', async () => {
  const { windows, loop, show } = begin();
  await loop.serve(await model(1, 1));
  await loop.serve(await model(7, 2, 'none', 'sorter'));
  show(1);
  show(2);
  await settle();
  await loop.retire('picker');
  show(3);
  await settle();
  await loop.stop();
  expect(windows.map(({ model: name, counters }) => [name, counters.run])).toEqual([
    ['picker', 2],
    ['sorter', 3],
  ]);
});

const customers: TablePreprocessing = { v: 1, kind: 'table', columns: [{ kind: 'number', name: 'age' }] };

async function recordModel(version: number, answer: number, misbehaviour: Misbehaviour = 'none'): Promise<ServedModel> {
  const { manifest, ...rest } = await model(version, answer, misbehaviour, 'churn');
  const statistic = { name: 'column/age', edges: [0, 50, 100], counts: [0, 5, 5, 0, 0], mean: 50, deviation: 20, nullPsi: [] };
  return {
    ...rest,
    manifest: { ...manifest, task: 'table', inputs: [{ name: 'features', dtype: 'float32', shape: [-1, 1] }] },
    preprocessing: customers,
    profile: { v: 1, framesPerWindow: 10, assumption: 'made for a test', statistics: [statistic] },
  };
}

test('a model of records is asked one by one; what it saw and said is counted in its windows, and frames pass it by', async () => {
  const { clock, camera, windows, loop, show } = begin();
  await loop.serve(await recordModel(1, 2));
  show(10);
  await settle();
  expect(camera.taken()).toBe(0);
  expect(await loop.ask('churn', { age: 41 })).toMatchObject({ model: 'churn', version: 1, label: 'nut', confidence: 0.875 });
  await loop.ask('churn', { age: 70 });
  await loop.ask('churn', {});
  await clock.advance(1_000);
  expect(windows).toHaveLength(1);
  expect(windows[0]).toMatchObject({ counters: { frames: 3, run: 3, failed: 0 }, labels: [0, 0, 3] });
  expect(windows[0]?.statistics).toEqual([{ name: 'column/age', counts: [0, 1, 1, 0, 1], sum: 111, sumSquares: 41 ** 2 + 70 ** 2 }]);
});

test('the embedding beside an answer is added up, of frames and of records; class by confidence where the profile has it', async () => {
  const { windows, loop, show } = begin();
  const embedding: EngineTensor = { dtype: 'float32', shape: [1, 2], data: Float32Array.of(0.5, -0.5) };
  const embedded = async (served: ServedModel): Promise<ServedModel> => ({
    ...served,
    manifest: { ...served.manifest, outputs: [...served.manifest.outputs, { name: 'embedding', dtype: 'float32', shape: [-1, 2] }] },
    profile: { v: 1, framesPerWindow: 10, assumption: 'made for a test', statistics: [], classConfidence: Array.from({ length: 30 }, () => 0) },
    session: { ...served.session, run: async (inputs) => ({ ...(await served.session.run(inputs)), embedding }) },
  });
  await loop.serve(await embedded(await model(1, 1)));
  await loop.serve(await embedded(await recordModel(1, 2)));
  show(1);
  show(2);
  await settle();
  await loop.ask('churn', { age: 41 });
  await loop.stop();
  const counted = (label: number, times: number): number[] => Array.from({ length: 30 }, (_, cell) => (cell === label * 10 + 8 ? times : 0));
  expect(windows.map(({ model: name, embedding: moments, classConfidence }) => [name, moments, classConfidence])).toEqual([
    ['picker', { count: 2, sum: [1, -1], squares: 1 }, counted(1, 2)],
    ['churn', { count: 1, sum: [0.5, -0.5], squares: 0.5 }, counted(2, 1)],
  ]);
});

test('what is no record is refused and counts for nothing; an answer that fails or is not finite is counted and told', async () => {
  const { windows, loop } = begin();
  await loop.serve(await recordModel(1, 1, 'not finite'));
  await expect(loop.ask('churn', { age: 'old' })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  await expect(loop.ask('churn', { age: 1 })).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  await expect(loop.ask('picker', {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await loop.serve(await recordModel(2, 1, 'throws'));
  await expect(loop.ask('churn', { age: 1 })).rejects.toThrow('run failed');
  await loop.retire('churn');
  await expect(loop.ask('churn', { age: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(windows.map(({ version, counters }) => [version, counters.run, counters.failed, counters.nonFinite])).toEqual([
    [1, 1, 0, 1],
    [2, 0, 1, 0],
  ]);
});

test('a model is only let go when nobody waits for its answer any more', async () => {
  const { windows, loop } = begin();
  await loop.serve(await recordModel(1, 1));
  let answer: () => void = () => {};
  engine.onRun = () => new Promise<void>((resolve) => (answer = resolve));
  onTestFinished(() => (engine.onRun = undefined));
  const asked = loop.ask('churn', { age: 1 });
  await settle();
  let isGone = false;
  const gone = loop.retire('churn').then(() => (isGone = true));
  await settle();
  expect(isGone).toBe(false);
  answer();
  expect(await asked).toMatchObject({ label: 'washer' });
  await gone;
  expect(windows).toMatchObject([{ counters: { run: 1 } }]);
});
