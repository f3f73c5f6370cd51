import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { is, sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { PgTable } from 'drizzle-orm/pg-core';
import { Client } from 'pg';
import { afterAll } from 'vitest';
import { createLog } from '../log.ts';
import { migrationsFolder } from './migrations.ts';
import { openStore } from './open.ts';
import * as schema from './schema.ts';
import type { Store } from './store.ts';

export interface TestStore extends Store {
  readonly dataDir: string;
  /** Ends the connection and leaves the folder for others to open; `close` removes it. */
  detach(): Promise<void>;
}

const silent = createLog('silent');

/** Making a cluster takes seconds, copying one a tenth of a second: every state of the migrations has one on this machine. */
async function templateFolder(): Promise<string> {
  const state = readMigrationFiles({ migrationsFolder })
    .map(({ hash }) => hash.slice(0, 12))
    .join('-');
  const template = path.join(tmpdir(), `serin-template-${process.getuid?.() ?? 0}-${state}`);
  if (existsSync(template)) return template;
  const fresh = await mkdtemp(path.join(tmpdir(), 'serin-template-new-'));
  await (await openStore({ dataDir: fresh, log: silent })).close();
  try {
    await rename(fresh, template);
  } catch {
    // Another test run was faster; its template is as good.
    await rm(fresh, { recursive: true, force: true });
  }
  return template;
}

/** A copy of the template, as a data folder that was used before. */
export async function seedDatabase(dataDir: string): Promise<void> {
  await cp(await templateFolder(), dataDir, { recursive: true });
}

interface Opened {
  store: Store;
  dataDir: string;
}

/** Opening costs half a second, emptying a hundredth: the tests of one file take turns with few databases. */
const idle: Opened[] = [];

afterAll(async () => {
  for (const { store, dataDir } of idle.splice(0)) {
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});

async function openNew(): Promise<Opened> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'serin-store-'));
  await seedDatabase(dataDir);
  return { store: await openStore({ dataDir, log: silent }), dataDir };
}

async function makeEmpty({ store, dataDir }: Opened): Promise<void> {
  const tables = Object.values(schema).filter((table) => is(table, PgTable));
  const names = sql.join(
    tables.map((table) => sql`${table}`),
    sql`, `,
  );
  await store.db.execute(sql`truncate ${names} restart identity`);
  for (const name of await readdir(dataDir)) if (name !== 'database') await rm(path.join(dataDir, name), { recursive: true, force: true });
}

/** A real embedded database, empty, with a data folder of its own. */
export async function openTestStore(): Promise<TestStore> {
  const opened = idle.pop() ?? (await openNew());
  const { store, dataDir } = opened;
  let isDetached = false;
  return {
    ...store,
    dataDir,
    async detach() {
      isDetached = true;
      await store.close();
    },
    async close() {
      if (isDetached) return rm(dataDir, { recursive: true, force: true });
      await makeEmpty(opened);
      idle.push(opened);
    },
  };
}

/** The PostgreSQL that contract suites also run on, where one is there. */
export const testPostgresUrl: string | undefined = process.env.SERIN_TEST_POSTGRES;

/** A database of its own on that server, dropped when it is closed. */
export async function openTestPostgres(serverUrl: string): Promise<TestStore & { url: string }> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'serin-store-'));
  const name = `serin_test_${randomBytes(6).toString('hex')}`;
  const administer = async (statement: string): Promise<void> => {
    const client = new Client({ connectionString: serverUrl });
    await client.connect();
    await client.query(statement);
    await client.end();
  };
  await administer(`create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const store = await openStore({ dataDir, databaseUrl: url.href, log: silent });
  return {
    ...store,
    dataDir,
    url: url.href,
    detach: () => store.close(),
    async close() {
      await store.close();
      await administer(`drop database ${name} with (force)`);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Every database a suite can run on here: what depends on locks must hold on both. */
export const testStores: [name: string, open: () => Promise<TestStore>][] = [
  ['the embedded database', openTestStore],
  ...(testPostgresUrl === undefined ? [] : ([['PostgreSQL', () => openTestPostgres(testPostgresUrl ?? '')]] satisfies [string, () => Promise<TestStore>][])),
];
