import { lt, or, isNotNull, and, sql } from 'drizzle-orm';
import { asSerinError } from '@serin/protocol/errors';
import type { Clock } from './clock.ts';
import { removeOldJobs } from './jobs/queue.ts';
import type { Log } from './log.ts';
import { createRounds } from './rounds.ts';
import type { Service } from './service.ts';
import { enrolments, runs, samples, sessions, windows } from './store/schema.ts';
import { selectRows, type Store } from './store/store.ts';

export interface RetentionLimits {
  windowDays: number;
  windowRows: number;
  sampleDays: number;
  sampleRows: number;
  jobDays: number;
  runDays: number;
  runRows: number;
}

export interface RetentionOptions {
  store: Store;
  clock: Clock;
  log: Log;
  limits: RetentionLimits;
  pollMs?: number;
  /** Rows removed in one transaction: others wait no longer than that takes. */
  batchRows?: number;
}

const dayMs = 24 * 3_600_000;
/** Spent and expired join tokens stay for a while, so that a late device is told the right thing. */
const enrolmentDays = 30;

/** Removes what is older than its days and the oldest of what is more than its rows. Audit is never removed. */
export function createRetention({ store, clock, log, limits, pollMs = 600_000, batchRows = 5_000 }: RetentionOptions): Service & { prune(): Promise<boolean> } {
  async function removeWindows(): Promise<number> {
    const total = await store.db.$count(windows);
    const excess = Math.max(0, total - limits.windowRows);
    const rows = await selectRows<{ device: string }>(
      store.db,
      sql`delete from windows where ctid in (
            (select ctid from windows where received_at < ${clock() - limits.windowDays * dayMs} limit ${batchRows})
            union (select ctid from windows order by received_at limit ${Math.min(excess, batchRows)}))
          returning device`,
    );
    return rows.length;
  }

  async function removeSamples(): Promise<number> {
    const total = await store.db.$count(samples);
    const excess = Math.max(0, total - limits.sampleRows);
    const rows = await selectRows<{ id: string }>(
      store.db,
      sql`delete from samples where id in (
            (select id from samples where taken_at < ${clock() - limits.sampleDays * dayMs} limit ${batchRows})
            union (select id from samples order by id limit ${Math.min(excess, batchRows)}))
          returning id`,
    );
    return rows.length;
  }

  /** The record of a version that exists is never removed, nor that of a run that goes on. */
  async function removeRuns(): Promise<number> {
    const removable = sql`status <> 'RUNNING' and not exists (select 1 from versions where versions.model = runs.model and versions.version = runs.version)`;
    const total = await store.db.$count(runs, removable);
    const excess = Math.max(0, total - limits.runRows);
    const rows = await selectRows<{ id: string }>(
      store.db,
      sql`delete from runs where id in (
            (select id from runs where ${removable} and created_at < ${clock() - limits.runDays * dayMs} limit ${batchRows})
            union (select id from runs where ${removable} order by created_at limit ${Math.min(excess, batchRows)}))
          returning id`,
    );
    return rows.length;
  }

  /** A server of PostgreSQL does this by itself; the embedded one has nobody who would, and frames that replace each other would fill the disk. */
  async function reuseSpace(): Promise<void> {
    if (store.kind !== 'pglite') return;
    for (const table of [samples, windows]) await store.db.execute(sql`vacuum ${table}`);
  }

  /** One round; true when more is waiting to be removed. */
  async function prune(): Promise<boolean> {
    const now = clock();
    const removed = {
      windows: await removeWindows(),
      samples: await removeSamples(),
      runs: await removeRuns(),
      jobs: (await removeOldJobs(store.db, now - limits.jobDays * dayMs)).length,
    };
    await store.db.delete(sessions).where(lt(sessions.expiresAt, now));
    const longAgo = now - enrolmentDays * dayMs;
    await store.db.delete(enrolments).where(or(lt(enrolments.expiresAt, longAgo), and(isNotNull(enrolments.usedAt), lt(enrolments.usedAt, longAgo))));
    if (Object.values(removed).some((count) => count > 0)) log.info(removed, 'old rows removed');
    await reuseSpace();
    return removed.windows >= batchRows || removed.samples >= batchRows || removed.runs >= batchRows;
  }

  const rounds = createRounds({ pollMs, work: prune, onError: (error) => log.warn({ err: asSerinError(error) }, 'old rows not removed') });
  return {
    name: 'retention',
    prune,
    async start() {
      rounds.start();
    },
    stop: () => rounds.stop(),
  };
}
