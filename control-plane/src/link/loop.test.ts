import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eq } from 'drizzle-orm';
import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeChunk } from '@serin/protocol/bundle/chunks';
import { createKeyPair, importSigningKey } from '@serin/protocol/bundle/signing';
import { decode, encode } from '@serin/protocol/codec';
import { deviceId, digest, fleetId, transferId, type DeviceId } from '@serin/protocol/ids';
import { openDesired } from '@serin/protocol/messages/desired';
import { chunkTopic, clientIds, controlFilters, down, transferFilters, up } from '@serin/protocol/topics';
import { openDiskBlobs, type BlobStore } from '../blobs/disk.ts';
import { createEmbeddedBroker, type EmbeddedBroker } from '../broker/embedded.ts';
import { connectAs, createTestAuthority, inboxOf, type Received } from '../broker/testing.ts';
import { createChanges } from '../changes.ts';
import { orderVersion } from '../desired/intent.ts';
import { createDesiredPublisher } from '../desired/publisher.ts';
import { addVersions } from '../desired/testing.ts';
import { isActiveDevice } from '../devices.ts';
import { createLog } from '../log.ts';
import { composeServices, type Lifecycle } from '../service.ts';
import { devices, windows } from '../store/schema.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { testHello } from '../testing.ts';
import { createIngest, type Ingest } from './ingest.ts';
import { createServerLink } from './server-link.ts';
import { createTransfer } from './transfer.ts';
import { addDevices, boot, reportedBytes, statusBytes, telemetryBytes, testWindow } from './testing.ts';

/** The server's side of MQTT as it is wired: broker, link, ingest, orders and chunks, with a real database and real clients. */
const authority = await createTestAuthority();
const fleet = fleetId.parse('fleet-1');
const log = createLog('silent');
const clock = Date.now;
const [ada, bob] = [deviceId.parse('ada'), deviceId.parse('bob')];

let store: TestStore;
let blobs: BlobStore;
let folder: string;
let broker: EmbeddedBroker;
let ingest: Ingest;
let parts: Lifecycle;
let keyset: Parameters<typeof openDesired>[1];
const clients: MqttClient[] = [];

async function startParts(port: number): Promise<void> {
  const changes = createChanges();
  const isActive = (id: DeviceId): Promise<boolean> => isActiveDevice({ store }, id);
  const director = await importSigningKey(await createKeyPair());
  const role = { keys: [{ id: director.id, publicKey: director.publicKey }], threshold: 1 };
  keyset = { v: 1, fleet, version: 1, expires: 1e15, roles: { root: role, release: role, director: role } };
  broker = createEmbeddedBroker({ host: '127.0.0.1', port, caPem: authority.caPem, ...authority.server, isActive, now: clock, log });
  const link = createServerLink({
    address: () => broker.url,
    caPem: authority.caPem,
    ...(await authority.client('srv')),
    insecure: false,
    epoch: randomUUID(),
    clock,
    random: Math.random,
    log,
  });
  const transfer = createTransfer({ blobs, link, isActive, clock, log });
  ingest = createIngest({
    store,
    link,
    changes,
    clock,
    log,
    gauge: { prepare: async () => {}, driftOf: () => null },
    onChunkRequest: (device, request) => transfer.request(device, request),
    gatherMs: 10,
  });
  const keys = { director, keyset, keysetBlob: { sha256: digest.parse('ee'.repeat(32)), size: 1 } };
  const publisher = createDesiredPublisher({ store, link, keys, fleet, clock, log, windowMs: 2_000, pollMs: 20 });
  parts = composeServices([broker, transfer, ingest, publisher, link], () => {});
  await parts.start(new AbortController().signal);
}

