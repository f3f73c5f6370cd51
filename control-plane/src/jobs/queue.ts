import { randomUUID } from 'node:crypto';
import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import { jobs } from '../store/schema.ts';
import { selectRows, type Db } from '../store/store.ts';

export type JobRow = typeof jobs.$inferSelect;
export type JobKind = JobRow['kind'];

/** A job that failed by accident is tried again; one that failed by its own doing is not. */
export const attemptsMax = 3;
export const logLinesMax = 200;
const logLineLengthMax = 500;

export interface NewJob {
  kind: JobKind;
  model: string;
  params: object;
  createdBy: string;
  message?: string;
  /** Not before this time; far away for a job that waits for something. */
  notBefore?: number;
}

export async function enqueueJob(tx: Db, job: NewJob, now: number): Promise<JobRow> {
  const [row] = await tx
    .insert(jobs)
    .values({
      id: randomUUID(),
      kind: job.kind,
      model: job.model,
      status: 'QUEUED',
      params: { ...job.params },
      message: job.message ?? 'waiting for a free worker',
      notBefore: job.notBefore ?? now,
      createdAt: now,
      createdBy: job.createdBy,
      metrics: {},
      log: [],
    })
    .returning();
  if (row === undefined) throw new Error('an insert returned no row');
  return row;
}

/** Takes the oldest job that is due, or one whose worker has died. Two workers never take the same. */
export async function claimJob(db: Db, worker: string, now: number, leaseMs: number): Promise<JobRow | undefined> {
  const [claimed] = await selectRows<{ id: string }>(
    db,
    sql`update jobs set status = 'RUNNING', worker = ${worker}, lease_until = ${now + leaseMs}, attempts = attempts + 1,
          started_at = coalesce(started_at, ${now}), stage = 'start', message = 'starting'
        where id = (
          select id from jobs
          where (status = 'QUEUED' and not_before <= ${now}) or (status = 'RUNNING' and lease_until < ${now})
          order by created_at limit 1 for update skip locked)
        returning id`,
  );
  return claimed === undefined ? undefined : findJob(db, claimed.id);
}

export async function findJob(db: Db, id: string): Promise<JobRow | undefined> {
  const [row] = await db.select().from(jobs).where(eq(jobs.id, id));
  return row;
}

/** A worker's claim on a row: every write of it is void once another has taken the job over. */
const held = (id: string, worker: string) => and(eq(jobs.id, id), eq(jobs.worker, worker), eq(jobs.status, 'RUNNING'));

export interface JobProgress {
  stage: string;
  fraction: number;
  message: string;
  metrics: Record<string, number>;
  log: string[];
}

/** Renews the lease with the news. Tells whether the worker still has the job, and whether somebody wants it to end. */
export async function renewJob(db: Db, id: string, worker: string, until: number, progress: JobProgress): Promise<'going' | 'cancel' | 'lost'> {
  const [row] = await db
    .update(jobs)
    .set({ leaseUntil: until, ...progress })
    .where(held(id, worker))
    .returning({ cancelWanted: jobs.cancelWanted });
  if (row === undefined) return 'lost';
  return row.cancelWanted ? 'cancel' : 'going';
}

export interface JobEnd {
  status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  message: string;
  version?: number;
  metrics?: Record<string, number>;
  error?: { code: string; detail: string; hint: string };
  log?: string[];
}

/** Ends a job that this worker still holds; false when another has it meanwhile. */
export async function endJob(tx: Db, id: string, worker: string, end: JobEnd, now: number): Promise<boolean> {
  const ended = await tx
    .update(jobs)
    .set({
      ...end,
      stage: end.status === 'SUCCEEDED' ? 'done' : 'ended',
      ...(end.status === 'SUCCEEDED' ? { fraction: 1 } : {}),
      finishedAt: now,
      leaseUntil: null,
    })
    .where(held(id, worker))
    .returning({ id: jobs.id });
  return ended.length === 1;
}

/** Not due until somebody says so. */
export const never = Number.MAX_SAFE_INTEGER;

/** Into the queue again to wait for something; its attempts begin anew. False when another worker has it meanwhile. */
export async function holdJob(tx: Db, id: string, worker: string, message: string): Promise<boolean> {
  const waiting = await tx
    .update(jobs)
    .set({ status: 'QUEUED', worker: null, leaseUntil: null, notBefore: never, attempts: 0, message })
    .where(held(id, worker))
    .returning({ id: jobs.id });
  return waiting.length === 1;
}

/** Back into the queue, a little later each time. */
export async function requeueJob(db: Db, id: string, worker: string, notBefore: number, message: string): Promise<void> {
  await db.update(jobs).set({ status: 'QUEUED', worker: null, leaseUntil: null, notBefore, message }).where(held(id, worker));
}

/** A waiting job ends at once; a running one is asked to, and its worker ends it. */
export async function cancelJob(tx: Db, id: string, now: number): Promise<void> {
  await tx
    .update(jobs)
    .set({ status: 'CANCELLED', cancelWanted: true, finishedAt: now, message: 'cancelled before it began' })
    .where(and(eq(jobs.id, id), eq(jobs.status, 'QUEUED')));
  await tx
    .update(jobs)
    .set({ cancelWanted: true })
    .where(and(eq(jobs.id, id), eq(jobs.status, 'RUNNING')));
}

export async function removeOldJobs(db: Db, finishedBefore: number): Promise<string[]> {
  const ended = inArray(jobs.status, ['SUCCEEDED', 'FAILED', 'CANCELLED']);
  const removed = await db
    .delete(jobs)
    .where(and(ended, lt(jobs.finishedAt, finishedBefore)))
    .returning({ id: jobs.id });
  return removed.map(({ id }) => id);
}

/** The last lines, each cut to a length that a page can show. */
export function keepLogTail(log: readonly string[], lines: readonly string[]): string[] {
  return [...log, ...lines.map((line) => line.slice(0, logLineLengthMax))].slice(-logLinesMax);
}
