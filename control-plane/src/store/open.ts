import { mkdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import { drizzle } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import { SerinError } from '@serin/protocol/errors';
import type { Log } from '../log.ts';
import { codedStoreFault } from './faults.ts';
import { migrationsFolder, refuseNewerData } from './migrations.ts';
import { openPglite } from './pglite.ts';
import { openPostgresStore } from './postgres.ts';
import type { Db, Store } from './store.ts';

export interface StoreOptions {
  dataDir: string;
  /** PostgreSQL by address; without it the embedded one in the data folder. */
  databaseUrl?: string;
  log: Log;
  startLimitMs?: number;
  signal?: AbortSignal;
}

/** Below this the embedded database takes no more work: PostgreSQL ends hard when its log meets a full disk. */
const freeBytesMin = 64 << 20;
const freeCheckMs = 2_000;

/** Looks at the disk now and then, not at every transaction. */
function createSpaceGuard(folder: string): () => Promise<void> {
  let checkedAt = Number.NEGATIVE_INFINITY;
  let freeBytes = Number.POSITIVE_INFINITY;
  return async () => {
    if (performance.now() - checkedAt > freeCheckMs) {
      checkedAt = performance.now();
      const { bavail, bsize } = await statfs(folder);
      freeBytes = bavail * bsize;
    }
    if (freeBytes < freeBytesMin)
      throw new SerinError('DISK_FULL', { detail: `${Math.round(freeBytes / 2 ** 20)} MB left beside ${folder}, ${freeBytesMin / 2 ** 20} MB needed` });
  };
}

async function openEmbeddedStore(dataDir: string): Promise<Store> {
  const folder = path.join(dataDir, 'database');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const requireSpace = createSpaceGuard(dataDir);
  await requireSpace();
  const client = await openPglite(folder);
  const db = drizzle(client);
  try {
    await refuseNewerData(db as unknown as Db);
    await migrate(db, { migrationsFolder });
  } catch (error) {
    await client.close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return {
    kind: 'pglite',
    db: db as unknown as Db,
    async transaction(work) {
      await requireSpace();
      try {
        return await db.transaction((tx) => work(tx as unknown as Db));
      } catch (error) {
        throw codedStoreFault(error);
      }
    },
    async ping() {
      await requireSpace();
      await client.query('select 1');
    },
    close: () => (closing ??= client.close()),
  };
}

export async function openStore({ dataDir, databaseUrl, log, startLimitMs = 60_000, signal }: StoreOptions): Promise<Store> {
  if (databaseUrl === undefined) return openEmbeddedStore(dataDir);
  return openPostgresStore({ databaseUrl, log, startLimitMs, ...(signal === undefined ? {} : { signal }) });
}
