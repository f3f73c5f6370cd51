import { expect, test } from 'vitest';
import { systemClock } from '@serin/edge-agent/clock';
import { createOrtEngine } from '@serin/edge-agent/engine';
import { createLog } from '@serin/edge-agent/log';
import { createTestAuthority } from '@serin/edge-agent/testing/authority';
import { startBroker, type Received } from '@serin/edge-agent/testing/broker';
import { makeIdentity } from '@serin/edge-agent/testing/identity';
import { decode, type Message } from '@serin/protocol/codec';
import { deviceId } from '@serin/protocol/ids';
import { up } from '@serin/protocol/topics';
import { playScenario } from './scenario.ts';
import { SharedEngine } from './shared-engine.ts';
import { VirtualDevice } from './virtual-device.ts';
import { helloOf, VirtualFleet } from './virtual-fleet.ts';

const silent = createLog('silent');
const statusOf = ({ payload }: Received): Message<'status'> => decode('status', payload);

async function startDevice(name: string) {
  const authority = await createTestAuthority();
  const broker = await startBroker(authority);
  const identity = await makeIdentity(authority, name, broker.url);
  const device = new VirtualDevice({
    identity: () => identity,
    hello: helloOf('hall-b'),
    engine: new SharedEngine(createOrtEngine()),
    fps: 2,
    sceneFile: undefined,
    seed: '1',
    clock: systemClock,
    random: Math.random,
    log: silent,
  });
  await device.start();
  return { broker, device, topic: up(identity.device, 'status') };
}

test('a virtual device is born as one, says that its camera is rendered, and reports', async () => {
  const { broker, device, topic } = await startDevice('sim-1');
  const birth = statusOf(await broker.until(topic));
  expect(birth).toMatchObject({ online: true, conn: 0, hello: { class: 'virtual', synthetic: true, site: 'hall-b' } });
  const reported = decode('reported', (await broker.until(up(deviceId.parse('sim-1'), 'reported'))).payload);
  expect(reported).toMatchObject({ rev: 0, models: [], boot: birth.boot });
  await device.stop();
  await broker.until(topic, (message) => !statusOf(message).online);
});

test('without a network it is away, and comes back in the same boot', async () => {
  const { broker, device, topic } = await startDevice('sim-1');
  const birth = statusOf(await broker.until(topic));
  await device.goOffline(20);
  await broker.until(topic, (message) => !statusOf(message).online);
  const again = statusOf(await broker.until(topic, (message) => statusOf(message).conn > 0 && statusOf(message).online));
  expect(again.boot).toBe(birth.boot);
  await device.stop();
});

test('power off and on is another boot', async () => {
  const { broker, device, topic } = await startDevice('sim-1');
  const birth = statusOf(await broker.until(topic));
  await device.restart();
  await broker.until(topic, (message) => statusOf(message).online && statusOf(message).boot !== birth.boot);
  await device.stop();
});

test('a device that never gets through can be stopped', async () => {
  const authority = await createTestAuthority();
  const identity = await makeIdentity(authority, 'sim-1', 'mqtts://127.0.0.1:1');
  const device = new VirtualDevice({
    identity: () => identity,
    hello: helloOf('hall-b'),
    engine: new SharedEngine(createOrtEngine()),
    fps: 2,
    sceneFile: undefined,
    seed: '1',
    clock: systemClock,
    random: Math.random,
    log: silent,
  });
  const started = device.start();
  await device.stop();
  await started;
});

test('a message that is no scenario changes nothing; one for an unknown device says so', async () => {
  const config = { devices: 1, prefix: 'sim-', site: 'x', fps: 1, data: '/nowhere', seed: 1, 'log-level': 'silent' as const };
  const fleet = new VirtualFleet({ config, tokens: [], clock: systemClock, random: Math.random, logFor: () => silent });
  expect(await playScenario(fleet, { type: 'explode' })).toBe(false);
  await expect(playScenario(fleet, { type: 'restart', device: 'sim-9' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
