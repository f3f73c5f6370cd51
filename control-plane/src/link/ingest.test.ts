import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decode, decodeWindow, encode } from '@serin/protocol/codec';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, modelName } from '@serin/protocol/ids';
import type { ChunkRequest } from '@serin/protocol/messages/transfer';
import { down, up } from '@serin/protocol/topics';
import { createChanges, type Change } from '../changes.ts';
import { createLog } from '../log.ts';
import { devices, samples, windows } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { openTestStore } from '../store/testing.ts';
import { createIngest, type DriftGauge, type Ingest, type IngestOptions } from './ingest.ts';
import { addDevices, boot, reportedBytes, sampleBytes, statusBytes, telemetryBytes, testWindow, type WindowParts } from './testing.ts';
import { testHello } from '../testing.ts';

const ada = deviceId.parse('ada');
const bob = deviceId.parse('bob');
const eve = deviceId.parse('eve');
const noGauge: DriftGauge = { prepare: async () => {}, driftOf: () => null };

let store: Store;
let told: Change[];
let published: { topic: string; payload: Uint8Array }[];
let requests: [string, ChunkRequest][];
let ingest: Ingest;
let isDown = false;

/** The real store, which can be made to look unreachable. */
const flaky = (): Store => ({
  ...store,
  transaction: (work) => (isDown ? Promise.reject(new SerinError('DATABASE_UNREACHABLE')) : store.transaction(work)),
});

function create(options: Partial<IngestOptions> = {}): Ingest {
  const changes = createChanges();
  changes.listen((change) => told.push(change));
  return createIngest({
    store: flaky(),
    changes,
    clock: Date.now,
    log: createLog('silent'),
    gauge: noGauge,
    gatherMs: 5,
    onChunkRequest: (device, request) => requests.push([device, request]),
    link: {
      onMessage: () => () => {},
      async publish(topic, payload) {
        published.push({ topic, payload });
      },
    },
    ...options,
  });
}

beforeEach(async () => {
  store = await openTestStore();
  [told, published, requests, isDown] = [[], [], [], false];
  await addDevices(store, ['ada', 'bob']);
  ingest = create();
  await ingest.start(new AbortController().signal);
});
afterEach(async () => {
  await ingest.stop(1_000);
  await store.close();
});

const device = async (id: string) => (await store.db.select().from(devices).where(eq(devices.id, id)))[0]!;
const acks = (id: typeof ada) => published.filter(({ topic }) => topic === down(id, 'ack')).flatMap(({ payload }) => decode('ack', payload).windows);

test('windows are kept once, whole, and acknowledged after that, however often they come', async () => {
  const latencyMs = { alpha: 0.01, offset: 100, counts: [10], zero: 0, count: 10, sum: 73, min: 7.3, max: 7.3 };
  const sketches = { latencyMs, classConfidence: Array.from({ length: 20 }, (_, cell) => cell), embedding: { count: 2, sum: [0.5, -1.25], squares: 1.5 } };
  const window = testWindow({ seq: 3, ...sketches, counters: { run: 30, frames: 31, failed: 1, nonFinite: 2, deadlineMissed: 3, judged: 9, wrong: 4 } });
  ingest.accept(up(ada, 'tel'), telemetryBytes([window, window, testWindow({ seq: 4 })], 7));
  await ingest.settled();
  ingest.accept(up(ada, 'tel'), telemetryBytes([window]));
  await ingest.settled();
  const rows = await store.db.select().from(windows).orderBy(windows.seq);
  expect(rows.map(({ seq, run, bad, judged, wrong }) => ({ seq, run, bad, judged, wrong }))).toEqual([
    { seq: 3, run: 31, bad: 10, judged: 9, wrong: 4 },
    { seq: 4, run: 20, bad: 0, judged: 0, wrong: 0 },
  ]);
  expect(rows[0]?.p95Ms).toBeCloseTo(7.3, 1);
  expect(decodeWindow(rows[0]!.body)).toEqual(window);
  expect(acks(ada)).toEqual([
    ['b1', 3],
    ['b1', 3],
    ['b1', 4],
    ['b1', 3],
  ]);
  expect(await device('ada')).toMatchObject({ windowsReceived: 2, windowsMissing: 0, windowsDropped: 7 });
  expect(told).toContainEqual({ type: 'device', id: 'ada' });
});

test('a window is kept with its drift and the statistic that moved most', async () => {
  await ingest.stop(1_000);
  ingest = create({ gauge: { prepare: async () => {}, driftOf: (_, { seq }) => (seq === 1 ? { effect: 0.4, statistic: 'contrast' } : null) } });
  await ingest.start(new AbortController().signal);
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow({ seq: 1 }), testWindow({ seq: 2 })]));
  await ingest.settled();
  const rows = await store.db.select({ drift: windows.drift, statistic: windows.driftStatistic }).from(windows).orderBy(windows.seq);
  expect(rows).toEqual([
    { drift: 0.4, statistic: 'contrast' },
    { drift: null, statistic: null },
  ]);
});

