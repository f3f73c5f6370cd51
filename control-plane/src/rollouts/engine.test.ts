import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Reported } from '@serin/protocol/messages/reported';
import { reported as reportedSchema } from '@serin/protocol/messages/reported';
import { modelName } from '@serin/protocol/ids';
import type { RolloutPolicy } from '@serin/protocol/rollout/states';
import { createChanges, type Changes } from '../changes.ts';
import { initialDesired } from '../desired/intent.ts';
import { createLog } from '../log.ts';
import type { Service } from '../service.ts';
import { audit, desired, devices, jobs, models, outbox, rollouts, versions, windows } from '../store/schema.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { testHello } from '../testing.ts';
import { findRollout } from '../views/rollouts.ts';
import { createRolloutEngine } from './engine.ts';
import { orderRollout, startRollout, type NewRollout, type RolloutOrders } from './orders.ts';

const picker = modelName.parse('picker');
const hex = (digit: string): string => digit.repeat(64);
const policy: RolloutPolicy = {
  approval: false,
  dispatchLimitMs: 60_000,
  installLimitMs: 30_000,
  lostAfterMs: 10_000,
  bakeMs: 2_000,
  evidenceLimitMs: 120_000,
  rollbackLimitMs: 30_000,
  gapLimitMs: 60_000,
  usualInstallFailures: 0.05,
};
const names = ['cam-1', 'cam-2', 'cam-3'];

let store: TestStore;
let changes: Changes;
let engine: Service;
let orders: RolloutOrders;
let time: number;

beforeEach(async () => {
  store = await openTestStore();
  changes = createChanges();
  time = 1_000_000;
  orders = { store, changes, clock: () => time, policy, wakePublisher: () => {} };
  await store.db.insert(models).values({ name: picker, createdAt: 0 });
  for (const version of [1, 2, 3]) await addVersion(version);
  for (const id of names) {
    const state = { id, state: 'ACTIVE' as const, hello: testHello, certificateSerial: id, certificateExpiresAt: 0, joinedAt: 0, online: true };
    await store.db.insert(devices).values(state);
    await initialDesired(store.db, id, 0, time);
  }
  startEngine();
}, 60_000);
afterEach(async () => {
  await engine.stop(1000);
  await store.close();
});

function startEngine(): void {
  const evidence = { rule: { alpha: 0.05, delta: 0.02, margin: 0.1, minFrames: 100 }, windowMs: 1000 };
  engine = createRolloutEngine({ ...orders, evidence, log: createLog('error'), tickMs: 5 });
  void engine.start(new AbortController().signal);
}

async function addVersion(version: number): Promise<void> {
  const document = { kind: 'manifest' as const, payload: '{}', signatures: [{ key: '0'.repeat(16) as never, sig: '' }] };
  const row = { model: picker, version, manifest: hex(String(version)), manifestBytes: 100, bundleBytes: 1000, document, createdAt: 0, createdBy: 'test' };
  await store.db.insert(versions).values({ ...row, origin: 'trained', metrics: {}, signedBy: 'test' });
}

/** What a device does when it gets its newest order: it reports, and here it obeys or refuses. */
async function obey(id: string, refuse?: { version: number; code: string }): Promise<void> {
  const [intent] = await store.db.select().from(desired).where(eq(desired.device, id));
  const [device] = await store.db.select().from(devices).where(eq(devices.id, id));
  if (intent === undefined || device === undefined || device.reported?.rev === intent.rev) return;
  const wanted = intent.models[0];
  const before = device.reported?.models[0];
  const refused = wanted !== undefined && refuse?.version === wanted.version;
  const running = wanted === undefined ? undefined : { version: wanted.version, manifest: wanted.manifest.sha256, variant: 'u8s8' as const };
  const last = wanted && {
    version: wanted.version,
    manifest: wanted.manifest.sha256,
    ...(refused ? { outcome: 'REJECTED' as const, code: refuse.code } : { outcome: 'COMMITTED' as const }),
  };
  const report: Reported = reportedSchema.parse({
    v: 1,
    boot: 'b',
    seq: 0,
    ts: time,
    rev: intent.rev,
    models: wanted === undefined ? [] : [{ model: picker, phase: 'IDLE', active: refused ? before?.active : running, last }],
  });
  await store.db.update(devices).set({ reported: report, reportedAt: time, lastSeenAt: time }).where(eq(devices.id, id));
}

let seq = 0;
/** Windows of every device on what it runs; the share of bad frames depends on the version. */
async function infer(badOf: (version: number) => number): Promise<void> {
  time += 1000;
  for (const id of names) {
    const [device] = await store.db.select().from(devices).where(eq(devices.id, id));
    const version = device?.reported?.models[0]?.active?.version;
    if (version === undefined) continue;
    const window = { device: id, boot: 'b', seq: seq++, model: picker, version, fromAt: time - 1000, toAt: time, receivedAt: time, run: 20 };
    await store.db.insert(windows).values({ ...window, bad: badOf(version), judged: 20, wrong: badOf(version), body: new Uint8Array() });
  }
}

/** Lets devices obey and infer, and the engine look, until the rollout is as wanted. */
async function live(
  id: string,
  wanted: string,
  options: { badOf?: (version: number) => number; refuse?: { version: number; code: string }; silent?: string[] } = {},
) {
  for (let round = 0; round < 400; round++) {
    const rollout = await findRollout(store.db, id);
    if (rollout?.status === wanted) return rollout;
    for (const name of names) if (!options.silent?.includes(name)) await obey(name, options.refuse);
    await infer(options.badOf ?? (() => 0));
    await engineRound();
  }
  throw new Error(`still ${JSON.stringify((await findRollout(store.db, id))?.history)}, not ${wanted}`);
}

