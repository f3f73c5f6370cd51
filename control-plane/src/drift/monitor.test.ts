import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeWindow } from '@serin/protocol/codec';
import { sha256 } from '@serin/protocol/digest';
import { bootId, fleetId, modelName } from '@serin/protocol/ids';
import { createKeyPair, importSigningKey } from '@serin/protocol/bundle/signing';
import type { Profile } from '@serin/protocol/bundle/profile';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { correctedPsi } from '@serin/stats/distances';
import { countInto, emptyCounts, equalMassEdges } from '@serin/stats/histogram';
import { seededRandom } from '@serin/stats/seeded-random';
import { openDiskBlobs, type BlobStore } from '../blobs/disk.ts';
import { createChanges } from '../changes.ts';
import { createLog } from '../log.ts';
import { publishVersion } from '../models/publish.ts';
import { alerts, detectors, windows } from '../store/schema.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { findAlert } from '../views/work.ts';
import { createDriftMonitor } from './monitor.ts';
import { createProfiles } from './profiles.ts';

const picker = modelName.parse('picker');
const framesPerWindow = 100;
const random = seededRandom(3);
const rule = { threshold: 500, effectMin: 0.1, clearWindows: 3 };

const edges = equalMassEdges(
  Array.from({ length: 2000 }, () => random()),
  8,
);
function countsOf(shift: number, frames: number): number[] {
  const counts = emptyCounts(edges);
  for (let frame = 0; frame < frames; frame++) countInto(counts, edges, random() + shift);
  return counts;
}
const reference = countsOf(0, 4000);
const profile: Profile = {
  v: 1,
  framesPerWindow,
  assumption: 'frames are independent.',
  statistics: [
    {
      name: 'brightness',
      edges,
      counts: reference,
      mean: 0.5,
      deviation: 0.29,
      nullPsi: Array.from({ length: 400 }, () => correctedPsi(reference, countsOf(0, framesPerWindow))).sort((a, b) => a - b),
    },
  ],
};

let store: TestStore;
let folder: string;
let blobs: BlobStore;
let time = 1_000_000;
let seq = 0;

beforeAll(async () => {
  store = await openTestStore();
  folder = await mkdtemp(path.join(tmpdir(), 'serin-blobs-'));
  blobs = await openDiskBlobs(folder);
  const tensor = { name: 'x', dtype: 'float32' as const, shape: [1] };
  const bytes = (text: string) => new TextEncoder().encode(text);
  await publishVersion(
    { store, blobs, changes: createChanges(), clock: () => time, fleet: fleetId.parse('f'), release: await importSigningKey(await createKeyPair()) },
    {
      model: picker,
      files: [
        { role: 'model', variant: 'fp32', path: 'model.onnx', bytes: bytes('not looked into here') },
        { role: 'profile', path: 'profile.json', bytes: bytes(JSON.stringify(profile)) },
      ],
      task: 'tensor',
      labels: [],
      inputs: [tensor],
      outputs: [tensor],
      metrics: {},
      gate: null,
      origin: 'pushed',
      createdBy: 'test',
    },
  );
}, 60_000);
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function addWindow(device: string, shift: number, frames = 50): Promise<void> {
  time += 1000;
  const counts = countsOf(shift, frames);
  const window: TelemetryWindow = {
    boot: bootId.parse('b'),
    seq: seq++,
    model: picker,
    version: 1,
    manifest: await sha256(new Uint8Array()),
    from: time - 1000,
    to: time,
    counters: { frames, run: frames, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0 },
    latencyMs: { alpha: 0.01, offset: 0, counts: [], zero: 0, count: 0, sum: 0, min: 0, max: 0 },
    statistics: [{ name: 'brightness', counts, sum: frames * (0.5 + shift), sumSquares: 0 }],
    labels: [],
  };
  const row = { device, boot: 'b', seq: window.seq, model: picker, version: 1, fromAt: window.from, toAt: time, receivedAt: time };
  await store.db.insert(windows).values({ ...row, run: frames, bad: 0, judged: 0, wrong: 0, body: encodeWindow(window) });
}

/** A monitor of its own until it has read everything: each call is also a restart of the server. */
async function readAll(): Promise<void> {
  const monitor = createDriftMonitor({
    store,
    profiles: createProfiles(blobs),
    changes: createChanges(),
    clock: () => time,
    log: createLog('silent'),
    rule,
    windowMs: 1000,
    pollMs: 5,
  });
  await monitor.start(new AbortController().signal);
  for (;;) {
    const [cursor] = (await store.db.select().from(detectors)).filter(({ statistic }) => statistic === '#cursor');
    if ((cursor?.state as { receivedAt: number } | undefined)?.receivedAt === time) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await monitor.stop(1000);
}

const openAlerts = async () => (await store.db.select().from(alerts)).filter(({ state }) => state === 'OPEN');

test('quiet windows raise nothing; a drift of the whole fleet raises one alert that says what, where and on what assumption; calm clears it', async () => {
  for (let round = 0; round < 20; round++) for (const device of ['cam-1', 'cam-2', 'cam-3']) await addWindow(device, 0);
  await readAll();
  expect(await openAlerts()).toEqual([]);

  for (let round = 0; round < 12; round++) {
    for (const device of ['cam-1', 'cam-2', 'cam-3']) await addWindow(device, 0.4);
    // A restart between any two reads must not feed a window twice or lose one.
    if (round % 4 === 3) await readAll();
  }
  const [open, ...more] = await openAlerts();
  expect(more).toEqual([]);
  const alert = await findAlert(store.db, open?.id ?? '');
  expect(alert).toMatchObject({ statistic: 'brightness', state: 'OPEN', threshold: 500, devices: ['cam-1', 'cam-2', 'cam-3'] });
  expect(alert?.effect).toBeGreaterThan(0.1);
  expect(alert?.words).toMatch(/^brightness moved from 0\.500 to 0\.9/);
  expect(alert?.assumption).toContain('frames are independent.');
  expect(open?.body).toMatchObject({ scope: 'fleet' });

  for (let round = 0; round < 12; round++) for (const device of ['cam-1', 'cam-2', 'cam-3']) await addWindow(device, 0);
  await readAll();
  expect(await openAlerts()).toEqual([]);
});

test('one device that drifts among many is named, and the fleet is not', async () => {
  for (let round = 0; round < 30; round++) {
    for (const device of ['cam-1', 'cam-2', 'cam-3', 'cam-4', 'cam-5', 'cam-6', 'cam-7', 'cam-8']) await addWindow(device, device === 'cam-8' ? 0.15 : 0, 20);
    await addWindow('cam-8', 0.15, 20);
  }
  await readAll();
  const [open, ...more] = await openAlerts();
  expect(more).toEqual([]);
  const alert = await findAlert(store.db, open?.id ?? '');
  expect(alert?.devices).toContain('cam-8');
});
