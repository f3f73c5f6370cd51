import { and, asc, eq, inArray, lte, sql } from 'drizzle-orm';
import { encode } from '@serin/protocol/codec';
import { asSerinError } from '@serin/protocol/errors';
import { deviceId, type Digest, type DeviceId, type FleetId } from '@serin/protocol/ids';
import { desired as desiredDocument, type Desired } from '@serin/protocol/messages/desired';
import { signDocument, type SigningKey } from '@serin/protocol/bundle/signing';
import { down } from '@serin/protocol/topics';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import { createQuietLog } from '../link/log-quietly.ts';
import type { ServerLink } from '../link/server-link.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';
import { desired, devices, outbox } from '../store/schema.ts';
import type { Db, Store } from '../store/store.ts';

export interface OutboxOptions {
  store: Store;
  link: Pick<ServerLink, 'publish' | 'connected' | 'onConnected'>;
  changes: Changes;
  clock: Clock;
  log: Log;
  fleet: FleetId;
  director: SigningKey;
  keyset: { version: number; sha256: Digest; size: number };
  windowMs: number;
  /** After it a device keeps running and installs nothing new. */
  lifeMs?: number;
  intervalMs?: number;
}

export interface Outbox extends Service {
  /** There may be something to publish. */
  wake(): void;
  /** Publishes what waits now; how many documents that were. */
  publishWaiting(): Promise<number>;
}

const dayMs = 24 * 3_600_000;
const pageSize = 200;

type DesiredRow = typeof desired.$inferSelect;

/**
 * Publishes the present desired document of every subject in the outbox, at least once, then forgets the entry.
 * An entry names the device, not the content, so a late one publishes what holds now.
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const { store, link, clock, log, lifeMs = 30 * dayMs, intervalMs = 1_000 } = options;
  const quiet = createQuietLog(clock);
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<unknown> | undefined;
  let isWanted = false;
  let isStopped = true;
  let renewedAt = 0;
  const endings: (() => void)[] = [];

  const documentOf = async (row: DesiredRow): Promise<Uint8Array> => {
    const issuedAt = clock();
    const content: Desired = desiredDocument.parse({
      v: 1,
      fleet: options.fleet,
      device: row.device,
      rev: row.rev,
      issuedAt,
      expires: issuedAt + lifeMs,
      models: row.models,
      keyset: options.keyset,
      telemetry: { windowMs: options.windowMs, samplesPerWindow: row.samplesPerWindow },
    });
    return encode('desired', await signDocument('desired', content, [options.director]));
  };

  const publishOne = async (device: DeviceId, row: DesiredRow | undefined): Promise<void> => {
    // Without orders, or revoked: what the broker has retained for it goes.
    const payload = row === undefined ? new Uint8Array() : await documentOf(row);
    await link.publish(down(device, 'desired'), payload, { qos: 1, retain: true });
  };

  async function publishWaiting(): Promise<number> {
    let published = 0;
    for (;;) {
      if (!link.connected) return published;
      const entries = await store.db.select().from(outbox).where(eq(outbox.kind, 'desired')).orderBy(asc(outbox.id)).limit(pageSize);
      if (entries.length === 0) return published;
      const last = entries.at(-1)?.id ?? 0;
      const subjects = [...new Set(entries.map(({ subject }) => subject))];
      const rows = await activeRows(store.db, subjects);
      for (const subject of subjects) {
        const device = deviceId.safeParse(subject);
        if (device.success) await publishOne(device.data, rows.get(subject));
      }
      // An entry made meanwhile has a higher id and stays.
      await store.db.delete(outbox).where(and(lte(outbox.id, last), inArray(outbox.subject, subjects)));
      published += subjects.length;
    }
  }

  /** An in-memory broker forgets, and signed documents expire: everything goes through the outbox again. */
  async function enqueueAll(): Promise<void> {
    renewedAt = clock();
    await store.db.execute(
      sql`insert into outbox (kind, subject, created_at)
          select 'desired', d.device, ${renewedAt}::bigint from desired d join devices on devices.id = d.device where devices.state = 'ACTIVE'`,
    );
  }

  const work = async (): Promise<void> => {
    while (isWanted && !isStopped) {
      isWanted = false;
      try {
        if (clock() - renewedAt > Math.min(dayMs, lifeMs / 3)) await enqueueAll();
        await publishWaiting();
      } catch (thrown) {
        const error = asSerinError(thrown);
        quiet.say(error.code, (swallowed) => log.warn({ code: error.code, detail: error.detail, swallowed }, 'orders not published yet'));
      }
    }
    working = undefined;
  };

  const wake = (): void => {
    if (isStopped) return;
    isWanted = true;
    working ??= work();
  };

  return {
    name: 'outbox',
    wake,
    publishWaiting,
    async start() {
      isStopped = false;
      renewedAt = clock();
      const connected = (): void => {
        enqueueAll().then(wake, () => {
          // The next interval tries again.
          renewedAt = 0;
        });
      };
      endings.push(link.onConnected(connected), options.changes.listen(wake));
      if (link.connected) connected();
      timer = setInterval(wake, intervalMs);
    },
    async stop() {
      isStopped = true;
      clearInterval(timer);
      for (const end of endings.splice(0)) end();
      await working;
    },
  };
}

async function activeRows(db: Db, subjects: readonly string[]): Promise<Map<string, DesiredRow>> {
  const rows = await db
    .select({ row: desired })
    .from(desired)
    .innerJoin(devices, eq(devices.id, desired.device))
    .where(and(inArray(desired.device, [...subjects]), eq(devices.state, 'ACTIVE')));
  return new Map(rows.map(({ row }) => [row.device, row]));
}
