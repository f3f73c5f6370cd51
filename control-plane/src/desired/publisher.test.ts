import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createKeyPair, importSigningKey, type SigningKey } from '@serin/protocol/bundle/signing';
import type { Keyset } from '@serin/protocol/bundle/keyset';
import { decode } from '@serin/protocol/codec';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, digest, fleetId } from '@serin/protocol/ids';
import { openDesired } from '@serin/protocol/messages/desired';
import { down } from '@serin/protocol/topics';
import { addDevices } from '../link/testing.ts';
import { createLog } from '../log.ts';
import { desired, devices, outbox } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { openTestStore } from '../store/testing.ts';
import { initialDesired, orderSamples, orderVersion, withdrawModel } from './intent.ts';
import { createDesiredPublisher, type DesiredPublisher } from './publisher.ts';
import { addVersions } from './testing.ts';

const fleet = fleetId.parse('fleet-1');
const ada = deviceId.parse('ada');
const never = new AbortController().signal;
const keysetBlob = { sha256: digest.parse('ee'.repeat(32)), size: 100 };

let store: Store;
let director: SigningKey;
const running: DesiredPublisher[] = [];

beforeEach(async () => {
  store = await openTestStore();
  director = await importSigningKey(await createKeyPair());
  await addDevices(store, ['ada', 'bob']);
  await addVersions(store.db, 'picker', [1, 2], 1);
});
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop(1_000);
  await store.close();
});

interface Sent {
  topic: string;
  payload: Uint8Array;
  retain: boolean;
}