beforeAll(async () => {
  store = await openTestStore();
  folder = await mkdtemp(path.join(tmpdir(), 'serin-loop-'));
  blobs = await openDiskBlobs(folder);
  await addDevices(store, [ada, bob]);
  await addVersions(store.db, 'picker', [1, 2], 1);
  await startParts(0);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  await parts.stop(5_000);
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function connectDevice(id: DeviceId, which: 'control' | 'transfer' = 'control') {
  const will = { topic: up(id, 'status'), payload: Buffer.from(statusBytes({ online: false })), qos: 1 as const, retain: true };
  const client = await connectAs(broker.url, authority.caPem, await authority.client(id), {
    clientId: clientIds(id)[which],
    ...(which === 'control' ? { will } : {}),
  });
  client.on('error', () => {});
  clients.push(client);
  const inbox = inboxOf(client);
  await client.subscribeAsync(which === 'control' ? controlFilters(id) : transferFilters(id), { qos: 1 });
  const say = (kind: Parameters<typeof up>[1], bytes: Uint8Array) =>
    client.publishAsync(up(id, kind), Buffer.from(bytes), { qos: 1, retain: kind === 'status' });
  return { client, inbox, say };
}

const on = (all: readonly Received[], topic: string): Received[] => all.filter((message) => message.topic === topic);
const rowOf = async (id: DeviceId) => (await store.db.select().from(devices).where(eq(devices.id, id)))[0]!;
async function untilRow(id: DeviceId, isSo: (row: Awaited<ReturnType<typeof rowOf>>) => boolean): Promise<void> {
  for (let look = 0; look < 500; look++) {
    if (isSo(await rowOf(id))) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`the row of ${id} did not change: ${JSON.stringify(await rowOf(id))}`);
}

test('orders reach the device signed, what it says becomes rows, and its windows are acknowledged', async () => {
  const device = await connectDevice(ada);
  await device.say('status', statusBytes({ online: true, hello: testHello }));
  await store.transaction((tx) => orderVersion(tx, ada, 'picker', 2, clock()));
  const orders = on(await device.inbox.until((all) => on(all, down(ada, 'desired')).length > 0), down(ada, 'desired'));
  const content = await openDesired(decode('desired', orders[0]!.payload), keyset, { fleet, device: ada });
  expect(content.models).toMatchObject([{ model: 'picker', version: 2 }]);
  await device.say('reported', reportedBytes({ rev: content.rev }));
  await device.say('tel', telemetryBytes([testWindow({ seq: 0 }), testWindow({ seq: 1 })]));
  const [ack] = on(await device.inbox.until((all) => on(all, down(ada, 'ack')).length > 0), down(ada, 'ack'));
  expect(decode('ack', ack!.payload).windows).toEqual([
    ['b1', 0],
    ['b1', 1],
  ]);
  await untilRow(ada, (row) => row.online && row.reported?.rev === content.rev && row.windowsReceived === 2);
  device.client.stream.destroy();
  await untilRow(ada, (row) => !row.online);
});

test('chunks come on the transfer connection, whole', async () => {
  const blob = Uint8Array.from({ length: 500_000 }, (_, index) => (index * 7) % 256);
  const sha256 = await blobs.put(blob);
  const device = await connectDevice(ada);
  const transfer = await connectDevice(ada, 'transfer');
  const xfer = transferId.parse('t1');
  await device.say('get', encode('get', { v: 1, boot: boot('b1'), seq: 0, ts: 1, xfer, blob: sha256, chunkSize: 65_536, from: 0, bitmap: '/w==' }));
  const frames = on(await transfer.inbox.until((all) => all.length === 8), chunkTopic(ada, xfer)).map(({ payload }) => decodeChunk(payload));
  const together = Buffer.concat(frames.sort((left, right) => left.index - right.index).map(({ payload }) => payload));
  expect(together.equals(Buffer.from(blob))).toBe(true);
  await Promise.all([device, transfer].map(({ client }) => client.endAsync()));
});

test('a revoked device is ignored, also where the broker still lets it speak, and gets no further orders', async () => {
  const device = await connectDevice(bob);
  await store.db.update(devices).set({ state: 'REVOKED' }).where(eq(devices.id, bob));
  await device.say('tel', telemetryBytes([testWindow()]));
  await ingest.settled();
  expect(await store.db.$count(windows, eq(windows.device, bob))).toBe(0);
  const closed = new Promise<void>((resolve) => {
    device.client.once('close', () => resolve());
  });
  broker.disconnect(bob);
  await closed;
  await expect(connectDevice(bob)).rejects.toThrow(/not authorized/i);
  expect(on(device.inbox.all, down(bob, 'desired'))).toEqual([]);
});

test('after a restart of the server devices find their orders again and go on', async () => {
  const { port } = broker;
  await parts.stop(5_000);
  await startParts(port);
  const device = await connectDevice(ada);
  await device.say('status', statusBytes({ online: true, conn: 2, ts: 2 }));
  await device.say('tel', telemetryBytes([testWindow({ seq: 1 }), testWindow({ seq: 2 })]));
  const all = await device.inbox.until((received) => on(received, down(ada, 'ack')).length > 0 && on(received, down(ada, 'desired')).length > 0);
  expect(decode('ack', on(all, down(ada, 'ack'))[0]!.payload).windows).toHaveLength(2);
  await untilRow(ada, (row) => row.online && row.windowsReceived === 3 && row.windowsMissing === 0);
});
