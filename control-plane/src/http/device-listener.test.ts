import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { joinReply, parseJoinToken, renewReply } from '@serin/protocol/api/join';
import { deviceId, fleetId } from '@serin/protocol/ids';
import { openDiskBlobs, type BlobStore } from '../blobs/disk.ts';
import { createChanges } from '../changes.ts';
import { createEnrolment, revokeDevice, type DeviceContext } from '../devices.ts';
import { openKeys } from '../keys.ts';
import { createLog } from '../log.ts';
import { openTestStore } from '../store/testing.ts';
import { makeCertificateRequest, testHello } from '../testing.ts';
import { createDeviceListener, type DeviceListener } from './device-listener.ts';

interface Identity {
  keyPem: string;
  certificatePem: string;
}

let context: DeviceContext;
let listener: DeviceListener;
let blobs: BlobStore;
const cam = deviceId.parse('cam-1');

beforeEach(async () => {
  const store = await openTestStore();
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-join-'));
  const clock = () => Date.now();
  blobs = await openDiskBlobs(path.join(folder, 'blobs'));
  const log = createLog('silent');
  context = {
    store,
    clock,
    keys: await openKeys({ dataDir: folder, fleet: fleetId.parse('plant-1'), hosts: [], clock }),
    changes: createChanges(),
    addresses: () => ({ brokerUrl: 'mqtts://127.0.0.1:1', deviceUrl: 'https://127.0.0.1:1' }),
    assignModels: async () => {},
    disconnect: () => {},
  };
  listener = createDeviceListener({ host: '127.0.0.1', port: 0, context, blobs, log });
  await listener.start(new AbortController().signal);
  onTestFinished(async () => {
    await listener.stop(1000);
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
});

async function call(method: string, pathName: string, body?: unknown, identity?: Identity): Promise<{ status: number; body: Buffer }> {
  const tls = { ca: context.keys.caPem, ...(identity === undefined ? {} : { key: identity.keyPem, cert: identity.certificatePem }) };
  const outgoing = request({
    host: '127.0.0.1',
    port: listener.port,
    path: pathName,
    method,
    agent: false,
    headers: { 'content-type': 'application/json' },
    ...tls,
  });
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(pieces) };
}

async function join(): Promise<Identity> {
  const { token } = await createEnrolment(context, { name: cam, minutes: 5 }, 'test');
  const { csrPem, keyPem } = await makeCertificateRequest();
  const { status, body } = await call('POST', '/join', { claim: parseJoinToken(token).claim, csrPem, hello: testHello });
  expect(status).toBe(200);
  return { keyPem, certificatePem: joinReply.parse(JSON.parse(body.toString())).certificatePem };
}

test('a device joins over TLS that its token pins, renews by its certificate and reads blobs with it', async () => {
  const identity = await join();
  const digest = await blobs.put(Buffer.from('a bundle'));
  expect((await call('GET', `/blobs/${digest}`, undefined, identity)).body.toString()).toBe('a bundle');
  const { csrPem, keyPem } = await makeCertificateRequest();
  const renewed = await call('POST', '/renew', { csrPem }, identity);
  const next = { keyPem, certificatePem: renewReply.parse(JSON.parse(renewed.body.toString())).certificatePem };
  expect((await call('GET', `/blobs/${digest}`, undefined, next)).status).toBe(200);
  expect((await call('GET', `/blobs/${digest}`, undefined, identity)).status).toBe(403);
});

test('without a certificate there is joining and nothing else', async () => {
  const digest = await blobs.put(Buffer.from('a bundle'));
  expect((await call('GET', `/blobs/${digest}`)).status).toBe(401);
  expect((await call('POST', '/renew', { csrPem: (await makeCertificateRequest()).csrPem })).status).toBe(401);
  expect((await call('POST', '/join', { claim: 'x'.repeat(32), csrPem: (await makeCertificateRequest()).csrPem, hello: testHello })).status).toBe(401);
  expect((await call('POST', '/join', { claim: 5 })).status).toBe(400);
  expect((await call('GET', '/api/devices')).status).toBe(404);
});

test('a certificate of another authority counts for nothing', async () => {
  await join();
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-other-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const other = await openKeys({ dataDir: folder, fleet: fleetId.parse('plant-1'), hosts: [], clock: () => Date.now() });
  const { csrPem, keyPem } = await makeCertificateRequest();
  const forged = { keyPem, certificatePem: (await other.issueDevice(csrPem, cam)).certificatePem };
  expect((await call('GET', `/blobs/${'0'.repeat(64)}`, undefined, forged)).status).toBe(401);
});

test('a revoked device is refused with the reason', async () => {
  const identity = await join();
  await revokeDevice(context, cam, 'test');
  const { status, body } = await call('GET', `/blobs/${'0'.repeat(64)}`, undefined, identity);
  expect([status, JSON.parse(body.toString())]).toEqual([403, expect.objectContaining({ code: 'DEVICE_REVOKED' })]);
});
