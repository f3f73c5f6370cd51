import { expect, onTestFinished, test } from 'vitest';
import type { ControlHandlers } from '@serin/device/ports';
import { decode, encode } from '@serin/protocol/codec';
import { bootId, digest, modelName, transferId } from '@serin/protocol/ids';
import { down, serverStatus, up } from '@serin/protocol/topics';
import { systemClock } from './clock.ts';
import { createLink, type Link } from './link.ts';
import { createStamp } from './stamp.ts';
import { createTestAuthority } from './testing/authority.ts';
import { startBroker, type TestBroker } from './testing/broker.ts';
import { makeIdentity, makeKeyset, testHello } from './testing/identity.ts';
import { recordLog, type Line } from './testing/log.ts';
import { makeWindow } from '@serin/device/testing/windows';

interface Event {
  kind: keyof ControlHandlers;
  value?: unknown;
}

interface Bench {
  broker: TestBroker;
  link: Link;
  device: Awaited<ReturnType<typeof makeIdentity>>['device'];
  events: Event[];
  lines: Line[];
  refusals: [string, string][];
  /** The event of that number and kind, come already or still to come. */
  event(kind: keyof ControlHandlers, count?: number): Promise<Event>;
  /** The log line of that event, come already or still to come. */
  line(event: string): Promise<Line>;
}

