import { IncomingMessage, request, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { liveEvent, type LiveEvent } from '@serin/protocol/api/events';
import { revokeToken } from '../access.ts';
import { devices } from '../store/schema.ts';
import { testHello } from '../testing.ts';
import { startTestApi, type TestApi } from './testing.ts';

let api: TestApi;

beforeEach(async () => {
  api = await startTestApi();
});

interface Feed {
  lastId: string | undefined;
  response: IncomingMessage;
  /** The next event of that kind, also one that has come already. */
  next<Type extends LiveEvent['type']>(type: Type): Promise<Extract<LiveEvent, { type: Type }>>;
  close(): void;
}

async function openFeed(token: string, lastEventId?: string): Promise<Feed> {
  const headers = { authorization: `Bearer ${token}`, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) };
  const outgoing = request(`${api.server.url}/api/events`, { headers });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const seen: LiveEvent[] = [];
  let wake: () => void = () => {};
  let buffer = '';
  const feed: Feed = {
    lastId: undefined,
    response,
    async next(type) {
      for (;;) {
        const index = seen.findIndex((event) => event.type === type);
        if (index >= 0) return seen.splice(index, 1)[0] as never;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    close: () => outgoing.destroy(),
  };
  response.on('error', () => {});
  response.setEncoding('utf8').on('data', (text: string) => {
    buffer += text;
    const blocks = buffer.split('\n\n');
    buffer = blocks.pop() ?? '';
    for (const block of blocks) {
      const id = /^id: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (id !== undefined) feed.lastId = id;
      if (data !== undefined) seen.push(liveEvent.parse(JSON.parse(data)));
    }
    wake();
  });
  onTestFinished(() => feed.close());
  return feed;
}

async function addDevices(count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, index) => ({
    id: `cam-${index}`,
    state: 'ACTIVE' as const,
    hello: testHello,
    certificateSerial: '1',
    certificateExpiresAt: 1,
    joinedAt: 1,
  }));
  await api.store.db.insert(devices).values(rows);
}

test('changes of many devices come in one batch of whole objects, with the overview after them', async () => {
  await addDevices(3);
  const feed = await openFeed(await api.tokenFor('viewer'));
  await feed.next('overview');
  for (const id of ['cam-0', 'cam-1', 'cam-0', 'cam-2', 'cam-1']) api.changes.tell({ type: 'device', id });
  const { devices: batch } = await feed.next('devices');
  expect(batch.map(({ id }) => id)).toEqual(['cam-0', 'cam-1', 'cam-2']);
  expect((await feed.next('overview')).overview.devices.total).toBe(3);
});

test('a browser that comes back gets what it missed, in order', async () => {
  const token = await api.tokenFor('viewer');
  const keeper = await openFeed(token);
  const first = await openFeed(token);
  api.changes.tell({ type: 'models' });
  await first.next('models');
  const { lastId } = first;
  first.close();
  await keeper.next('models');
  api.changes.tell({ type: 'models' });
  await keeper.next('models');
  const again = await openFeed(token, lastId);
  await again.next('models');
});

test('a browser that was away too long, or comes from another start, is told to look again', async () => {
  const token = await api.tokenFor('viewer');
  const other = await openFeed(token, 'ffffffffffff-12');
  await other.next('reset');
  const keeper = await openFeed(token);
  const first = await openFeed(token);
  await first.next('overview');
  const { lastId } = first;
  first.close();
  for (let round = 0; round < 25; round++) {
    api.changes.tell({ type: 'models' });
    await keeper.next('models');
  }
  await (await openFeed(token, lastId)).next('reset');
});

/** A connection whose other side takes nothing until it is let go: no buffers of a kernel in between. */
function stalledResponse(): { response: ServerResponse; letGo(): void; text(): string } {
  const taken: Buffer[] = [];
  let isStalled = true;
  let waiting: (() => void) | undefined;
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk);
      if (isStalled) waiting = done;
      else done();
    },
  }) as Socket;
  const response = new ServerResponse(new IncomingMessage(socket));
  response.assignSocket(socket);
  return {
    response,
    letGo() {
      isStalled = false;
      waiting?.();
    },
    text: () => Buffer.concat(taken).toString(),
  };
}

test('a reader that stands still costs nothing to others and is told to look again', async () => {
  await addDevices(200);
  const slow = stalledResponse();
  api.events.follow(slow.response, undefined, async () => true);
  onTestFinished(() => void slow.response.destroy());
  const quick = await openFeed(await api.tokenFor('viewer'));
  for (let round = 0; round < 40; round++) {
    for (let index = 0; index < 200; index++) api.changes.tell({ type: 'device', id: `cam-${index}` });
    expect((await quick.next('devices')).devices.length).toBe(200);
    expect(slow.response.writableLength).toBeLessThan(2 << 20);
  }
  slow.letGo();
  api.changes.tell({ type: 'models' });
  await quick.next('models');
  await vi.waitFor(() => expect(slow.text()).toContain('"type":"reset"'));
});

test('a token that is revoked ends its streams', async () => {
  const feed = await openFeed(await api.tokenFor('viewer'));
  const ended = once(feed.response, 'end');
  const token = (await (await api.as('admin'))('listTokens')).items.find(({ role }) => role === 'viewer');
  await revokeToken(api.access, token?.id ?? '', 'test');
  await ended;
  expect(api.events.streams).toBe(0);
});
