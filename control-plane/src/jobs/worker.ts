import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';
import type { Store } from '../store/store.ts';
import type { JobHandler, JobOutcome } from './handler.ts';
import { startJobProcess, type ChildEnd, type JobProcess } from './process.ts';
import {
  attemptsMax,
  claimJob,
  endJob,
  findJob,
  holdJob,
  keepLogTail,
  renewJob,
  requeueJob,
  type JobEnd,
  type JobKind,
  type JobProgress,
  type JobRow,
} from './queue.ts';

export interface JobWorkerOptions {
  store: Store;
  changes: Changes;
  clock: Clock;
  log: Log;
  dataDir: string;
  handlers: Readonly<Record<JobKind, JobHandler>>;
  heapMiB?: number;
  leaseMs?: number;
  pollMs?: number;
}

class LostJob extends Error {}

function endOfFailure({ code, detail, hint }: { code: string; detail: string; hint: string }): JobEnd {
  if (code === 'CANCELLED') return { status: 'CANCELLED', message: 'cancelled' };
  return { status: 'FAILED', message: detail, error: { code, detail, hint } };
}

/** Runs jobs one after the other. More servers on the same database are more workers. */
export function createJobWorker(options: JobWorkerOptions): Service {
  const { store, changes, clock, log, dataDir, handlers, heapMiB = 1024, leaseMs = 15_000, pollMs = 1_000 } = options;
  const worker = randomUUID();
  const folderOf = (id: string): string => path.join(dataDir, 'jobs', id);
  let stopping = false;
  let current: JobProcess | undefined;
  let unlisten: () => void = () => {};

  const rounds = createRounds({
    pollMs,
    work: async () => {
      const job = await claimJob(store.db, worker, clock(), leaseMs);
      if (job !== undefined) await runJob(job);
      return job !== undefined;
    },
    onError: (error) => log.error({ err: asSerinError(error) }, 'job queue failed'),
  });

  async function runJob(job: JobRow): Promise<void> {
    log.info({ jobId: job.id, kind: job.kind, attempt: job.attempts }, 'job started');
    changes.tell({ type: 'job', id: job.id });
    const progress: JobProgress = { stage: 'start', fraction: 0, message: 'starting', metrics: {}, log: job.log };
    const finish = async (end: JobEnd): Promise<void> => {
      await store.transaction(async (tx) => {
        if (await endJob(tx, job.id, worker, { ...end, log: progress.log }, clock())) await handlers[job.kind].onEnd?.(tx, job, end);
      });
      await rm(folderOf(job.id), { recursive: true, force: true });
    };
    try {
      const end = await attempt(job, progress);
      if (end === undefined) return;
      if (end.kind === 'crashed') await retryOrFail(job, progress, end.detail, finish);
      else if (end.kind === 'failed') await finish(endOfFailure(end));
      else await publishResult(job, progress);
    } catch (error) {
      if (error instanceof LostJob) log.warn({ jobId: job.id }, 'job taken over by another worker');
      else if (error instanceof SerinError && error.code !== 'DATABASE_UNREACHABLE') {
        await finish({ status: 'FAILED', message: error.message, error: { code: error.code, detail: error.detail ?? error.message, hint: error.hint } });
      } else await retryOrFail(job, progress, asSerinError(error).message, finish);
    } finally {
      changes.tell({ type: 'job', id: job.id });
    }
  }

  /** The child's end, or undefined when the job was put back because the server stops. */
  async function attempt(job: JobRow, progress: JobProgress): Promise<ChildEnd | undefined> {
    const folder = folderOf(job.id);
    const handler = handlers[job.kind];
    if (await handler.isFinished(folder)) return { kind: 'done' };
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const env = (await handler.prepare(job, folder)) ?? {};
    let news: unknown;
    const child = startJobProcess({
      folder,
      heapMiB,
      env,
      onNews: (body) => {
        news = body;
      },
      onProgress: ({ stage, fraction, message, metrics }) => {
        if (stage !== progress.stage) progress.log = keepLogTail(progress.log, [`${stage}: ${message}`]);
        // A part of a stage may know less of the whole than the one before it: what is done stays done.
        const done = Math.max(progress.fraction, fraction);
        Object.assign(progress, { stage, fraction: done, message, metrics: { ...progress.metrics, ...metrics } });
      },
      onLine: (line) => {
        progress.log = keepLogTail(progress.log, [line]);
      },
    });
    current = child;
    const takeNews = async (): Promise<void> => {
      const latest = news;
      news = undefined;
      if (latest !== undefined) await handler.takeNews?.(job, latest);
    };
    const renewing = setInterval(() => void renew(job, child, progress, takeNews), 500);
    try {
      const end = await child.ended;
      await renewals;
      await takeNews();
      if (!stopping) return end;
      await requeueJob(store.db, job.id, worker, clock(), 'put back: the server was stopped');
      return undefined;
    } finally {
      clearInterval(renewing);
      current = undefined;
    }
  }

  let renewals = Promise.resolve();
  function renew(job: JobRow, child: JobProcess, progress: JobProgress, takeNews: () => Promise<void>): Promise<void> {
    renewals = renewals.then(async () => {
      try {
        const state = await renewJob(store.db, job.id, worker, clock() + leaseMs, progress);
        if (state === 'cancel') child.cancel();
        if (state === 'lost') child.kill();
        else await takeNews();
        changes.tell({ type: 'job', id: job.id });
      } catch (error) {
        log.warn({ jobId: job.id, err: asSerinError(error) }, 'job progress not stored');
      }
    });
    return renewals;
  }

  async function retryOrFail(job: JobRow, progress: JobProgress, detail: string, finish: (end: JobEnd) => Promise<void>): Promise<void> {
    const { hint } = new SerinError('JOB_CRASHED');
    log.warn({ jobId: job.id, attempt: job.attempts, detail }, 'job crashed');
    progress.log = keepLogTail(progress.log, [`attempt ${job.attempts} of ${attemptsMax}: ${detail}`]);
    const present = await findJob(store.db, job.id);
    if (present?.cancelWanted === true) await finish({ status: 'CANCELLED', message: 'cancelled' });
    else if (job.attempts >= attemptsMax) await finish({ status: 'FAILED', message: detail, error: { code: 'JOB_CRASHED', detail, hint } });
    else {
      await renewJob(store.db, job.id, worker, clock() + leaseMs, progress);
      const waitMs = 1000 * 2 ** job.attempts;
      await requeueJob(store.db, job.id, worker, clock() + waitMs, `${detail}; tried again in ${waitMs / 1000} s`);
    }
  }

  async function publishResult(job: JobRow, progress: JobProgress): Promise<void> {
    // Rolling the transaction back: whoever has the job now publishes its own result.
    const requireHeld = (isHeld: boolean): void => {
      if (!isHeld) throw new LostJob();
    };
    const outcome: JobOutcome = {
      async finish(tx, end) {
        requireHeld(await endJob(tx, job.id, worker, { ...end, log: keepLogTail(progress.log, [end.message]) }, clock()));
      },
      async wait(tx, message) {
        requireHeld(await holdJob(tx, job.id, worker, message));
      },
    };
    await handlers[job.kind].publish(job, folderOf(job.id), outcome);
    await rm(folderOf(job.id), { recursive: true, force: true });
    log.info({ jobId: job.id, kind: job.kind, model: job.model }, 'job result taken');
  }

  return {
    name: 'jobs',
    async start() {
      await mkdir(path.join(dataDir, 'jobs'), { recursive: true, mode: 0o700 });
      await sweepFolders();
      unlisten = changes.listen((change) => {
        if (change.type === 'job') rounds.wake();
      });
      stopping = false;
      rounds.start();
    },
    async stop(deadlineMs) {
      stopping = true;
      unlisten();
      current?.cancel();
      const insist = setTimeout(() => current?.kill(), Math.min(deadlineMs, 3_000));
      await rounds.stop();
      clearTimeout(insist);
    },
  };

  /** Folders of jobs that are over. */
  async function sweepFolders(): Promise<void> {
    for (const id of await readdir(path.join(dataDir, 'jobs'))) {
      const job = await findJob(store.db, id);
      if (job === undefined || job.finishedAt !== null) await rm(folderOf(id), { recursive: true, force: true });
    }
  }
}