test('gaps in the numbering are counted, and filled by windows that come late, also after a restart', async () => {
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow({ seq: 0 }), testWindow({ seq: 5 })]));
  await ingest.settled();
  expect(await device('ada')).toMatchObject({ windowsMissing: 4 });
  await ingest.stop(1_000);
  ingest = create();
  await ingest.start(new AbortController().signal);
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow({ seq: 2 }), testWindow({ seq: 7 }), testWindow({ boot: 'b2', seq: 9 })]));
  await ingest.settled();
  expect(await device('ada')).toMatchObject({ windowsReceived: 5, windowsMissing: 4 });
});

test('unknown and revoked devices change nothing and are not answered', async () => {
  await store.db.update(devices).set({ state: 'REVOKED' }).where(eq(devices.id, 'bob'));
  for (const id of [bob, eve]) {
    ingest.accept(up(id, 'status'), statusBytes({ online: true }));
    ingest.accept(up(id, 'tel'), telemetryBytes([testWindow()]));
    ingest.accept(up(id, 'smp'), sampleBytes());
  }
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow()]));
  await ingest.settled();
  expect((await store.db.select().from(windows)).map((row) => row.device)).toEqual(['ada']);
  expect(await store.db.$count(samples)).toBe(0);
  expect(await device('bob')).toMatchObject({ online: false, windowsReceived: 0 });
  expect(published.map(({ topic }) => topic)).toEqual([down(ada, 'ack')]);
});

test('malformed, oversized and unknown messages are counted and change nothing else', async () => {
  const before = await device('ada');
  const bad = [new Uint8Array(), new Uint8Array([1, 2, 3]), Buffer.from('{}'), Buffer.from('{"v":2}'), new Uint8Array(200_000)];
  for (const kind of ['status', 'reported', 'tel', 'smp', 'get'] as const) for (const payload of bad) ingest.accept(up(ada, kind), payload);
  ingest.accept('serin/1/d/ada/u/nonsense', bad[0]!);
  ingest.accept('elsewhere', bad[0]!);
  ingest.accept(up(ada, 'smp'), sampleBytes({ shape: [2, 2, 4] }));
  await ingest.settled();
  const { refusedCount, refusedCode, lastSeenAt, ...after } = await device('ada');
  expect(refusedCount).toBe(27);
  expect(refusedCode).toBe('MESSAGE_MALFORMED');
  expect(lastSeenAt).not.toBeNull();
  expect({ ...before, ...after }).toEqual(before);
  expect(ingest.counts.refused).toBe(28);
});

test('sketches of more cells than any model has, or of what is no number, are refused; of another number of classes they are kept as they came', async () => {
  const zeros = (length: number): number[] => Array.from({ length }, () => 0);
  const hostile: WindowParts[] = [
    { classConfidence: zeros(1001) },
    { classConfidence: [-1] },
    { classConfidence: [0.5] },
    { embedding: { count: 1, sum: zeros(257), squares: 1 } },
    { embedding: { count: 1, sum: [], squares: 1 } },
    { embedding: { count: 1, sum: [Number.NaN], squares: 1 } },
    { embedding: { count: 1, sum: [Infinity], squares: 1 } },
    { embedding: { count: 1, sum: [1], squares: -1 } },
  ];
  for (const parts of hostile) ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow(parts)]));
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow({ seq: 9, classConfidence: zeros(1000) })]));
  await ingest.settled();
  expect(ingest.counts.refused).toBe(hostile.length);
  expect(acks(ada)).toEqual([['b1', 9]]);
});

test('one message that the database refuses does not hold up those of others', async () => {
  ingest.accept(up(ada, 'status'), statusBytes({ online: true, hello: { ...testHello, os: 'nul \u0000 byte' } }));
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow()]));
  ingest.accept(up(bob, 'tel'), telemetryBytes([testWindow({ counters: { run: 12 } })]));
  await ingest.settled();
  expect((await store.db.select().from(windows)).map((row) => row.device)).toEqual(['bob']);
  expect(acks(bob)).toHaveLength(1);
  expect(acks(ada)).toHaveLength(0);
  expect(await device('ada')).toMatchObject({ refusedCount: 1, refusedCode: 'MESSAGE_MALFORMED' });
});

