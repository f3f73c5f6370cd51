import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { manifest, type Variant } from '@serin/protocol/bundle/manifest';
import type { SignedDocument } from '@serin/protocol/bundle/signing';
import { encodeWindow } from '@serin/protocol/codec';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { deviceId, digest, modelName } from '@serin/protocol/ids';
import { reported } from '@serin/protocol/messages/reported';
import { alerts, desired, devices, models, versions, windows } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { openTestStore } from '../store/testing.ts';
import { testHello } from '../testing.ts';
import { deviceHistory, deviceWindows, listDevices } from './devices.ts';
import { listModels, listVersions } from './models.ts';
import { viewOverview } from './overview.ts';

const now = 1_800_000_000_000;
const view = { windowMs: 1000, now };
let db: Db;

beforeEach(async () => {
  const store = await openTestStore();
  onTestFinished(() => store.close());
  db = store.db;
});

async function addDevice(id: string, more: Partial<typeof devices.$inferInsert> = {}): Promise<void> {
  await db.insert(devices).values({
    id,
    state: 'ACTIVE',
    hello: { ...testHello, site: `hall-${id.at(-1)}` },
    certificateSerial: '1',
    certificateExpiresAt: 1,
    joinedAt: 1,
    online: true,
    ...more,
  });
}

/** A version whose manifest has those variants. */
async function addVersion(variants: readonly Variant[]): Promise<void> {
  const zeros = digest.parse('0'.repeat(64));
  const files = variants.map((variant) => ({ role: 'model', variant, path: `${variant}.onnx`, size: 1, sha256: zeros, chunkSize: 65_536, chunkRoot: zeros }));
  const tensor = { name: 'x', dtype: 'float32', shape: [1] };
  const about = { v: 1, fleet: 'hall', model: 'picker', version: 1, createdAt: 1, minAgent: '0.1.0', task: 'tensor', labels: [], metrics: {} };
  const payload = JSON.stringify(manifest.parse({ ...about, inputs: [tensor], outputs: [tensor], files }));
  await db.insert(models).values({ name: 'picker', createdAt: 1 });
  const row = { model: 'picker', version: 1, manifest: zeros, manifestBytes: 1, bundleBytes: 1, createdAt: 1, createdBy: 'a', metrics: {}, signedBy: 'k' };
  await db.insert(versions).values({ ...row, origin: 'trained', document: { payload, signatures: [] } as unknown as SignedDocument });
}

function windowAt(seq: number, to: number): TelemetryWindow {
  return {
    boot: 'b' as never,
    seq,
    model: modelName.parse('picker'),
    version: 1,
    manifest: digest.parse('0'.repeat(64)),
    from: to - 1000,
    to,
    counters: { frames: 20, run: 20, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 10, wrong: 1 },
    latencyMs: { alpha: 0.01, offset: 0, counts: [20], zero: 0, count: 20, sum: 20, min: 1, max: 1 },
    statistics: [
      { name: 'confidence', counts: [0, 15, 5, 0, 0], sum: 18, sumSquares: 17 },
      { name: 'brightness', counts: [0, 20, 0, 0, 0], sum: 2000, sumSquares: 1 },
    ],
    labels: [20],
  };
}

async function addWindow(device: string, seq: number, to: number, more: Partial<typeof windows.$inferInsert> = {}): Promise<void> {
  const body = encodeWindow(windowAt(seq, to));
  const row = {
    device,
    boot: 'b',
    seq,
    model: 'picker',
    version: 1,
    fromAt: to - 1000,
    toAt: to,
    receivedAt: to,
    run: 20,
    bad: 4,
    judged: 10,
    wrong: 1,
    p50Ms: 1,
    p95Ms: 2,
    drift: 0.2,
    driftStatistic: 'contrast',
    body,
    ...more,
  };
  await db.insert(windows).values(row);
}

const idsOf = async (filter: Omit<Parameters<typeof listDevices>[1], 'limit'>): Promise<string[]> =>
  (await listDevices(db, { limit: 100, ...filter }, view)).items.map(({ id }) => id);

