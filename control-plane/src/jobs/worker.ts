import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { TrainedVersion } from '@serin/models/package/version';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';
import type { Db, Store } from '../store/store.ts';
import { readResult } from './folder.ts';
import { startJobProcess, type ChildEnd, type JobProcess } from './process.ts';
import { attemptsMax, claimJob, endJob, findJob, keepLogTail, renewJob, requeueJob, type JobEnd, type JobProgress, type JobRow } from './queue.ts';

export interface JobWorkerOptions {
  store: Store;
  changes: Changes;
  clock: Clock;
  log: Log;
  dataDir: string;
  /** Writes what the job needs into its folder. */
  prepare(job: JobRow, folder: string): Promise<void>;
  /** Makes a version of the result and calls `finish` in the transaction that adds it. */
  publish(job: JobRow, version: TrainedVersion, finish: (tx: Db, versionNumber: number) => Promise<void>): Promise<void>;
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
  const { store, changes, clock, log, dataDir, heapMiB = 1024, leaseMs = 15_000, pollMs = 1_000 } = options;
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
      await endJob(store.db, job.id, worker, { ...end, log: progress.log }, clock());
      await rm(folderOf(job.id), { recursive: true, force: true });
    };
    try {
      const end = await attempt(job, progress);
      if (end === undefined) return;
      if (end.kind === 'crashed') await retryOrFail(job, progress, end.detail, finish);
      else if (end.kind === 'failed') await finish(endOfFailure(end));
      else await publishResult(job, progress, finish);
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
    // A result that is complete was made before a crash of the server: it only has to be published.
    if ((await readResult(folder).catch(() => undefined)) !== undefined) return { kind: 'done' };
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await options.prepare(job, folder);
    const child = startJobProcess({
      folder,
      heapMiB,
      onProgress: ({ stage, fraction, message, metrics }) => {
        if (stage !== progress.stage) progress.log = keepLogTail(progress.log, [`${stage}: ${message}`]);
        Object.assign(progress, { stage, fraction, message, metrics: { ...progress.metrics, ...metrics } });
      },
      onLine: (line) => {
        progress.log = keepLogTail(progress.log, [line]);
      },
    });
    current = child;
    const renewing = setInterval(() => void renew(job, child, progress), 500);
    try {
      const end = await child.ended;
      if (!stopping) return end;
      await requeueJob(store.db, job.id, worker, clock(), 'put back: the server was stopped');
      return undefined;
    } finally {
      clearInterval(renewing);
      current = undefined;
    }
  }

  let renewals = Promise.resolve();
  function renew(job: JobRow, child: JobProcess, progress: JobProgress): Promise<void> {
    renewals = renewals.then(async () => {
      try {
        const state = await renewJob(store.db, job.id, worker, clock() + leaseMs, progress);
        if (state === 'cancel') child.cancel();
        if (state === 'lost') child.kill();
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

  async function publishResult(job: JobRow, progress: JobProgress, finish: (end: JobEnd) => Promise<void>): Promise<void> {
    const version = await readResult(folderOf(job.id));
    if (version === undefined) throw new SerinError('JOB_FAILED', { detail: 'the job left no result' });
    const failed = version.gate.checks.filter((check) => !check.passed);
    if (job.kind !== 'spoil' && failed.length > 0) {
      const detail = failed.map(({ words }) => words).join('; ');
      const { hint } = new SerinError('GATE_FAILED');
      await finish({ status: 'FAILED', message: detail, metrics: version.metrics, error: { code: 'GATE_FAILED', detail, hint } });
      return;
    }
    await options.publish(job, version, async (tx, versionNumber) => {
      const end: JobEnd = {
        status: 'SUCCEEDED',
        message: `version ${versionNumber} is ready`,
        version: versionNumber,
        metrics: version.metrics,
        log: keepLogTail(progress.log, [`version ${versionNumber} published`]),
      };
      // Rolling the transaction back: whoever has the job now publishes its own result.
      if (!(await endJob(tx, job.id, worker, end, clock()))) throw new LostJob();
    });
    await rm(folderOf(job.id), { recursive: true, force: true });
    log.info({ jobId: job.id, model: job.model }, 'job succeeded');
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
