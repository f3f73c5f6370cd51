import { afterEach, expect, test } from 'vitest';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect as connectTls } from 'node:tls';
import { connect as connectTcp, createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { Aedes, type Client } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import { deviceId, type DeviceId } from '@serin/protocol/ids';
import { controlFilters, down, serverFilters, up } from '@serin/protocol/topics';
import type { KeyAndCertificate } from '../certificates.ts';
import { brokerContract } from './contract.ts';
import { neverDropAsDuplicate, neverWaitForReader } from './guards.ts';
import { createEmbeddedBroker, type BrokerLimits, type EmbeddedBroker } from './embedded.ts';
import { connectAs, createTestAuthority, inboxOf, type TestAuthority } from './testing.ts';

const silent = { info: () => {}, warn: () => {} };

function embedded(authority: TestAuthority, limits: Partial<BrokerLimits> = {}, isActive = async (_device: DeviceId) => true): EmbeddedBroker {
  return createEmbeddedBroker({ host: '127.0.0.1', port: 0, caPem: authority.caPem, ...authority.server, isActive, now: Date.now, log: silent, limits });
}

brokerContract('embedded', async (authority) => {
  const broker = embedded(authority);
  await broker.start(new AbortController().signal);
  return { url: broker.url, stop: () => broker.stop(5_000) };
});

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const authority = await createTestAuthority();
const srv = await authority.client('srv');
const adaIdentity = await authority.client('ada');
const ada = deviceId.parse('ada');

async function startEmbedded(limits: Partial<BrokerLimits> = {}, isActive?: (device: DeviceId) => Promise<boolean>): Promise<EmbeddedBroker> {
  const broker = embedded(authority, limits, isActive);
  await broker.start(new AbortController().signal);
  cleanups.push(() => broker.stop(5_000));
  return broker;
}

async function client(broker: EmbeddedBroker, identity: KeyAndCertificate, clientId: string, options = {}): Promise<MqttClient> {
  const connected = await connectAs(broker.url, authority.caPem, identity, { clientId, ...options });
  connected.on('error', () => {});
  cleanups.push(() => connected.endAsync(true));
  return connected;
}

/** aedes as it comes, on a plain local socket: what the guards are for. */
async function startPlain(): Promise<{ port: number; aedes: Aedes }> {
  const aedes = await Aedes.createBroker();
  const server: Server = createServer(aedes.handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    await new Promise<void>((resolve) => {
      aedes.close(() => resolve());
    });
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, aedes };
}

const closed = (socket: { once(event: 'close', listener: () => void): unknown }): Promise<void> =>
  new Promise((resolve) => {
    socket.once('close', () => resolve());
  });

test.each([
  ['plain', false, 250],
  ['guarded', true, 500],
] as const)('fault 1, %s: messages of mixed QoS that overtake each other are taken for duplicates unless guarded', async (_name, guarded, expected) => {
  const { port, aedes } = await startPlain();
  if (guarded) aedes.on('client', neverDropAsDuplicate);
  const subscriber = await connectAsync(`mqtt://127.0.0.1:${port}`);
  cleanups.push(() => subscriber.endAsync(true));
  const inbox = inboxOf(subscriber);
  await subscriber.subscribeAsync(['t', 'end'], { qos: 1 });
  const publish = (topic: string, qos: 0 | 1) => aedes.publish({ cmd: 'publish', topic, payload: Buffer.from('x'), qos, retain: false, dup: false }, () => {});
  for (let pair = 0; pair < 250; pair++) {
    publish('t', 1);
    publish('t', 0);
  }
  setImmediate(publish, 'end', 1);
  await inbox.until((all) => all.some(({ topic }) => topic === 'end'));
  expect(inbox.all.filter(({ topic }) => topic === 't')).toHaveLength(expected);
});

test('fault 5: small packets go out at once', async () => {
  const broker = await startEmbedded();
  const accepted: object[] = [];
  const note = (message: unknown): void => {
    const { socket } = message as { socket: object };
    accepted.push(socket);
  };
  subscribe('net.server.socket', note);
  cleanups.push(async () => unsubscribe('net.server.socket', note));
  await client(broker, adaIdentity, 'ada');
  const isImmediate = (socket: object): boolean =>
    Object.getOwnPropertySymbols(socket).some((symbol) => symbol.description === 'kSetNoDelay' && Reflect.get(socket, symbol) === true);
  expect(accepted.map(isImmediate)).toEqual([true]);
});

/** Signs in over a raw socket, subscribes and then reads no more. */
async function freeze(broker: EmbeddedBroker): Promise<ReturnType<typeof connectTls>> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: broker.port,
    ca: authority.caPem,
    key: adaIdentity.keyPem,
    cert: adaIdentity.certPem,
    servername: 'localhost',
  });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  socket.write(Buffer.from([0x10, 15, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, 3, ...Buffer.from('ada')]));
  await once(socket, 'data');
  const filter = Buffer.from(down(ada, 'ack'));
  socket.write(Buffer.concat([Buffer.from([0x82, filter.length + 5, 0, 1, 0, filter.length]), filter, Buffer.from([0])]));
  await once(socket, 'data');
  socket.pause();
  cleanups.push(async () => socket.destroy());
  return socket;
}

