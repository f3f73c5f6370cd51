import { expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '@serin/inference/random';
import { chunkList } from '@serin/protocol/bundle/chunks';
import { describePart } from '@serin/protocol/bundle/manifest';
import { chunkBytes } from '@serin/protocol/limits';
import type { DesiredModel } from '@serin/protocol/messages/desired';
import { createLocalRunner } from './local-runner.ts';
import { createMemorySpool } from './memory/spool.ts';
import type { Clock, FrameSource } from './ports.ts';
import { bundleParts, createTestEngine, makeManifest, testShape, type Misbehaviour } from './testing/models.ts';
import { createTestDevice } from './testing/test-device.ts';
import { createTestFleet, type TestFleet } from './testing/test-fleet.ts';

const framePeriodMs = 50;

/** A frame whenever it is time for one. */
function createSteadyCamera(clock: Clock): FrameSource & { taken(): number } {
  let taken = 0;
  return {
    description: 'steady camera',
    synthetic: true,
    shape: testShape,
    async next(signal) {
      await clock.sleep(framePeriodMs, signal);
      if (signal.aborted) return undefined;
      taken++;
      return { pixels: Uint8Array.of(taken % 200), capturedAt: clock.elapsed() };
    },
    takeSkipped: () => 0,
    close: () => Promise.resolve(),
    taken: () => taken,
  };
}

/** A version whose model always gives that answer, with its golden vectors and profile. */
async function publish(fleet: TestFleet, version: number, answer: number, misbehaviour: Misbehaviour = 'none'): Promise<DesiredModel> {
  const parts = bundleParts(answer, misbehaviour);
  const manifest = await makeManifest(version, parts, 'picker', fleet.self.fleet);
  for (const part of parts) {
    const { file } = await describePart(part);
    fleet.blobs.set(file.sha256, part.bytes).set(file.chunkRoot, await chunkList(part.bytes, chunkBytes));
  }
  const order = await fleet.publish(version, { change: () => manifest });
  return { ...order, bundleBytes: manifest.files.reduce((sum, { size }) => sum + size, 0) };
}

async function begin() {
  const fleet = await createTestFleet();
  const engine = createTestEngine();
  const spool = createMemorySpool();
  let framesTaken = (): number => 0;
  const device = createTestDevice({
    fleet,
    wrap: (parts) => {
      const { clock } = parts;
      const camera = createSteadyCamera(clock);
      framesTaken = camera.taken;
      return { ...parts, spool, runner: createLocalRunner({ engine, source: camera, clock, random: seededRandom('device'), deadlineMs: 1_000 }) };
    },
  });
  await device.device.start();
  onTestFinished(() => device.clock.stop());
  /** Ends the device. How many frames it took, and how many each version answered, in the order in which they served. */
  const finish = async () => {
    await device.device.stop();
    const windows = [...device.link.received.values(), ...(await spool.peek(1_000))];
    const bySeq = new Map(windows.map((window) => [window.seq, window]));
    expect([...bySeq.keys()].toSorted((one, other) => one - other)).toEqual(Array.from({ length: bySeq.size }, (_, seq) => seq));
    const counted: { version: number; frames: number; run: number }[] = [];
    for (const { version, counters } of [...bySeq.values()].toSorted((one, other) => one.seq - other.seq)) {
      const last = counted.at(-1);
      if (last?.version !== version) counted.push({ version, frames: counters.frames, run: counters.run });
      else {
        last.frames += counters.frames;
        last.run += counters.run;
      }
    }
    return { counted, taken: framesTaken() };
  };
  return { ...device, fleet, engine, finish };
}

const sumOf = (counted: readonly { frames: number }[]): number => counted.reduce((sum, { frames }) => sum + frames, 0);

test('a new version takes over between two frames: every frame taken is answered and counted once', async () => {
  const { fleet, link, engine, settled, finish } = await begin();
  link.deliver(await fleet.order(1, [await publish(fleet, 1, 1)]));
  await settled(1);
  link.deliver(await fleet.order(2, [await publish(fleet, 2, 2)]));
  await settled(2);
  expect(engine.opened()).toBe(1);
  const { counted, taken } = await finish();
  expect(counted.map(({ version }) => version)).toEqual([1, 2]);
  expect(sumOf(counted)).toBe(taken);
  expect(counted.every(({ frames, run }) => frames === run && run >= 20)).toBe(true);
  expect(engine.opened()).toBe(0);
});

test.each([
  ['not finite', 'ROLLED_BACK', 'PROBATION_FAILED', [1, 2, 1]],
  ['throws', 'ROLLED_BACK', 'PROBATION_FAILED', [1, 2, 1]],
  ['wrong golden', 'FAILED', 'GOLDEN_MISMATCH', [1]],
  ['unloadable', 'FAILED', 'MODEL_LOAD_FAILED', [1]],
] as const)('a version that is or does "%s" ends %s with %s, and the one before answers on', async (misbehaviour, outcome, code, served) => {
  const { fleet, link, engine, settled, until, finish } = await begin();
  link.deliver(await fleet.order(1, [await publish(fleet, 1, 1)]));
  await settled(1);
  link.deliver(await fleet.order(2, [await publish(fleet, 2, 2, misbehaviour)]));
  const { models } = await until('thrown back', ({ models: [model] }) => model?.phase === 'IDLE' && model.last?.version === 2);
  expect(models[0]).toMatchObject({ active: { version: 1 }, last: { outcome, code } });
  expect(engine.opened()).toBe(1);
  const { counted, taken } = await finish();
  expect(counted.map(({ version }) => version).slice(0, served.length)).toEqual(served.slice(0, counted.length));
  expect(sumOf(counted)).toBe(taken);
});