async function bench(start = true): Promise<Bench> {
  const authority = await createTestAuthority();
  const broker = await startBroker(authority);
  const identity = await makeIdentity(authority, 'cam-1', broker.url);
  const events: Event[] = [];
  const watchers = new Set<() => void>();
  const { log, lines } = recordLog();
  const refusals: [string, string][] = [];
  const boot = bootId.parse('boot1');
  const link = createLink({
    identity: () => identity,
    hello: testHello,
    boot,
    stamp: createStamp(boot, systemClock),
    transferRefused: (xfer, code) => refusals.push([xfer, code]),
    clock: systemClock,
    random: Math.random,
    log,
    reportSpreadMs: 10,
  });
  onTestFinished(() => link.stop());
  const tell = (kind: keyof ControlHandlers) => (value?: unknown) => {
    events.push({ kind, value });
    for (const look of watchers) look();
  };
  const handlers = { desired: tell('desired'), acknowledged: tell('acknowledged'), connected: tell('connected'), reportWanted: tell('reportWanted') };
  if (start) await link.start(handlers);
  const line = async (event: string): Promise<Line> => {
    for (;;) {
      const found = lines.find((each) => each.event.startsWith(event));
      if (found !== undefined) return found;
      await systemClock.sleep(5);
    }
  };
  return {
    broker,
    link,
    device: identity.device,
    events,
    lines,
    refusals,
    line,
    event: (kind, count = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = events.filter((event) => event.kind === kind)[count - 1];
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
  };
}

test('birth is retained and says what the device is; the farewell and the will speak of the same connection', async () => {
  const { broker, link, device, event } = await bench();
  await event('connected');
  const birth = decode('status', (await broker.until(up(device, 'status'))).payload);
  expect(birth).toMatchObject({ online: true, boot: 'boot1', conn: 0, hello: testHello });

  broker.drop('cam-1');
  const will = decode('status', (await broker.until(up(device, 'status'), ({ payload }) => !decode('status', payload).online)).payload);
  expect(will).toMatchObject({ online: false, boot: 'boot1', conn: 0 });
  await event('connected', 3);
  await link.stop();
  const last = await broker.until(up(device, 'status'), ({ payload }) => {
    const { online, conn } = decode('status', payload);
    return !online && conn > 0;
  });
  const births = broker.received.filter(({ topic, payload }) => topic === up(device, 'status') && decode('status', payload).online);
  expect(decode('status', last.payload).conn).toBe(decode('status', births.at(-1)!.payload).conn);
});

test('orders, acknowledgements and commands come through; retained ones also to a device that was away', async () => {
  const { broker, link, device, events, refusals } = await bench(false);
  const document = await makeKeyset();
  await broker.server.publishAsync(down(device, 'desired'), Buffer.from(encode('desired', document)), { qos: 1, retain: true });
  await link.start({
    desired: (value) => events.push({ kind: 'desired', value }),
    acknowledged: (value) => events.push({ kind: 'acknowledged', value }),
    connected: () => undefined,
    reportWanted: (value) => events.push({ kind: 'reportWanted', value }),
  });
  await broker.until(up(device, 'status'));
  const xfer = transferId.parse('x1');
  const exp = Date.now() + 10_000;
  const commands = [
    { v: 1, kind: 'transfer-refused', exp, xfer, code: 'BLOB_NOT_FOUND' },
    { v: 1, kind: 'report', exp: Date.now() - 1 },
    { v: 1, kind: 'report', exp },
  ] as const;
  for (const command of commands) await broker.server.publishAsync(down(device, 'cmd'), Buffer.from(encode('cmd', command)), { qos: 1 });
  await broker.server.publishAsync(down(device, 'ack'), Buffer.from(encode('ack', { v: 1, windows: [[bootId.parse('b'), 7]] })), { qos: 1 });
  await expect.poll(() => events).toContainEqual({ kind: 'acknowledged', value: [['b', 7]] });
  expect(events).toContainEqual({ kind: 'desired', value: document });
  expect(events.filter(({ kind }) => kind === 'reportWanted')).toEqual([{ kind: 'reportWanted', value: false }]);
  expect(refusals).toEqual([['x1', 'BLOB_NOT_FOUND']]);
});

test('reports, windows and samples carry one running number; a batch that would be too large is halved', async () => {
  const { broker, link, device, event } = await bench();
  await event('connected');
  await link.report({ rev: 3, models: [] });
  await link.sendWindows(
    Array.from({ length: 70 }, (_, seq) => makeWindow('old', seq, 1500)),
    5,
  );
  await link.sendSample({
    model: modelName.parse('picker'),
    version: 1,
    shape: [1, 1, 3],
    pixels: new Uint8Array([1, 2, 3]),
    predicted: { label: 1, confidence: 0.5 },
  });
  await broker.until(up(device, 'smp'));
  const batches = broker.received.filter(({ topic }) => topic === up(device, 'tel')).map(({ payload }) => decode('tel', payload));
  expect(batches.length).toBeGreaterThan(2);
  expect(batches.flatMap(({ windows }) => windows.map(({ seq }) => seq))).toEqual(Array.from({ length: 70 }, (_, seq) => seq));
  expect(batches.every(({ dropped, boot }) => dropped === 5 && boot === 'boot1')).toBe(true);
  expect(decode('reported', (await broker.until(up(device, 'reported'))).payload)).toMatchObject({ rev: 3, seq: 0 });
  const seqs = batches.map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
  expect(digest.safeParse(batches[0]?.windows[0]?.manifest).success).toBe(true);
});

test('what cannot be sent is an error at once; nothing of it is sent behind our back later', async () => {
  const { broker, link, device, event } = await bench();
  await expect(link.report({ rev: 1, models: [] })).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
  await event('connected');
  await broker.suspend();
  expect((await event('connected', 2)).value).toBe(false);
  await expect(link.report({ rev: 2, models: [] })).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
  await broker.resume();
  await event('connected', 3);
  await link.report({ rev: 3, models: [] });
  await broker.until(up(device, 'reported'));
  const reports = broker.received.filter(({ topic }) => topic === up(device, 'reported')).map(({ payload }) => decode('reported', payload).rev);
  expect(reports).toEqual([3]);
});

test('a message whose acknowledgement dies with the connection is an error, not a promise that never settles', async () => {
  const { broker, link, event } = await bench();
  await event('connected');
  broker.hold('cam-1');
  const report = link.report({ rev: 1, models: [] });
  broker.drop('cam-1');
  await expect(report).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
});

test('malformed, oversized, late and unknown messages change nothing, and are said once a minute with their code', async () => {
  const { broker, device, events, event, line, lines } = await bench();
  await event('connected');
  const before = events.length;
  const junk = [Buffer.from('{'), Buffer.from('[]'), Buffer.alloc(20_000, 0x20), Buffer.from([0xff, 0xfe])];
  for (let round = 0; round < 5; round++) {
    for (const payload of junk)
      for (const kind of ['desired', 'ack', 'cmd'] as const) await broker.server.publishAsync(down(device, kind), payload, { qos: 1 });
  }
  await broker.server.publishAsync(serverStatus, Buffer.from('{}'), { qos: 1 });
  await line('message ignored');
  await broker.server.publishAsync(down(device, 'cmd'), Buffer.from(encode('cmd', { v: 1, kind: 'report', exp: Date.now() + 10_000 })), { qos: 1 });
  await event('reportWanted');
  expect(events.length).toBe(before + 1);
  const ignored = lines.filter(({ event: what }) => what === 'message ignored');
  expect(new Set(ignored.map(({ message, code }) => `${String(message)} ${String(code)}`)).size).toBe(ignored.length);
  expect(ignored.length).toBeLessThanOrEqual(8);
});

test('a server that started again is reported to; one that only went offline is not', async () => {
  const { broker, events, event } = await bench();
  await event('connected');
  const say = (epoch: string, online: boolean): Promise<unknown> =>
    broker.server.publishAsync(serverStatus, Buffer.from(encode('serverStatus', { v: 1, online, epoch, ts: Date.now() })), { qos: 1, retain: true });
  await say('one', true);
  await say('one', false);
  await say('one', true);
  await say('two', true);
  expect((await event('reportWanted')).value).toBe(true);
  expect(events.filter(({ kind }) => kind === 'reportWanted')).toHaveLength(1);
});

test('a device that the broker refuses says so under its code, and is let in when it may again', async () => {
  const { broker, link, line } = await bench(false);
  broker.refuse('cam-1', true);
  let isConnected = false;
  await link.start({ desired: () => undefined, acknowledged: () => undefined, reportWanted: () => undefined, connected: (now) => (isConnected = now) });
  expect(await line('DEVICE_REVOKED')).toMatchObject({ code: 'DEVICE_REVOKED', level: 'warn' });
  broker.refuse('cam-1', false);
  await expect.poll(() => isConnected, { timeout: 10_000 }).toBe(true);
});
