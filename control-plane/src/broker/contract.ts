import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deviceId, transferId } from '@serin/protocol/ids';
import { packetBytesMax } from '@serin/protocol/limits';
import { chunkTopic, controlFilters, down, serverFilters, serverStatus, transferFilters, up } from '@serin/protocol/topics';
import type { KeyAndCertificate } from '../certificates.ts';
import { connectAs, createTestAuthority, inboxOf, type TestAuthority } from './testing.ts';

export interface BrokerUnderTest {
  url: string;
  stop(): Promise<void>;
}

const ada = deviceId.parse('ada');
const bob = deviceId.parse('bob');

/** What the rest of the product relies on, on every broker. Nothing forbidden is delivered or accepted; how a refusal is answered is the broker's business. */
export function brokerContract(name: string, startBroker: (authority: TestAuthority) => Promise<BrokerUnderTest>, isInstalled = true): void {
  describe.skipIf(!isInstalled)(`broker contract: ${name}`, () => {
    let authority: TestAuthority;
    let broker: BrokerUnderTest;
    const identities = new Map<string, KeyAndCertificate>();
    const clients: MqttClient[] = [];

    beforeAll(async () => {
      authority = await createTestAuthority();
      for (const commonName of ['srv', 'ada', 'bob', 'cyd']) identities.set(commonName, await authority.client(commonName));
      broker = await startBroker(authority);
    }, 30_000);

    afterAll(async () => {
      await Promise.all(clients.map((client) => client.endAsync(true)));
      await broker.stop();
    });

    const connect = async (commonName: string, clientId: string, options = {}): Promise<MqttClient> => {
      const client = await connectAs(broker.url, authority.caPem, identities.get(commonName)!, { clientId, ...options });
      client.on('error', () => {});
      clients.push(client);
      return client;
    };
    const subscribe = (client: MqttClient, filters: readonly string[]) => client.subscribeAsync([...filters], { qos: 1 });

    test('what a device says reaches the server, with QoS 0 and 1 mixed and nothing lost', async () => {
      const server = await connect('srv', 'srv-mixed');
      await subscribe(server, serverFilters);
      const inbox = inboxOf(server);
      const device = await connect('ada', 'ada');
      const sent = Array.from({ length: 500 }, (_, index) => device.publishAsync(up(ada, 'reported'), `m${index}`, { qos: index % 2 === 0 ? 1 : 0 }));
      await Promise.all(sent);
      const texts = new Set((await inbox.until((all) => all.length >= 500)).map(({ payload }) => payload.toString()));
      expect(texts.size).toBe(500);
      await device.endAsync();
      await server.endAsync();
    });

    test('a device gets its own messages and never those of another', async () => {
      const server = await connect('srv', 'srv-isolation');
      const one = await connect('ada', 'ada');
      const other = await connect('bob', 'bob');
      const inboxes = [inboxOf(one), inboxOf(other)] as const;
      await subscribe(one, controlFilters(ada));
      await subscribe(other, controlFilters(bob));
      // Whether these are refused or quietly granted, nothing may come of them.
      for (const filter of ['#', '+/#', 'serin/#', 'serin/1/d/+/c/#', 'serin/1/d/ada/c/#', 'serin/1/d/+/u/+', '$SYS/#', down(ada, 'desired')]) {
        await subscribe(other, [filter]).catch(() => undefined);
      }
      await server.publishAsync(down(ada, 'desired'), 'for ada', { qos: 1, retain: true });
      await one.publishAsync(up(ada, 'status'), 'ada is here', { qos: 1, retain: true });
      await server.publishAsync(down(bob, 'ack'), 'for bob', { qos: 1 });
      await inboxes[0].until((all) => all.length > 0);
      await inboxes[1].until((all) => all.length > 0);
      await server.publishAsync(down(bob, 'cmd'), 'last', { qos: 1 });
      const seen = await inboxes[1].until((all) => all.some(({ payload }) => payload.toString() === 'last'));
      expect(inboxes[0].all.map(({ payload }) => payload.toString())).toEqual(['for ada']);
      expect([...new Set(seen.map(({ topic }) => topic))].sort()).toEqual([down(bob, 'ack'), down(bob, 'cmd')]);
      await server.publishAsync(down(ada, 'desired'), '', { qos: 1, retain: true });
      await Promise.all([one, other, server].map((client) => client.endAsync()));
    });

    test('what a device publishes on topics that are not its own is not accepted', async () => {
      const server = await connect('srv', 'srv-forged');
      await subscribe(server, serverFilters);
      const inbox = inboxOf(server);
      const victim = await connect('ada', 'ada');
      await subscribe(victim, controlFilters(ada));
      const victimInbox = inboxOf(victim);
      for (const topic of [up(ada, 'status'), down(ada, 'desired'), down(bob, 'desired'), serverStatus, 'serin/1/d/ada', 'elsewhere']) {
        // A broker may answer, ignore or hang up: a new connection for each.
        const forger = await connect('bob', 'bob');
        await Promise.race([
          forger.publishAsync(topic, 'forged', { qos: 1, retain: true }).catch(() => undefined),
          new Promise<void>((resolve) => {
            forger.once('close', () => resolve());
          }),
        ]);
        await forger.endAsync(true);
      }
      const honest = await connect('bob', 'bob');
      await honest.publishAsync(up(bob, 'reported'), 'honest', { qos: 1 });
      await inbox.until((all) => all.some(({ payload }) => payload.toString() === 'honest'));
      await server.publishAsync(down(ada, 'cmd'), 'true', { qos: 1 });
      await victimInbox.until((all) => all.length > 0);
      expect([...inbox.all, ...victimInbox.all].filter(({ payload }) => payload.toString() === 'forged')).toEqual([]);
      const late = await connect('ada', 'ada-x');
      const lateInbox = inboxOf(late);
      await subscribe(late, [...controlFilters(ada), ...transferFilters(ada)]);
      await server.publishAsync(chunkTopic(ada, transferId.parse('t1')), 'chunk', { qos: 0 });
      await lateInbox.until((all) => all.length > 0);
      expect(lateInbox.all.map(({ payload }) => payload.toString())).toEqual(['chunk']);
      await Promise.all([honest, victim, late, server].map((client) => client.endAsync()));
    });

    test('retained messages come to late subscribers, replaced ones once, removed ones never', async () => {
      const server = await connect('srv', 'srv-retained');
      await server.publishAsync(down(bob, 'desired'), 'old', { qos: 1, retain: true });
      await server.publishAsync(down(bob, 'desired'), 'new', { qos: 1, retain: true });
      await server.publishAsync(down(bob, 'cmd'), 'gone', { qos: 1, retain: true });
      await server.publishAsync(down(bob, 'cmd'), '', { qos: 1, retain: true });
      const device = await connect('bob', 'bob');
      const inbox = inboxOf(device);
      await subscribe(device, controlFilters(bob));
      await server.publishAsync(down(bob, 'ack'), 'end', { qos: 1 });
      await inbox.until((all) => all.some(({ payload }) => payload.toString() === 'end'));
      expect(inbox.all.filter(({ retain }) => retain).map(({ topic, payload }) => [topic, payload.toString()])).toEqual([[down(bob, 'desired'), 'new']]);
      await Promise.all([device, server].map((client) => client.endAsync()));
    });

    test('the will of a lost device is published, that of one that says goodbye is not', async () => {
      const server = await connect('srv', 'srv-will');
      await subscribe(server, serverFilters);
      const inbox = inboxOf(server);
      const will = { topic: up(bob, 'status'), payload: Buffer.from('gone'), qos: 1 as const, retain: true };
      const polite = await connect('bob', 'bob', { will });
      await polite.endAsync();
      const lost = await connect('bob', 'bob', { will });
      await lost.publishAsync(up(bob, 'status'), 'here', { qos: 1, retain: true });
      lost.stream.destroy();
      await inbox.until((all) => all.some(({ payload }) => payload.toString() === 'gone'));
      expect(inbox.all.filter(({ topic }) => topic === up(bob, 'status')).map(({ payload }) => payload.toString())).toEqual(['here', 'gone']);
      await server.endAsync();
    });

    test('a packet as large as the protocol allows passes', async () => {
      const server = await connect('srv', 'srv-large');
      const device = await connect('ada', 'ada-x');
      const inbox = inboxOf(device);
      await subscribe(device, transferFilters(ada));
      const payload = Buffer.alloc(packetBytesMax - 200, 7);
      await server.publishAsync(chunkTopic(ada, transferId.parse('t2')), payload, { qos: 0 });
      const [received] = await inbox.until((all) => all.length > 0);
      expect(received?.payload.equals(payload)).toBe(true);
      await Promise.all([device, server].map((client) => client.endAsync()));
    });

    test('the same client id twice ends the first session, and only that', async () => {
      const control = await connect('ada', 'ada');
      const transfer = await connect('ada', 'ada-x');
      const ended = new Promise<void>((resolve) => {
        control.once('close', () => resolve());
      });
      const twin = await connect('ada', 'ada');
      await ended;
      expect([control.connected, transfer.connected, twin.connected]).toEqual([false, true, true]);
      await Promise.all([transfer, twin].map((client) => client.endAsync()));
    });

    test('nobody without a certificate of this authority gets in', async () => {
      const stranger = await (await createTestAuthority()).client('ada');
      await expect(connectAs(broker.url, authority.caPem, stranger, { clientId: 'ada' })).rejects.toThrow(/./);
      await expect(connectAs(broker.url, authority.caPem, { keyPem: '', certPem: '' }, { clientId: 'ada' })).rejects.toThrow(/./);
    });
  });
}