/** A link whose broker can be switched off. */
function fakeLink(connected = true) {
  const sent: Sent[] = [];
  const state = { connected, onPublish: (): void => {} };
  const handlers = new Set<() => void>();
  const waiting = new Set<() => void>();
  return {
    sent,
    state,
    connect() {
      state.connected = true;
      for (const handler of handlers) handler();
    },
    until(count: number): Promise<void> {
      return new Promise((resolve) => {
        const look = (): void => {
          if (sent.length < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
    link: {
      get connected() {
        return state.connected;
      },
      onConnected(handler: () => void) {
        handlers.add(handler);
        return () => handlers.delete(handler);
      },
      async publish(topic: string, payload: Uint8Array, { retain = false }: { retain?: boolean }) {
        if (!state.connected) throw new SerinError('BROKER_UNREACHABLE');
        sent.push({ topic, payload, retain });
        state.onPublish();
        for (const look of waiting) look();
      },
    },
  };
}

function create(link: ReturnType<typeof fakeLink>, clock = Date.now): DesiredPublisher {
  const made = createDesiredPublisher({
    store,
    link: link.link,
    keys: { director, keyset: keys(), keysetBlob },
    fleet,
    clock,
    log: createLog('silent'),
    windowMs: 2_000,
    pollMs: 20,
  });
  running.push(made);
  return made;
}

const keys = (): Keyset => {
  const role = { keys: [{ id: director.id, publicKey: director.publicKey }], threshold: 1 };
  return { v: 1, fleet, version: 1, expires: 1e15, roles: { root: role, release: role, director: role } };
};
const open = ({ payload }: Sent, device = ada) => openDesired(decode('desired', payload), keys(), { fleet, device });
const order = (version: number, device = ada) => store.transaction((tx) => orderVersion(tx, device, 'picker', version, 1));
const emptied = async (): Promise<void> => {
  while ((await store.db.$count(outbox)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
};

test('every order raises the revision and leaves an entry; frames that are sent already are not asked for again', async () => {
  expect(await order(1)).toBe(1);
  expect(await order(2)).toBe(2);
  await store.transaction((tx) => orderSamples(tx, ada, 4, 1));
  await store.transaction((tx) => orderSamples(tx, ada, 4, 1));
  expect(await store.transaction((tx) => withdrawModel(tx, ada, 'picker', 1))).toBe(4);
  expect(await store.db.$count(outbox)).toBe(4);
  expect((await store.db.select().from(desired))[0]).toMatchObject({ rev: 4, models: [], samplesPerWindow: 4 });
});

test('a transaction that fails leaves neither revision nor entry', async () => {
  await order(1);
  const failing = store.transaction(async (tx) => {
    await orderSamples(tx, ada, 9, 1);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect((await store.db.select().from(desired))[0]).toMatchObject({ rev: 1, samplesPerWindow: 0 });
  expect(await store.db.$count(outbox)).toBe(1);
});

test('a device that joins is ordered the champion of every model, one that joins again with a higher revision', async () => {
  await addVersions(store.db, 'sorter', [7], 7);
  await addVersions(store.db, 'unproven', [1], null);
  for (const rev of [1, 2]) {
    await store.transaction((tx) => initialDesired(tx, ada, 8, 5));
    const [row] = await store.db.select().from(desired).where(eq(desired.device, ada));
    expect(row).toMatchObject({ rev, samplesPerWindow: 8 });
    expect(row?.models.map(({ model, version }) => [model, version]).sort()).toEqual([
      ['picker', 1],
      ['sorter', 7],
    ]);
  }
});

test('what waits is published retained, signed for the device, and the newest of it only', async () => {
  await order(1);
  await order(2);
  const link = fakeLink();
  await create(link).start(never);
  await emptied();
  expect(link.sent.map(({ topic, retain }) => [topic, retain])).toEqual([[down(ada, 'desired'), true]]);
  expect(await open(link.sent[0]!)).toMatchObject({
    device: 'ada',
    rev: 2,
    models: [{ model: 'picker', version: 2, bundleBytes: 1_000 }],
    telemetry: { windowMs: 2_000 },
  });
});

test('what was committed before a crash is published after it, and what was published twice says the same', async () => {
  await order(1);
  // The process ended after the commit: nobody has published. The next one publishes and cannot forget the entry.
  const link = fakeLink();
  const remove = store.db.delete.bind(store.db);
  store.db.delete = (() => {
    throw new Error('killed');
  }) as typeof store.db.delete;
  const dies = create(link);
  await dies.start(never);
  await link.until(1);
  await dies.stop(1_000);
  store.db.delete = remove;
  link.sent.splice(1);
  await create(link).start(never);
  await emptied();
  const [first, second] = await Promise.all(link.sent.map((sent) => open(sent)));
  expect(link.sent).toHaveLength(2);
  expect({ ...first, expires: 0 }).toEqual({ ...second, expires: 0 });
});

test('a change made while publishing is not forgotten', async () => {
  await order(1);
  const link = fakeLink();
  let ordered: Promise<number> | undefined;
  link.state.onPublish = () => {
    ordered ??= order(2);
  };
  await create(link).start(never);
  await link.until(1);
  await ordered;
  await emptied();
  expect((await open(link.sent.at(-1)!)).rev).toBe(2);
});

test('while the broker is away entries wait; on every connection all orders are published again', async () => {
  const bob = deviceId.parse('bob');
  await order(1);
  await order(1, bob);
  const link = fakeLink(false);
  const made = create(link);
  await made.start(never);
  made.wake();
  expect(await store.db.$count(outbox)).toBe(2);
  link.connect();
  await link.until(2);
  await emptied();
  link.sent.length = 0;
  link.connect();
  await link.until(2);
  expect(new Set(link.sent.map(({ topic }) => topic))).toEqual(new Set([down(ada, 'desired'), down(bob, 'desired')]));
});

test('what the broker keeps for a revoked device is removed', async () => {
  await order(1);
  await store.db.update(devices).set({ state: 'REVOKED' }).where(eq(devices.id, ada));
  const link = fakeLink();
  await create(link).start(never);
  await emptied();
  expect(link.sent).toEqual([{ topic: down(ada, 'desired'), payload: new Uint8Array(), retain: true }]);
});

test('orders are published again long before they expire', async () => {
  await order(1);
  let now = 1_000;
  const link = fakeLink();
  await create(link, () => now).start(never);
  await link.until(1);
  now += 15 * 24 * 3_600_000;
  await link.until(2);
  const [first, second] = await Promise.all(link.sent.map((sent) => open(sent)));
  expect(second?.rev).toBe(first?.rev);
  expect(second!.expires).toBeGreaterThan(first!.expires);
});
