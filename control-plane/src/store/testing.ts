import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { Client } from 'pg';
import { createLog } from '../log.ts';
import { migrationsFolder } from './migrations.ts';
import { openStore } from './open.ts';
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

/** A real embedded database of its own, removed when it is closed. */
export async function openTestStore(): Promise<TestStore> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'serin-store-'));
  await cp(await templateFolder(), dataDir, { recursive: true });
  const store = await openStore({ dataDir, log: silent });
  return {
    ...store,
    dataDir,
    detach: () => store.close(),
    async close() {
      await store.close();
      await rm(dataDir, { recursive: true, force: true });
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
