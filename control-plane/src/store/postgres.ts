import { setTimeout as sleep } from 'node:timers/promises';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { Pool, type PoolClient } from 'pg';
import { SerinError } from '@serin/protocol/errors';
import type { Log } from '../log.ts';
import { codedStoreFault, isConnectionLoss, isRetryable } from './faults.ts';
import { migrationsFolder, refuseNewerData } from './migrations.ts';
import type { Db, Store } from './store.ts';

const poolSize = 10;
const connectTimeoutMs = 5_000;
const statementTimeoutMs = 30_000;
/** One number per program, so that servers started together migrate one after the other. */
const migrationLock = 7_303_218;
const attemptsMax = 4;
const retryMs = 100;
const startRetryMaxMs = 5_000;

export interface PostgresOptions {
  databaseUrl: string;
  log: Log;
  /** How long the start waits for a server that does not answer. */
  startLimitMs: number;
  signal?: AbortSignal;
}

const pause = (durationMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, durationMs));

async function migrateAlone(pool: Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [migrationLock]);
    const db = drizzle(client);
    await refuseNewerData(db as unknown as Db);
    await migrate(db, { migrationsFolder });
    await client.query('select pg_advisory_unlock($1)', [migrationLock]);
    client.release();
  } catch (error) {
    // Closing the session frees the lock with it.
    client.release(true);
    throw error;
  }
}

async function connectAndMigrate(pool: Pool, { log, startLimitMs, signal }: PostgresOptions): Promise<void> {
  const deadline = performance.now() + startLimitMs;
  for (let attempt = 1; ; attempt++) {
    try {
      await migrateAlone(pool);
      return;
    } catch (error) {
      if (!isConnectionLoss(error)) throw error;
      const waitMs = Math.min(startRetryMaxMs, retryMs * 2 ** attempt);
      if (performance.now() + waitMs > deadline || signal?.aborted === true) throw codedStoreFault(error);
      log.warn({ attempt, waitMs }, 'database unreachable');
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
    }
  }
}

/** Connecting again is always safe; once work has begun only the server's own "do it again" repeats it. */
async function connect(pool: Pool): Promise<PoolClient> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.connect();
    } catch (error) {
      if (attempt >= attemptsMax || !isConnectionLoss(error)) throw codedStoreFault(error);
      await pause(retryMs * 2 ** attempt);
    }
  }
}

async function runTransaction<Result>(client: PoolClient, work: (tx: Db) => Promise<Result>): Promise<Result> {
  let failure: { error: unknown } | undefined;
  try {
    const result = await drizzle(client).transaction(async (tx) => {
      try {
        return await work(tx as unknown as Db);
      } catch (error) {
        failure = { error };
        throw error;
      }
    });
    client.release();
    return result;
  } catch (error) {
    client.release(isConnectionLoss(error));
    // A failed rollback must not hide why the work failed.
    throw failure === undefined ? error : failure.error;
  }
}

export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const { databaseUrl, log } = options;
  const pool = new Pool({
    connectionString: databaseUrl,
    max: poolSize,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    keepAlive: true,
    application_name: 'serin',
  });
  // A connection that the server ends is replaced at its next use; without listeners it would end this process,
  // idle ones by the pool, those in use by themselves.
  pool.on('error', (err) => log.warn({ err }, 'database connection lost'));
  pool.on('connect', (client) => {
    client.on('error', (err) => log.warn({ err }, 'database connection lost'));
  });
  try {
    await connectAndMigrate(pool, options);
  } catch (error) {
    await pool.end();
    throw error instanceof SerinError ? error : codedStoreFault(error);
  }
  const db = drizzle(pool) as unknown as Db;
  return {
    kind: 'postgres',
    db,
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await runTransaction(await connect(pool), work);
        } catch (error) {
          if (attempt >= attemptsMax || !isRetryable(error)) throw codedStoreFault(error);
          await pause(retryMs * attempt);
        }
      }
    },
    async ping() {
      try {
        await pool.query('select 1');
      } catch (error) {
        throw codedStoreFault(error);
      }
    },
    close: () => pool.end(),
  };
}
