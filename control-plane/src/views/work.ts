import { and, desc, eq, inArray } from 'drizzle-orm';
import { alert as alertResource, type Alert, type Job } from '@serin/protocol/api/resources';
import { modelName } from '@serin/protocol/ids';
import type { JobRow } from '../jobs/queue.ts';
import { alerts, jobs } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

/** The rest of the time at the pace so far; nothing while that says little. */
function etaOf(row: JobRow, now: number): number | null {
  if (row.status !== 'RUNNING' || row.startedAt === null || row.fraction < 0.05) return null;
  return Math.round(((now - row.startedAt) * (1 - row.fraction)) / row.fraction);
}

export function viewJob(row: JobRow, now: number): Job {
  return {
    id: row.id,
    kind: row.kind,
    model: modelName.parse(row.model),
    status: row.status,
    stage: row.stage,
    fraction: Math.min(Math.max(row.fraction, 0), 1),
    message: row.message,
    etaMs: etaOf(row, now),
    attempts: row.attempts,
    createdAt: row.createdAt,
    createdBy: row.createdBy,
    startedAt: row.startedAt,
    finishedAt: row.finishedAt,
    error: row.error,
    version: row.version,
    metrics: row.metrics,
    log: row.log,
  };
}

export async function listJobs(db: Db, limit: number, now: number): Promise<Job[]> {
  const rows = await db.select().from(jobs).orderBy(desc(jobs.createdAt)).limit(limit);
  return rows.map((row) => viewJob(row, now));
}

export function countRunningJobs(db: Db): Promise<number> {
  return db.$count(jobs, inArray(jobs.status, ['QUEUED', 'RUNNING']));
}

type AlertRow = typeof alerts.$inferSelect;

/** The columns are what is asked for; the body is the rest. */
export function viewAlert(row: AlertRow): Alert {
  const { id, model, version, statistic, state, openedAt, clearedAt, jobId } = row;
  return alertResource.parse({ ...(row.body as object), id, model, version, statistic, state, openedAt, clearedAt, jobId });
}

export async function listAlerts(db: Db, { limit, state }: { limit: number; state?: 'OPEN' | 'CLEARED' | undefined }): Promise<Alert[]> {
  const rows = await db
    .select()
    .from(alerts)
    .where(and(state === undefined ? undefined : eq(alerts.state, state)))
    .orderBy(desc(alerts.openedAt))
    .limit(limit);
  return rows.map(viewAlert);
}

export async function findAlert(db: Db, id: string): Promise<Alert | undefined> {
  const [row] = await db.select().from(alerts).where(eq(alerts.id, id));
  return row === undefined ? undefined : viewAlert(row);
}