/** The engine has looked at least once since now. */
async function engineRound(): Promise<void> {
  const steppedAt = async () => Math.max(0, ...(await store.db.select({ cas: rollouts.cas, status: rollouts.status }).from(rollouts)).map(({ cas }) => cas));
  const before = await steppedAt();
  for (let look = 0; look < 200 && (await steppedAt()) === before; look++) await new Promise((resolve) => setTimeout(resolve, 2));
}

const activeVersions = async () => (await store.db.select().from(devices)).map((device) => device.reported?.models[0]?.active?.version);
const roll = (version: number, strategy: NewRollout['strategy'] = 'canary') => startRollout(orders, { model: picker, version, strategy, by: 'test' });

test('the first version goes to one device, then to all, and becomes the one that serves', async () => {
  const rollout = await live(await roll(1), 'COMPLETED');
  expect(await activeVersions()).toEqual([1, 1, 1]);
  expect(rollout.members.filter(({ stage }) => stage === 0)).toHaveLength(1);
  expect(rollout.history[0]?.words).toContain('nothing to compare');
  expect((await store.db.select().from(models))[0]?.champion).toBe(1);
}, 60_000);

test('a good version spreads on evidence; a bad one is thrown back after one device; the server may restart anywhere', async () => {
  await live(await roll(1), 'COMPLETED');
  const second = await roll(2);
  await live(second, 'JUDGE');
  expect((await activeVersions()).filter((version) => version === 2)).toHaveLength(1);
  await engine.stop(1000);
  startEngine();
  const good = await live(second, 'COMPLETED', { badOf: () => 1 });
  expect(good.verdict?.state).toBe('good');
  expect(await activeVersions()).toEqual([2, 2, 2]);

  const third = await roll(3);
  const bad = await live(third, 'ROLLED_BACK', { badOf: (version) => (version === 3 ? 12 : 1) });
  expect(bad.verdict?.state).toBe('bad');
  expect(bad.members).toHaveLength(1);
  expect(await activeVersions()).toEqual([2, 2, 2]);
  expect((await store.db.select().from(models))[0]?.champion).toBe(2);
}, 120_000);

test('one refusal for a broken signature ends the rollout, and says who and why', async () => {
  await live(await roll(1), 'COMPLETED');
  const rollout = await live(await roll(2), 'ROLLED_BACK', { refuse: { version: 2, code: 'BUNDLE_SIGNATURE_INVALID' } });
  expect(rollout.words + rollout.reason).toContain('BUNDLE_SIGNATURE_INVALID');
  expect(await activeVersions()).toEqual([1, 1, 1]);
}, 60_000);

test('a device that is offline never stalls a rollout and gets the version when it returns', async () => {
  await live(await roll(1), 'COMPLETED');
  await store.db.update(devices).set({ online: false }).where(eq(devices.id, 'cam-3'));
  const rollout = await live(await roll(2), 'COMPLETED', { silent: ['cam-3'] });
  expect(rollout.members.find(({ device }) => device === 'cam-3')?.outcome).toBe('NOT_REACHED');
  expect((await store.db.select().from(desired)).every(({ models: wanted }) => wanted[0]?.version === 2)).toBe(true);
}, 60_000);

test('a person pauses, resumes and aborts; orders that make no sense are refused; a newer rollout supersedes', async () => {
  await live(await roll(1), 'COMPLETED');
  const second = await roll(2);
  await live(second, 'JUDGE');
  await orderRollout(orders, second, { type: 'pause', by: 'ann' });
  await expect(orderRollout(orders, second, { type: 'pause', by: 'ann' })).rejects.toMatchObject({ code: 'CONFLICT' });
  expect((await findRollout(store.db, second))?.status).toBe('PAUSED');
  await orderRollout(orders, second, { type: 'resume', by: 'ann' });
  await orderRollout(orders, second, { type: 'abort', by: 'ann' });
  expect((await live(second, 'ROLLED_BACK')).reason).toContain('ann');
  const again = await roll(2);
  await live(again, 'JUDGE');
  const newer = await roll(3);
  expect((await findRollout(store.db, again))?.status).toBe('SUPERSEDED');
  await live(newer, 'COMPLETED');
  expect(await activeVersions()).toEqual([3, 3, 3]);
  const actions = (await store.db.select().from(audit)).map(({ actor, action }) => `${actor} ${action}`);
  expect(actions).toContain('ann rollout.pause');
}, 120_000);

test('a job that was asked to is rolled out once, and every order has a row in the outbox', async () => {
  const job = {
    id: 'j',
    kind: 'train' as const,
    model: picker,
    status: 'SUCCEEDED' as const,
    notBefore: 0,
    createdAt: 0,
    createdBy: 'drift',
    metrics: {},
    log: [],
  };
  await store.db.insert(jobs).values({ ...job, params: { rollout: true }, version: 1 });
  changes.tell({ type: 'job', id: 'j' });
  while ((await store.db.$count(rollouts)) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const [row] = await store.db.select().from(rollouts);
  await live(row?.id ?? '', 'COMPLETED');
  expect(await store.db.$count(rollouts)).toBe(1);
  expect(row?.createdBy).toBe('drift');
  const subjects = new Set((await store.db.select().from(outbox)).map(({ subject }) => subject));
  expect([...subjects].sort()).toEqual(names);
}, 60_000);
