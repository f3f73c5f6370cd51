import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { modelName } from '@serin/protocol/ids';
import type { Reported } from '@serin/protocol/messages/reported';
import type { Truth } from '@serin/protocol/messages/telemetry';
import { createChanges } from '../changes.ts';
import { initialDesired } from '../desired/intent.ts';
import { addVersions } from '../desired/testing.ts';
import { boot, addDevices } from '../link/testing.ts';
import { createLog } from '../log.ts';
import type { Service } from '../service.ts';
import { alerts, desired, devices, jobs, samples } from '../store/schema.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { createRetraining } from './retraining.ts';

const picker = modelName.parse('picker');
const running: Service[] = [];
let store: TestStore;
let now = 100_000;

beforeEach(async () => {
  store = await openTestStore();
  now = 100_000;
  await addVersions(store.db, 'picker', [1], 1);
  const reported: Reported = { v: 1, boot: boot('b'), seq: 0, ts: 0, rev: 1, models: [{ model: picker, phase: 'IDLE' }] };
  for (const id of await addDevices(store, ['ada', 'bob', 'idle'])) {
    await store.transaction((tx) => initialDesired(tx, id, 2, now));
    if (id !== 'idle') await store.db.update(devices).set({ reported }).where(eq(devices.id, id));
  }
});
afterEach(async () => {
  await stopAll();
  await store.close();
});

async function stopAll(): Promise<void> {
  for (const service of running.splice(0)) await service.stop(1_000);
}

async function start(): Promise<void> {
  const made = createRetraining({
    store,
    changes: createChanges(),
    clock: () => now,
    log: createLog('silent'),
    wakePublisher: () => {},
    samplesWanted: 4,
    collectPerWindow: 16,
    usualPerWindow: 2,
    collectLimitMs: 60_000,
    tickMs: 5,
  });
  running.push(made);
  await made.start(new AbortController().signal);
}

const openAlert = (id: string, scope = 'fleet', since = 50_000, model = 'picker') =>
  store.db.insert(alerts).values({ id, model, version: 1, statistic: id, state: 'OPEN', openedAt: now, body: { scope, since } });

let seq = 0;
const addSamples = (labelled: number, takenAt: number, truth: Truth | null = { objects: [], origin: 'simulated-annotator' }) =>
  store.db.insert(samples).values(
    Array.from({ length: labelled }, () => ({
      device: 'ada',
      boot: 'b',
      seq: seq++,
      model: 'picker',
      version: 1,
      takenAt,
      height: 128,
      width: 128,
      channels: 3,
      predicted: { label: 0, confidence: 1 },
      truth,
      pixels: new Uint8Array(3),
    })),
  );

const allJobs = () => store.db.select().from(jobs);
const sampling = async () => Object.fromEntries((await store.db.select().from(desired)).map((row) => [row.device, row.samplesPerWindow]));
async function until<Value>(look: () => Promise<Value>, isSo: (value: Value) => boolean): Promise<Value> {
  for (let round = 0; ; round++) {
    const value = await look();
    if (isSo(value)) return value;
    if (round > 1_000) throw new Error(`still ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('alerts of the fleet share one retraining, which waits for labelled frames of the time since and then is due', async () => {
  await openAlert('brightness');
  await start();
  const [job] = await until(allJobs, (rows) => rows.length === 1);
  expect(job).toMatchObject({
    kind: 'retrain',
    status: 'QUEUED',
    params: { since: 50_000, rollout: true, alert: 'brightness' },
    message: 'collecting frames: 0 of 4',
  });
  expect(job!.notBefore).toBeGreaterThan(now);
  await until(sampling, (now16) => now16.ada === 16 && now16.bob === 16);
  expect((await sampling()).idle).toBe(2);
  await openAlert('contrast');
  await until(
    () => store.db.select().from(alerts),
    (rows) => rows.every(({ jobId }) => jobId === job!.id),
  );
  await addSamples(5, 49_999);
  await addSamples(5, 60_000, null);
  await addSamples(5, 60_000, { label: 1, origin: 'person' });
  await addSamples(3, 60_000);
  await until(allJobs, ([row]) => row?.message === 'collecting frames: 3 of 4');
  // All it knows is in rows.
  await stopAll();
  await start();
  await addSamples(1, 60_000);
  await until(allJobs, ([row]) => row?.notBefore === now);
  expect(await allJobs()).toHaveLength(1);
});

test('an alert about a table starts nothing: devices send no records to learn from', async () => {
  await addVersions(store.db, 'churn', [1], 1, { document: { kind: 'manifest', payload: JSON.stringify({ task: 'table' }), signatures: [] } });
  await openAlert('column/age', 'fleet', 50_000, 'churn');
  await openAlert('brightness');
  await start();
  await until(allJobs, (rows) => rows.length > 0);
  await until(sampling, (now16) => now16.ada === 16);
  expect((await allJobs()).map(({ model }) => model)).toEqual(['picker']);
});

test('when frames are no longer waited for devices send as few as before, and the same alert starts no other retraining', async () => {
  await openAlert('brightness');
  await start();
  const [job] = await until(allJobs, (rows) => rows.length === 1);
  await until(sampling, (perWindow) => perWindow.ada === 16);
  await addSamples(4, 60_000);
  await until(allJobs, ([row]) => row?.notBefore === now);
  expect(await until(sampling, (perWindow) => perWindow.ada === 2)).toEqual({ ada: 2, bob: 2, idle: 2 });
  const revisions = (await store.db.select().from(desired)).map(({ rev }) => rev).sort((a, b) => a - b);
  expect(revisions).toEqual([1, 3, 3]);
  await store.db.update(jobs).set({ status: 'FAILED', finishedAt: now }).where(eq(jobs.id, job!.id));
  await stopAll();
  await start();
  await until(sampling, (perWindow) => perWindow.ada === 2);
  expect(await allJobs()).toHaveLength(1);
});

test('collecting gives up with its reason', async () => {
  await openAlert('brightness');
  await start();
  await until(allJobs, (rows) => rows.length === 1);
  await addSamples(1, 60_000);
  now += 61_000;
  const [job] = await until(allJobs, ([row]) => row?.status === 'FAILED');
  expect(job).toMatchObject({ error: { code: 'TRAINING_DATA_INSUFFICIENT', detail: '1 of 4 labelled frames came within 60 s' } });
});

test('the alert of a single device is left to a person, and so is one about a version that is not in service', async () => {
  await openAlert('lens', 'device');
  await store.db
    .insert(alerts)
    .values({ id: 'old', model: 'picker', version: 9, statistic: 'x', state: 'OPEN', openedAt: now, body: { scope: 'fleet', since: 1 } });
  await start();
  await openAlert('brightness');
  await until(allJobs, (rows) => rows.length === 1);
  const linked = (await store.db.select().from(alerts)).flatMap(({ id, jobId }) => (jobId === null ? [] : [id]));
  expect(linked).toEqual(['brightness']);
});