test('pages follow each other without a gap or a repetition, and the total is of all of them', async () => {
  for (let index = 0; index < 7; index++) await addDevice(`cam-${index}`);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await listDevices(db, { limit: 3, ...(cursor === undefined ? {} : { cursor }) }, view);
    expect(page.total).toBe(7);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  expect(seen).toEqual(Array.from({ length: 7 }, (_, index) => `cam-${index}`));
});

test('filters find what they say; what people type is text, not a pattern', async () => {
  const last = { version: 2, manifest: '0'.repeat(64), outcome: 'REJECTED', code: 'BUNDLE_SIGNATURE_INVALID' };
  const report = reported.parse({
    v: 1,
    boot: 'b',
    seq: 1,
    ts: 1,
    rev: 1,
    models: [{ model: 'picker', phase: 'IDLE', active: { version: 1, manifest: '0'.repeat(64), variant: 'u8s8' }, last }],
  });
  await addDevice('cam-1', { reported: report });
  await addDevice('cam-2', { online: false });
  await addDevice('cam_3', { state: 'REVOKED', online: false });
  const order = { model: modelName.parse('picker'), version: 2, manifest: { sha256: digest.parse('0'.repeat(64)), size: 1 }, bundleBytes: 1 };
  await db.insert(desired).values({ device: 'cam-1', rev: 1, models: [order], updatedAt: 1 });
  const alert = { id: 'a', model: 'picker', version: 1, statistic: 'brightness', state: 'OPEN' as const, openedAt: 1, body: { devices: ['cam-1'] } };
  await db.insert(alerts).values(alert);
  expect(await idsOf({ state: 'online' })).toEqual(['cam-1']);
  expect(await idsOf({ state: 'offline' })).toEqual(['cam-2']);
  expect(await idsOf({ state: 'revoked' })).toEqual(['cam_3']);
  expect(await idsOf({ state: 'failed' })).toEqual(['cam-1']);
  expect(await idsOf({ state: 'drifting' })).toEqual(['cam-1']);
  expect((await listDevices(db, { limit: 1 }, view)).items[0]?.drift).toEqual({ statistic: 'brightness', effect: 0, alerting: true });
  await db.update(alerts).set({ version: 7 });
  expect(await idsOf({ state: 'drifting' })).toEqual([]);
  expect((await listDevices(db, { limit: 1 }, view)).items[0]?.drift).toBeNull();
  await db.update(desired).set({ models: [{ ...order, version: 1 }] });
  expect(await idsOf({ state: 'failed' })).toEqual([]);
  expect(await idsOf({ version: '1' })).toEqual(['cam-1']);
  expect(await idsOf({ q: 'HALL-2' })).toEqual(['cam-2']);
  expect(await idsOf({ q: 'cam_' })).toEqual(['cam_3']);
  expect(await idsOf({ q: '%' })).toEqual([]);
});

test('a device that refused the version it is wanted to run needs attention, until the order is withdrawn', async () => {
  const manifest = digest.parse('0'.repeat(64));
  const last = { version: 2, manifest, outcome: 'REJECTED', code: 'BUNDLE_SIGNATURE_INVALID' };
  const model = { model: 'picker', phase: 'IDLE', active: { version: 1, manifest, variant: 'u8s8' }, last };
  await addDevice('cam-1', { reported: reported.parse({ v: 1, boot: 'b', seq: 1, ts: 1, rev: 1, models: [model] }), reportedAt: 7 });
  await addDevice('cam-2');
  const order = { model: modelName.parse('picker'), version: 2, manifest: { sha256: manifest, size: 1 }, bundleBytes: 1 };
  await db.insert(desired).values(['cam-1', 'cam-2'].map((device) => ({ device, rev: 1, models: [order], updatedAt: 1 })));
  const words = 'cam-1 refused picker version 2, which it is wanted to run: the bundle is not signed by a trusted release key';
  expect((await viewOverview(db, view)).attention).toEqual([{ kind: 'device', id: 'cam-1', words, since: 7 }]);
  await db.update(desired).set({ models: [{ ...order, version: 1 }] });
  expect((await viewOverview(db, view)).attention).toEqual([]);
});

