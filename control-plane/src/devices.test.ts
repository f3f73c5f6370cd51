import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { parseJoinToken, type JoinRequest } from '@serin/protocol/api/join';
import { deviceId, fleetId, type DeviceId } from '@serin/protocol/ids';
import { protocolVersion } from '@serin/protocol/version';
import { verifyAudit } from './audit.ts';
import { createChanges } from './changes.ts';
import { authenticateDevice, createEnrolment, isActiveDevice, joinDevice, mayConnect, renewDevice, revokeDevice, type DeviceContext } from './devices.ts';
import { openKeys } from './keys.ts';
import { X509Certificate } from 'node:crypto';
import { devices, meta } from './store/schema.ts';
import { testStores } from './store/testing.ts';
import { makeCertificateRequest, testHello } from './testing.ts';

let context: DeviceContext;
let now: number;
let disconnected: DeviceId[];
const cam = deviceId.parse('cam-1');

describe.each(testStores)('devices on %s', (_, open) => {
  beforeEach(async () => {
    const store = await open();
    onTestFinished(() => store.close());
    now = Date.UTC(2026, 0, 1);
    disconnected = [];
    const clock = () => now;
    context = {
      store,
      clock,
      keys: await openKeys({ dataDir: store.dataDir, fleet: fleetId.parse('plant-1'), hosts: [], clock }),
      changes: createChanges(),
      addresses: () => ({ brokerUrl: 'mqtts://b:1', deviceUrl: 'https://d:1' }),
      assignModels: async (tx, device) => {
        await tx
          .insert(meta)
          .values({ key: `assigned-${device}`, value: '1' })
          .onConflictDoUpdate({ target: meta.key, set: { value: '2' } });
      },
      disconnect: (id) => disconnected.push(id),
    };
  });

  async function claimFor(name?: DeviceId, minutes = 10): Promise<string> {
    return parseJoinToken((await createEnrolment(context, { minutes, ...(name === undefined ? {} : { name }) }, 'ann')).token).claim;
  }

  async function requestFor(claim: string, name?: DeviceId): Promise<JoinRequest> {
    return { claim, hello: testHello, csrPem: (await makeCertificateRequest()).csrPem, ...(name === undefined ? {} : { name }) };
  }

  const serialOf = (certificatePem: string): string => new X509Certificate(certificatePem).serialNumber;

  test('a device joins under the name of its token, with the models of the fleet, and is told everything it needs', async () => {
    const reply = await joinDevice(context, await requestFor(await claimFor(cam), deviceId.parse('other')));
    expect(reply).toMatchObject({ device: 'cam-1', fleet: 'plant-1', brokerUrl: 'mqtts://b:1', deviceUrl: 'https://d:1', caPem: context.keys.caPem });
    expect(await context.store.db.select().from(meta)).toEqual([{ key: 'assigned-cam-1', value: '1' }]);
    expect(await authenticateDevice(context, 'cam-1', serialOf(reply.certificatePem))).toBe('cam-1');
    expect(await verifyAudit(context.store.db)).toEqual({ rows: 2 });
  });

  test('of many that use one token at once, one joins', async () => {
    const claim = await claimFor();
    const requests = await Promise.all(Array.from({ length: 8 }, (_, index) => requestFor(claim, deviceId.parse(`cam-${index}`))));
    const outcomes = await Promise.allSettled(requests.map((request) => joinDevice(context, request)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'JOIN_CLAIM_INVALID' });
    expect((await context.store.db.select().from(devices)).length).toBe(1);
  });

  test('a device that lost the answer gets it again with the same key; another key does not', async () => {
    const claim = await claimFor(cam);
    const request = await requestFor(claim);
    const first = await joinDevice(context, request);
    const again = await joinDevice(context, request);
    expect(again.device).toBe(first.device);
    await expect(joinDevice(context, await requestFor(claim))).rejects.toMatchObject({ code: 'JOIN_CLAIM_INVALID' });
  });

  test('a token ends with its time', async () => {
    const claim = await claimFor(cam, 5);
    now += 5 * 60_000;
    await expect(joinDevice(context, await requestFor(claim))).rejects.toMatchObject({ code: 'JOIN_CLAIM_INVALID' });
  });

  test('a name that is taken refuses the join and leaves the token unspent', async () => {
    await joinDevice(context, await requestFor(await claimFor(), cam));
    const claim = await claimFor();
    await expect(joinDevice(context, await requestFor(claim, cam))).rejects.toMatchObject({ code: 'JOIN_NAME_TAKEN' });
    expect(await joinDevice(context, await requestFor(claim, deviceId.parse('cam-2')))).toMatchObject({ device: 'cam-2' });
  });

  test.each(['srv', 'srv-2', 'cam-1-x'])('the name %s, which belongs to the broker, is refused', async (name) => {
    await expect(claimFor(deviceId.parse(name))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    await expect(joinDevice(context, await requestFor(await claimFor(), deviceId.parse(name)))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('a revoked device is out at once and may come back by a new token; its old certificate may not', async () => {
    const first = await joinDevice(context, await requestFor(await claimFor(cam)));
    await revokeDevice(context, cam, 'ann');
    expect(disconnected).toEqual([cam]);
    expect(await isActiveDevice(context, cam)).toBe(false);
    await expect(authenticateDevice(context, cam, serialOf(first.certificatePem))).rejects.toMatchObject({ code: 'DEVICE_REVOKED' });
    const second = await joinDevice(context, await requestFor(await claimFor(cam)));
    expect(await authenticateDevice(context, cam, serialOf(second.certificatePem))).toBe(cam);
    expect(await mayConnect(context, cam, serialOf(second.certificatePem))).toBe(true);
    expect(await mayConnect(context, cam, serialOf(first.certificatePem))).toBe(false);
    await expect(authenticateDevice(context, cam, serialOf(first.certificatePem))).rejects.toMatchObject({ code: 'DEVICE_REVOKED' });
  });

  test('after a renewal the old certificate serves until the new one is used', async () => {
    const first = await joinDevice(context, await requestFor(await claimFor(cam)));
    const before = serialOf(first.certificatePem);
    const renewed = await renewDevice(context, cam, before, (await makeCertificateRequest()).csrPem);
    expect(await authenticateDevice(context, cam, before)).toBe(cam);
    expect(await authenticateDevice(context, cam, serialOf(renewed.certificatePem))).toBe(cam);
    await expect(authenticateDevice(context, cam, before)).rejects.toMatchObject({ code: 'DEVICE_REVOKED' });
  });

  test('a device of the protocol before this one may join', async () => {
    const request = await requestFor(await claimFor(cam));
    const reply = await joinDevice(context, { ...request, hello: { ...testHello, protocol: protocolVersion - 1 } });
    expect(await authenticateDevice(context, cam, serialOf(reply.certificatePem))).toBe(cam);
  });

  test('a device of another protocol is told so', async () => {
    const request = await requestFor(await claimFor(cam));
    await expect(joinDevice(context, { ...request, hello: { ...testHello, protocol: 99 } })).rejects.toMatchObject({ code: 'PROTOCOL_UNSUPPORTED' });
  });
});