test('birth, report and will become the state of the device; what is older is ignored', async () => {
  const report = { rev: 4, models: [{ model: modelName.parse('picker'), phase: 'IDLE' as const }] };
  ingest.accept(up(ada, 'status'), statusBytes({ online: true, conn: 2, ts: 5, hello: { ...testHello, site: 'hall-b' } }));
  ingest.accept(up(ada, 'reported'), reportedBytes({ seq: 8, ...report }));
  ingest.accept(up(ada, 'reported'), reportedBytes({ seq: 7, rev: 3 }));
  ingest.accept(up(ada, 'status'), statusBytes({ online: false, conn: 1, ts: 1 }));
  await ingest.settled();
  expect(await device('ada')).toMatchObject({ online: true, conn: 2, hello: { site: 'hall-b' }, reported: report });
  ingest.accept(up(ada, 'reported'), reportedBytes({ seq: 6, rev: 2 }));
  ingest.accept(up(ada, 'status'), statusBytes({ online: false, conn: 2, ts: 5 }));
  await ingest.settled();
  expect(await device('ada')).toMatchObject({ online: false, reported: report });
  expect(ingest.counts).toMatchObject({ stale: 2, refused: 0 });
});

test('nobody is online after a restart until it says so', async () => {
  ingest.accept(up(ada, 'status'), statusBytes({ online: true }));
  await ingest.settled();
  await ingest.stop(1_000);
  ingest = create();
  await ingest.start(new AbortController().signal);
  expect(await device('ada')).toMatchObject({ online: false });
  ingest.accept(up(ada, 'status'), statusBytes({ online: true }));
  await ingest.settled();
  expect(await device('ada')).toMatchObject({ online: true });
});

test('while the database is away nothing is acknowledged; afterwards it goes on and state is not lost', async () => {
  isDown = true;
  ingest.accept(up(ada, 'status'), statusBytes({ online: true }));
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow()]));
  while (ingest.counts.failedCommits === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(published).toEqual([]);
  isDown = false;
  await ingest.settled();
  expect(await device('ada')).toMatchObject({ online: true, windowsReceived: 0 });
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow()]));
  await ingest.settled();
  expect(acks(ada)).toEqual([['b1', 0]]);
});

test('telemetry beyond the limit is left with the devices', async () => {
  await ingest.stop(1_000);
  ingest = create({ limits: { windowsMax: 3 }, gatherMs: 50 });
  await ingest.start(new AbortController().signal);
  ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow({ seq: 0 }), testWindow({ seq: 1 })]));
  ingest.accept(up(bob, 'tel'), telemetryBytes([testWindow({ seq: 0 }), testWindow({ seq: 1 })]));
  await ingest.settled();
  expect(await store.db.$count(windows)).toBe(2);
  expect([acks(ada).length, acks(bob).length]).toEqual([2, 0]);
  expect(ingest.counts.windowsTurnedAway).toBe(2);
});

test('frames are kept once, and of a model only the newest', async () => {
  await ingest.stop(1_000);
  ingest = create({ samplesPerModelMax: 10 });
  await ingest.start(new AbortController().signal);
  for (let seq = 0; seq < 25; seq++) {
    const truth = seq % 2 === 0 ? { truth: { label: 1, origin: 'simulated-annotator' as const } } : {};
    ingest.accept(up(ada, 'smp'), sampleBytes({ seq, ...truth }));
    ingest.accept(up(ada, 'smp'), sampleBytes({ seq, ...truth }));
  }
  await ingest.settled();
  const kept = await store.db.select().from(samples).orderBy(samples.id);
  expect(kept.map(({ seq }) => seq)).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
  expect(kept.at(-1)).toMatchObject({ height: 2, width: 2, channels: 3, truth: { label: 1, origin: 'simulated-annotator' } });
});

test('commits are stamped so that whoever reads on from a stamp misses none', async () => {
  for (let seq = 0; seq < 5; seq++) {
    ingest.accept(up(ada, 'tel'), telemetryBytes([testWindow({ seq })]));
    await ingest.settled();
  }
  const stamps = (await store.db.select().from(windows).orderBy(windows.seq)).map(({ receivedAt }) => receivedAt);
  expect(new Set(stamps).size).toBe(5);
  expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
});

test('requests for chunks are passed on', async () => {
  const request = {
    v: 1 as const,
    boot: boot('b1'),
    seq: 1,
    ts: 1,
    xfer: 't1' as never,
    blob: 'cd'.repeat(32) as never,
    chunkSize: 65_536,
    from: 0,
    bitmap: 'AQ==',
  };
  ingest.accept(up(ada, 'get'), encode('get', request));
  expect(requests).toEqual([['ada', request]]);
});

test('thousands of windows share a few commits', async () => {
  for (let batch = 0; batch < 100; batch++) {
    ingest.accept(up(batch % 2 === 0 ? ada : bob, 'tel'), telemetryBytes(Array.from({ length: 32 }, (_, index) => testWindow({ seq: batch * 32 + index }))));
  }
  await ingest.settled();
  expect(await store.db.$count(windows)).toBe(3_200);
  expect(acks(ada)).toHaveLength(1_600);
  expect(ingest.counts.commits).toBeLessThan(10);
});
