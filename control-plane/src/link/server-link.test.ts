import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { decode } from '@serin/protocol/codec';
import { deviceId } from '@serin/protocol/ids';
import { controlFilters, down, serverStatus, up } from '@serin/protocol/topics';
import { createEmbeddedBroker, type EmbeddedBroker } from '../broker/embedded.ts';
import { connectAs, createTestAuthority, inboxOf } from '../broker/testing.ts';
import { createLog } from '../log.ts';
import { checkBrokerAddress } from './broker-address.ts';
import { createServerLink, type ServerLink } from './server-link.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const authority = await createTestAuthority();
const linkIdentity = await authority.client('srv');
const ada = deviceId.parse('ada');
const log = createLog('silent');
const never = new AbortController().signal;

async function startBroker(port = 0): Promise<EmbeddedBroker> {
  const broker = createEmbeddedBroker({ host: '127.0.0.1', port, caPem: authority.caPem, ...authority.server, isActive: async () => true, now: Date.now, log });
  await broker.start(never);
  cleanups.push(() => broker.stop(5_000));
  return broker;
}

function linkTo(address: () => string, epoch: string = randomUUID()): ServerLink {
  const link = createServerLink({ address, caPem: authority.caPem, ...linkIdentity, insecure: false, epoch, clock: Date.now, random: () => 0, log });
  cleanups.push(() => link.stop(2_000));
  return link;
}

const nextConnection = (link: ServerLink): Promise<void> =>
  new Promise((resolve) => {
    const forget = link.onConnected(() => {
      forget();
      resolve();
    });
  });

async function device(broker: EmbeddedBroker) {
  const client = await connectAs(broker.url, authority.caPem, await authority.client('ada'), { clientId: 'ada' });
  client.on('error', () => {});
  cleanups.push(() => client.endAsync(true));
  const inbox = inboxOf(client);
  await client.subscribeAsync(controlFilters(ada), { qos: 1 });
  return { client, inbox };
}

test('hears devices, reaches them, and says with its epoch that it is here and that it has gone', async () => {
  const broker = await startBroker();
  const link = linkTo(() => broker.url, 'epoch-1');
  const heard: string[] = [];
  const first = new Promise<void>((resolve) => {
    link.onMessage((topic, payload) => {
      heard.push(`${topic} ${Buffer.from(payload).toString()}`);
      resolve();
    });
  });
  await link.start(never);
  expect(link.connected).toBe(true);
  const { client, inbox } = await device(broker);
  await client.publishAsync(up(ada, 'reported'), 'hello', { qos: 1 });
  await first;
  expect(heard).toEqual([`${up(ada, 'reported')} hello`]);
  await link.publish(down(ada, 'cmd'), Buffer.from('do'), { qos: 1 });
  await link.stop(2_000);
  const all = await inbox.until((messages) => messages.filter(({ topic }) => topic === serverStatus).length === 2);
  const states = all.filter(({ topic }) => topic === serverStatus).map(({ payload }) => decode('serverStatus', payload));
  expect(states.map(({ online, epoch }) => [online, epoch])).toEqual([
    [true, 'epoch-1'],
    [false, 'epoch-1'],
  ]);
});

test('comes back by itself when the broker does, and refuses to publish meanwhile', async () => {
  const broker = await startBroker();
  const link = linkTo(() => broker.url);
  await link.start(never);
  const { port } = broker;
  await broker.stop(1_000);
  await expect(link.publish(down(ada, 'cmd'), Buffer.from('x'), { qos: 1 })).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
  expect(link.connected).toBe(false);
  const back = nextConnection(link);
  const { url } = await startBroker(port);
  expect(url).toBe(broker.url);
  await back;
  await link.publish(down(ada, 'cmd'), Buffer.from('x'), { qos: 1 });
});

test('starts without a broker and connects when there is one', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  const link = linkTo(() => `mqtts://127.0.0.1:${port}`);
  await link.start(never);
  expect(link.connected).toBe(false);
  const connected = nextConnection(link);
  await startBroker(port);
  await connected;
  expect(link.connected).toBe(true);
});

test('a plain connection leaves this machine only when somebody insists', () => {
  expect(() => checkBrokerAddress('mqtt://broker.example:1883', false)).toThrow(expect.objectContaining({ code: 'LISTENER_INSECURE' }));
  expect(checkBrokerAddress('mqtt://broker.example:1883', true).hostname).toBe('broker.example');
  expect(checkBrokerAddress('mqtt://127.0.0.1:1883', false).port).toBe('1883');
  for (const address of ['nonsense', 'http://localhost'])
    expect(() => checkBrokerAddress(address, true)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});
