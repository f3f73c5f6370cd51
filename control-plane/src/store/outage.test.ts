import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLog } from '../log.ts';
import { openStore } from './open.ts';
import { meta } from './schema.ts';
import type { Store } from './store.ts';
import { openTestPostgres, testPostgresUrl } from './testing.ts';

const silent = createLog('silent');

/** A line to the database that can be cut and joined again. */
async function openLine(target: URL) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [end, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(end);
      end.pipe(other);
      end.on('error', () => other.destroy()).on('close', () => (other.destroy(), sockets.delete(end)));
    }
  });
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const cut = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
    if (server.listening) await once(server, 'close');
  };
  onTestFinished(cut);
  const url = new URL(target);
  url.port = String(port);
  return { url: url.href, cut, join: () => listen(port) };
}

describe.skipIf(testPostgresUrl === undefined)('PostgreSQL that goes away', () => {
  async function connected(): Promise<{ store: Store; line: Awaited<ReturnType<typeof openLine>> }> {
    const direct = await openTestPostgres(testPostgresUrl ?? '');
    onTestFinished(() => direct.close());
    const line = await openLine(new URL(direct.url));
    const store = await openStore({ dataDir: direct.dataDir, databaseUrl: line.url, log: silent });
    onTestFinished(() => store.close());
    return { store, line };
  }

  test('is told by its code, and is used again as soon as it is back', async () => {
    const { store, line } = await connected();
    const write = (key: string) => store.transaction((tx) => tx.insert(meta).values({ key, value: '1' }));
    await write('before');
    await line.cut();
    await expect(write('during')).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    await expect(store.ping()).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    await line.join();
    await write('after');
    expect((await store.db.select({ key: meta.key }).from(meta)).map(({ key }) => key)).toEqual(['before', 'after']);
  });

  test('in the middle of a transaction leaves nothing of it', async () => {
    const { store, line } = await connected();
    const failed = store.transaction(async (tx) => {
      await tx.insert(meta).values({ key: 'half', value: '1' });
      await line.cut();
      await tx.insert(meta).values({ key: 'other half', value: '1' });
    });
    await expect(failed).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    await line.join();
    expect(await store.db.select().from(meta)).toEqual([]);
  });

  test('at the start is waited for', async () => {
    const direct = await openTestPostgres(testPostgresUrl ?? '');
    onTestFinished(() => direct.close());
    const line = await openLine(new URL(direct.url));
    await line.cut();
    const opening = openStore({ dataDir: direct.dataDir, databaseUrl: line.url, log: silent, startLimitMs: 30_000 });
    await line.join();
    const store = await opening;
    await store.ping();
    await store.close();
  });
});