test('of a device the variant is told with what it measured, of a version how many run each variant and its median pace', async () => {
  await addVersion(['u8s8', 'fp32', 'w8']);
  const running = (name: string, u8s8: object, fp32Ms: number): typeof devices.$inferInsert.reported => {
    const measured = [
      { variant: 'u8s8', bytes: 1, ...u8s8 },
      { variant: 'fp32', bytes: 4, p50Ms: fp32Ms },
    ];
    const active = { version: 1, manifest: '0'.repeat(64), variant: name, measured };
    return reported.parse({ v: 1, boot: 'b', seq: 1, ts: 1, rev: 1, models: [{ model: 'picker', phase: 'IDLE', active }] });
  };
  await addDevice('cam-1', { reported: running('u8s8', { p50Ms: 2 }, 8) });
  await addDevice('cam-2', { reported: running('u8s8', { p50Ms: 3 }, 9) });
  await addDevice('cam-3', { reported: running('fp32', { code: 'GOLDEN_MISMATCH', detail: 'off' }, 5) });
  // An agent of before tells none.
  const old = { model: 'picker', phase: 'IDLE', active: { version: 1, manifest: '0'.repeat(64), variant: 'fp32' } };
  await addDevice('cam-4', { reported: reported.parse({ v: 1, boot: 'b', seq: 1, ts: 1, rev: 1, models: [old] }) });
  const { items } = await listDevices(db, { limit: 10 }, view);
  expect(items.map(({ models: [model] }) => [model?.variant, model?.measured.map(({ p50Ms, code }) => p50Ms ?? code)])).toEqual([
    ['u8s8', [2, 8]],
    ['u8s8', [3, 9]],
    ['fp32', ['GOLDEN_MISMATCH', 5]],
    ['fp32', []],
  ]);
  const [version] = await listVersions(db, modelName.parse('picker'));
  expect(version).toMatchObject({
    devices: 4,
    variants: [
      { name: 'u8s8', devices: 2, p50Ms: 2.5 },
      { name: 'fp32', devices: 2, p50Ms: 8 },
      { name: 'w8', devices: 0, p50Ms: null },
    ],
  });
  expect((await listModels(db))[0]?.devices).toBe(4);
});

test('live figures come from the newest window, while it is fresh and the device is there', async () => {
  await addDevice('cam-1');
  await addDevice('cam-2');
  await addDevice('cam-3', { online: false });
  await addWindow('cam-1', 1, now - 5000);
  await addWindow('cam-1', 2, now - 1000);
  await addWindow('cam-1', 0, now - 9000, { bad: 16, wrong: 7 });
  await addWindow('cam-1', 9, now - 2000, { version: 2, bad: 20 });
  await addWindow('cam-2', 1, now - 3_600_000);
  await addWindow('cam-3', 1, now - 1000);
  const { items } = await listDevices(db, { limit: 10 }, view);
  expect(items[0]?.live).toEqual({ at: now - 1000, inferencesPerS: 20, p50Ms: 1, p95Ms: 2, badShare: 0.4, rightShare: 0.7, meanConfidence: 0.9 });
  expect(items[0]?.drift).toEqual({ statistic: 'contrast', effect: 0.2, alerting: false });
  expect([items[1]?.live, items[2]?.live]).toEqual([null, null]);
  const overview = await viewOverview(db, view);
  expect(overview.devices).toEqual({ total: 3, online: 2, synthetic: 3 });
  expect(overview.attention).toMatchObject([{ kind: 'device', id: 'cam-3' }]);
});

test('the history is oldest first, and every committed window can be listed', async () => {
  await addDevice('cam-1');
  for (let seq = 1; seq <= 5; seq++) await addWindow('cam-1', seq, now - (6 - seq) * 1000);
  const cam = deviceId.parse('cam-1');
  const history = await deviceHistory(db, cam, 3);
  expect(history.map(({ at }) => now - at)).toEqual([3000, 2000, 1000]);
  expect(history[0]).toMatchObject({ meanBrightness: 100, meanConfidence: 0.9, drift: 0.2 });
  const first = await deviceWindows(db, cam, 3, undefined);
  const second = await deviceWindows(db, cam, 3, first.next ?? undefined);
  expect([...first.items, ...second.items].map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect(second.next).toBeNull();
});
