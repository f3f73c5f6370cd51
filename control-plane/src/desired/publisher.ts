import { asc, eq, inArray } from 'drizzle-orm';
import { encode } from '@serin/protocol/codec';
import { asSerinError } from '@serin/protocol/errors';
import { deviceId, type FleetId } from '@serin/protocol/ids';
import { signDocument } from '@serin/protocol/bundle/signing';
import type { Desired } from '@serin/protocol/messages/desired';
import { down } from '@serin/protocol/topics';
import type { Clock } from '../clock.ts';
import type { Keys } from '../keys.ts';
import type { ServerLink } from '../link/server-link.ts';
import type { Log } from '../log.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';
import { desired, devices, outbox } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { requeueDesired, type DesiredRow } from './intent.ts';

export interface DesiredPublisherOptions {
  store: Store;
  link: Pick<ServerLink, 'publish' | 'onConnected' | 'connected'>;
  keys: Pick<Keys, 'director' | 'keyset' | 'keysetBlob'>;
  fleet: FleetId;
  clock: Clock;
  log: Log;
  windowMs: number;
  /** Documents are void after this; devices then keep running and install nothing new. */
  validMs?: number;
  pollMs?: number;
}

export interface DesiredPublisher extends Service {
  /** There is something in the outbox, perhaps. */
  wake(): void;
}

const batchMax = 200;
const dayMs = 24 * 3_600_000;

/** Turns outbox rows into retained, signed documents: at least once, and always the present intent, never an old one. */
export function createDesiredPublisher(options: DesiredPublisherOptions): DesiredPublisher {
  const { store, link, keys, fleet, clock, log, windowMs, validMs = 30 * dayMs, pollMs = 1000 } = options;
  let unlisten: () => void = () => {};
  let requeuedAt = clock();

  /** Long before documents expire, and whenever a broker may have forgotten them, all are published again. */
  async function requeueAll(): Promise<void> {
    await store.transaction((tx) => requeueDesired(tx, clock()));
    requeuedAt = clock();
  }

  async function documentOf(row: DesiredRow): Promise<Uint8Array> {
    const now = clock();
    const content: Desired = {
      v: 1,
      fleet,
      device: deviceId.parse(row.device),
      rev: row.rev,
      issuedAt: row.updatedAt,
      expires: now + validMs,
      models: row.models,
      keyset: { version: keys.keyset.version, ...keys.keysetBlob },
      telemetry: { windowMs, samplesPerWindow: row.samplesPerWindow },
    };
    return encode('desired', await signDocument('desired', content, [keys.director]));
  }

  /** One round; true when more may be waiting. */
  async function publishSome(): Promise<boolean> {
    const queued = await store.db.select().from(outbox).orderBy(asc(outbox.id)).limit(batchMax);
    if (queued.length === 0) return false;
    const subjects = [...new Set(queued.map(({ subject }) => subject))];
    const rows = await store.db
      .select({ desired, state: devices.state })
      .from(desired)
      .innerJoin(devices, eq(devices.id, desired.device))
      .where(inArray(desired.device, subjects));
    await Promise.all(
      rows.map(async ({ desired: row, state }) => {
        // An empty message makes the broker forget the orders of a revoked device.
        const payload = state === 'ACTIVE' ? await documentOf(row) : new Uint8Array();
        await link.publish(down(deviceId.parse(row.device), 'desired'), payload, { qos: 1, retain: true });
      }),
    );
    // Only what was read above: an order that came meanwhile has its own row and is published next.
    await store.db.delete(outbox).where(
      inArray(
        outbox.id,
        queued.map(({ id }) => id),
      ),
    );
    return queued.length === batchMax;
  }

  const rounds = createRounds({
    pollMs,
    async work() {
      if (!link.connected) return false;
      if (clock() - requeuedAt > validMs / 3) await requeueAll();
      return publishSome();
    },
    onError: (error) => log.warn({ err: asSerinError(error) }, 'desired documents wait: they could not be published'),
  });

  return {
    name: 'desired',
    wake: rounds.wake,
    async start() {
      // A broker that keeps retained messages in memory has forgotten them; one that does not takes them twice without harm.
      unlisten = link.onConnected(() => {
        requeueAll()
          .then(rounds.wake)
          .catch((error: unknown) => log.warn({ err: asSerinError(error) }, 'desired documents could not be queued again'));
      });
      rounds.start();
    },
    async stop() {
      unlisten();
      await rounds.stop();
    },
  };
}