test('fault 2: a subscriber that stops reading holds nobody up', async () => {
  const broker = await startEmbedded({ backlogBytesMax: 1024 * 1024 });
  const server = await client(broker, srv, 'srv');
  const bob = await client(broker, await authority.client('bob'), 'bob');
  const inbox = inboxOf(bob);
  const bobId = deviceId.parse('bob');
  await bob.subscribeAsync(controlFilters(bobId), { qos: 1 });
  await freeze(broker);
  const payload = Buffer.alloc(200 * 1024);
  for (let index = 0; index < 80; index++) {
    await server.publishAsync(down(ada, 'ack'), payload, { qos: 0 });
    await server.publishAsync(down(bobId, 'ack'), `${index}`, { qos: 1 });
  }
  await inbox.until((all) => all.length === 80);
});

/** A client in memory that signs in, subscribes to `t` and then takes no more bytes: no kernel buffers blur the picture. */
async function freezeInMemory(aedes: Aedes): Promise<{ client: Client; stream: Duplex }> {
  let answered = (): void => {};
  let isFrozen = false;
  const stream = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      if (isFrozen) return;
      done();
      answered();
    },
  });
  stream.on('error', () => {});
  const say = (bytes: number[]): Promise<void> =>
    new Promise((resolve) => {
      answered = resolve;
      stream.push(Buffer.from(bytes));
    });
  const handled = aedes.handle(stream);
  await say([0x10, 15, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, 3, ...Buffer.from('ada')]);
  await say([0x82, 6, 0, 1, 0, 1, ...Buffer.from('t'), 0]);
  isFrozen = true;
  cleanups.push(async () => stream.destroy());
  return { client: handled, stream };
}

test.each([
  ['plain', false],
  ['guarded', true],
] as const)('fault 2, %s: one frozen subscriber holds its publishers up unless guarded, and is then dropped at its backlog', async (_name, guarded) => {
  const { aedes } = await startPlain();
  const { client: frozen, stream } = await freezeInMemory(aedes);
  let dropped = 0;
  if (guarded) neverWaitForReader(frozen, 1024 * 1024, () => dropped++);
  const publish = (topic: string): Promise<void> =>
    new Promise((resolve) => {
      aedes.publish({ cmd: 'publish', topic, payload: Buffer.alloc(200 * 1024), qos: 0, retain: false, dup: false }, () => resolve());
    });
  let passed = 0;
  for (let index = 0; index < 4; index++) void publish('t').then(() => passed++);
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(passed).toBe(guarded ? 4 : 0);
  expect(stream.destroyed).toBe(false);
  if (!guarded) return;
  for (let index = 0; index < 4; index++) await publish('t');
  expect([stream.destroyed, dropped > 0]).toEqual([true, true]);
});

test('fault 3: nothing large is gathered before the sign-in, and no packet above the limit after it', async () => {
  const broker = await startEmbedded();
  const open = async () => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: broker.port,
      ca: authority.caPem,
      key: adaIdentity.keyPem,
      cert: adaIdentity.certPem,
      servername: 'localhost',
    });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.resume();
    return socket;
  };
  const early = await open();
  const earlyClosed = closed(early);
  // A CONNECT that says it is 200 MB long: refused by its header alone.
  early.write(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x60, 0, 4]));
  await earlyClosed;
  const device = await client(broker, adaIdentity, 'ada');
  const deviceClosed = closed(device.stream);
  device.publish(up(ada, 'tel'), Buffer.alloc(400 * 1024), { qos: 1 });
  await deviceClosed;
});

test('fault 3, plain: a plain aedes gathers megabytes before the sign-in', async () => {
  const { port } = await startPlain();
  const socket = connectTcp(port, '127.0.0.1');
  socket.write(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x60]));
  for (let index = 0; index < 64; index++) await new Promise((resolve) => socket.write(Buffer.alloc(64 * 1024), resolve));
  expect(socket.closed).toBe(false);
  socket.destroy();
});

test('a revoked device is refused, and dropped while it is connected', async () => {
  const revoked = new Set<string>();
  const broker = await startEmbedded({}, async (device) => !revoked.has(device));
  const device = await client(broker, adaIdentity, 'ada');
  const transfer = await client(broker, adaIdentity, 'ada-x');
  revoked.add('ada');
  const ended = Promise.all([closed(device), closed(transfer)]);
  broker.disconnect(ada);
  await ended;
  await expect(connectAs(broker.url, authority.caPem, adaIdentity, { clientId: 'ada' })).rejects.toThrow(/not authorized/i);
});

