import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { SerinError } from '@serin/protocol/errors';
import { selectRows, type Db } from './store.ts';

export const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** A database that holds a migration this program does not know must not be touched by it. */
export async function refuseNewerData(db: Db): Promise<void> {
  const [present] = await selectRows<{ present: boolean }>(db, sql`select to_regclass('drizzle.__drizzle_migrations') is not null as present`);
  if (present?.present !== true) return;
  const applied = await selectRows<{ hash: string }>(db, sql`select hash from drizzle.__drizzle_migrations`);
  const known = new Set(readMigrationFiles({ migrationsFolder }).map(({ hash }) => hash));
  const unknown = applied.filter(({ hash }) => !known.has(hash));
  if (unknown.length > 0)
    throw new SerinError('DATA_NEWER', { detail: `${unknown.length} of ${applied.length} migrations in the database are unknown to this version` });
}