test('a client id that is not of the certificate is refused', async () => {
  const broker = await startEmbedded();
  for (const clientId of ['bob', 'srv', 'ada-y', '']) {
    await expect(connectAs(broker.url, authority.caPem, adaIdentity, { clientId })).rejects.toThrow(/./);
  }
  for (const name of ['ada-x', 'srv-1']) {
    await expect(connectAs(broker.url, authority.caPem, await authority.client(name), { clientId: name })).rejects.toThrow(/./);
  }
});

test('a will on a topic of somebody else is refused at the sign-in', async () => {
  const broker = await startEmbedded();
  const will = { topic: up(deviceId.parse('bob'), 'status'), payload: Buffer.from('x'), qos: 1 as const, retain: false };
  await expect(connectAs(broker.url, authority.caPem, adaIdentity, { clientId: 'ada', will })).rejects.toThrow(/not authorized/i);
});

test('a keepalive beyond the limit, or none, is refused', async () => {
  const broker = await startEmbedded({ keepaliveMaxS: 60 });
  await expect(connectAs(broker.url, authority.caPem, adaIdentity, { clientId: 'ada', keepalive: 61 })).rejects.toThrow(/./);
  await expect(connectAs(broker.url, authority.caPem, adaIdentity, { clientId: 'ada', keepalive: 0 })).rejects.toThrow(/./);
});

test('connections that say nothing are ended, before TLS and after it', async () => {
  const broker = await startEmbedded({ handshakeTimeoutMs: 100, connectTimeoutMs: 100 });
  const silentTcp = connectTcp(broker.port, '127.0.0.1');
  silentTcp.on('error', () => {});
  silentTcp.resume();
  await closed(silentTcp);
  const silentTls = connectTls({
    host: '127.0.0.1',
    port: broker.port,
    ca: authority.caPem,
    key: adaIdentity.keyPem,
    cert: adaIdentity.certPem,
    servername: 'localhost',
  });
  silentTls.on('error', () => {});
  silentTls.resume();
  await closed(silentTls);
});

test('an address that connects too fast is turned away before TLS', async () => {
  const broker = await startEmbedded({ acceptLoopback: { perSecond: 0.001, burst: 2 } });
  await client(broker, adaIdentity, 'ada');
  await client(broker, adaIdentity, 'ada-x');
  await expect(connectAs(broker.url, authority.caPem, adaIdentity, { clientId: 'ada' })).rejects.toThrow(/./);
});

test('a device keeps a few retained topics, further ones are delivered and not kept', async () => {
  const broker = await startEmbedded({ retainedPerDeviceMax: 1 });
  const server = await client(broker, srv, 'srv');
  const device = await client(broker, adaIdentity, 'ada');
  const inbox = inboxOf(server);
  await server.subscribeAsync([...serverFilters], { qos: 1 });
  await device.publishAsync(up(ada, 'status'), 'kept', { qos: 1, retain: true });
  await device.publishAsync(up(ada, 'reported'), 'passed on', { qos: 1, retain: true });
  await inbox.until((all) => all.length === 2);
  const late = await client(broker, srv, 'srv-late');
  const lateInbox = inboxOf(late);
  await late.subscribeAsync([...serverFilters], { qos: 1 });
  await device.publishAsync(up(ada, 'evt' as 'tel'), 'end', { qos: 1 });
  await lateInbox.until((all) => all.some(({ payload }) => payload.toString() === 'end'));
  expect(lateInbox.all.map(({ payload }) => payload.toString())).toEqual(['kept', 'end']);
});

test('a device that publishes too fast is slowed down and loses nothing', async () => {
  const broker = await startEmbedded({ publish: { perSecond: 100, burst: 10 } });
  const server = await client(broker, srv, 'srv');
  const inbox = inboxOf(server);
  await server.subscribeAsync([...serverFilters], { qos: 1 });
  const device = await client(broker, adaIdentity, 'ada');
  await Promise.all(Array.from({ length: 40 }, (_, index) => device.publishAsync(up(ada, 'reported'), `${index}`, { qos: 1 })));
  expect(await inbox.until((all) => all.length >= 40)).toHaveLength(40);
});

test('a port that is taken is said by its code', async () => {
  const broker = await startEmbedded();
  const second = createEmbeddedBroker({
    host: '127.0.0.1',
    port: broker.port,
    caPem: authority.caPem,
    ...authority.server,
    isActive: async () => true,
    now: Date.now,
    log: silent,
  });
  await expect(second.start(new AbortController().signal)).rejects.toMatchObject({ code: 'PORT_TAKEN' });
  await second.stop(1_000);
});
