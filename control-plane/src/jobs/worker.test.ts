import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { designLight } from '@serin/inference/bin-scene/parameters';
import type { TrainedVersion } from '@serin/models/package/version';
import { createChanges, type Changes } from '../changes.ts';
import { createLog } from '../log.ts';
import type { Service } from '../service.ts';
import { jobs } from '../store/schema.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { gateError } from '../models/version-job.ts';
import { readResult, writeRequest, type JobRequest } from './folder.ts';
import type { JobHandler } from './handler.ts';
import { attemptsMax, cancelJob, claimJob, endJob, enqueueJob, findJob, type JobRow, type NewJob } from './queue.ts';
import { createJobWorker } from './worker.ts';

let store: TestStore;
let dataDir: string;
let changes: Changes;
const published: { job: string; version: TrainedVersion }[] = [];
const stop = new AbortController().signal;
const small: JobRequest = { kind: 'train', seed: 1, baseFrames: 96, epochs: 1, light: designLight, framesPerWindow: 50, threads: 1, labels: [] };
const long: JobRequest = { ...small, epochs: 10_000 };
/** Too dark to see anything. */
const dark = { level: 0.02, warmth: 0, noise: 8 };
const training: NewJob = { kind: 'train', model: 'picker', params: { seed: 1, rollout: false }, createdBy: 'test' };

beforeAll(async () => {
  store = await openTestStore();
  dataDir = await mkdtemp(path.join(tmpdir(), 'serin-jobs-'));
}, 60_000);
afterAll(async () => {
  await store.close();
  await rm(dataDir, { recursive: true, force: true });
});
beforeEach(async () => {
  await store.db.delete(jobs);
  published.length = 0;
  changes = createChanges();
});

function createWorker(request: JobRequest, options: { heapMiB?: number; leaseMs?: number } = {}): Service {
  const handler: JobHandler = {
    prepare: (_, folder) => writeRequest(folder, request),
    isFinished: async (folder) => (await readResult(folder)) !== undefined,
    async publish(job, folder, { finish }) {
      const version = await readResult(folder);
      if (version === undefined) throw new Error('there is no result');
      const error = gateError(version.gate);
      if (error !== undefined) return store.transaction((tx) => finish(tx, { status: 'FAILED', message: error.detail, error }));
      await store.transaction((tx) => finish(tx, { status: 'SUCCEEDED', message: 'done', version: 1 }));
      published.push({ job: job.id, version });
    },
  };
  return createJobWorker({
    store,
    changes,
    clock: () => Date.now(),
    log: createLog('silent'),
    dataDir,
    handlers: { train: handler, retrain: handler, spoil: handler, ingest: handler, pipeline: handler, trial: handler, import: handler },
    pollMs: 20,
    ...options,
  });
}

/** The job as soon as it is as wanted; looked at after every hint. */
async function until(id: string, wanted: (job: JobRow) => boolean): Promise<JobRow> {
  for (;;) {
    const job = await findJob(store.db, id);
    if (job !== undefined && wanted(job)) return job;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, 200);
      const unlisten = changes.listen(done);
      function done(): void {
        clearTimeout(timer);
        unlisten();
        resolve();
      }
    });
  }
}
/** The process that works in the job's folder. */
function childOf(id: string): number {
  const line = execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .find((process) => process.includes(path.join(dataDir, 'jobs', id)));
  return Number.parseInt(line ?? '', 10);
}
const isOver = (job: JobRow): boolean => job.finishedAt !== null;

test('a job whose version fails its gate ends with the numbers that failed, and nothing is published', async () => {
  const worker = createWorker({ ...small, light: dark });
  await worker.start(stop);
  const { id } = await enqueueJob(store.db, training, Date.now());
  const job = await until(id, isOver);
  await worker.stop(5000);
  expect(job).toMatchObject({ status: 'FAILED', error: { code: 'GATE_FAILED' }, attempts: 1 });
  expect(job.error?.detail).toContain('held-out frames');
  expect(published).toEqual([]);
}, 60_000);

test('a job that succeeds has reported its stages and leaves no folder behind', async () => {
  const worker = createWorker(small);
  await worker.start(stop);
  const { id } = await enqueueJob(store.db, training, Date.now());
  const job = await until(id, isOver);
  await worker.stop(5000);
  expect(job).toMatchObject({ status: 'SUCCEEDED', version: 1, fraction: 1 });
  expect(job.log.join('\n')).toMatch(/data: .*\n?[^]*train: .*[^]*quantise: [^]*evaluate: [^]*package: /);
  // Which variants there are beside float is decided by what was measured.
  expect(published.map(({ version }) => new Set(version.files.map(({ role }) => role)))).toEqual([new Set(['golden', 'model', 'profile', 'report'])]);
  expect(await readdir(path.join(dataDir, 'jobs'))).toEqual([]);
}, 120_000);

test('a process that dies is tried again, a limited number of times, and its last words are kept', async () => {
  // Too small a heap for anything: the process aborts by itself.
  const worker = createWorker(long, { heapMiB: 3 });
  await worker.start(stop);
  const { id } = await enqueueJob(store.db, training, Date.now());
  const first = await until(id, (job) => job.attempts === 1 && job.status === 'QUEUED');
  expect(first.message).toContain('tried again');
  await store.db.update(jobs).set({ attempts: attemptsMax - 1, notBefore: 0 });
  changes.tell({ type: 'job', id });
  const job = await until(id, isOver);
  await worker.stop(5000);
  expect(job).toMatchObject({ status: 'FAILED', attempts: attemptsMax, error: { code: 'JOB_CRASHED' } });
  expect(job.log.join('\n')).toContain('attempt 1 of');
}, 60_000);

test('a native crash in the middle of a training ends that process alone: the job fails with what was logged, and the next one runs', async () => {
  const worker = createWorker(long);
  const { id } = await enqueueJob(store.db, training, Date.now());
  await store.db.update(jobs).set({ attempts: attemptsMax - 1 });
  await worker.start(stop);
  await until(id, (job) => job.stage === 'train');
  process.kill(childOf(id), 'SIGSEGV');
  const job = await until(id, isOver);
  expect(job).toMatchObject({ status: 'FAILED', error: { code: 'JOB_CRASHED', detail: 'it was ended by SIGSEGV' } });
  expect(job.log.join('\n')).toMatch(/train: [^]*it was ended by SIGSEGV/);
  const next = await enqueueJob(store.db, training, Date.now());
  await until(next.id, ({ stage }) => stage === 'train');
  await cancelJob(store.db, next.id, Date.now());
  expect(await until(next.id, isOver)).toMatchObject({ status: 'CANCELLED' });
  await worker.stop(5000);
}, 60_000);

test('a training that was interrupted goes on from its checkpoint', async () => {
  const worker = createWorker(long);
  await worker.start(stop);
  const { id } = await enqueueJob(store.db, training, Date.now());
  const checkpoints = async (): Promise<string[]> => {
    const folders = (await readdir(path.join(dataDir, 'jobs', id)).catch(() => [])).filter((name) => name.startsWith('checkpoint-'));
    return (await Promise.all(folders.map((name) => readdir(path.join(dataDir, 'jobs', id, name))))).flat();
  };
  await expect.poll(checkpoints, { timeout: 60_000 }).toContainEqual(expect.stringMatching(/^[ab]\.checkpoint$/));
  process.kill(childOf(id), 'SIGKILL');
  await until(id, ({ attempts, log }) => attempts === 2 && log.some((line) => line.includes('goes on from the checkpoint of step')));
  await cancelJob(store.db, id, Date.now());
  await until(id, isOver);
  await worker.stop(5000);
}, 120_000);

test('cancelling ends a running job, and a waiting one before it begins', async () => {
  const worker = createWorker(long);
  await worker.start(stop);
  const running = await enqueueJob(store.db, training, Date.now());
  const waiting = await enqueueJob(store.db, training, Date.now());
  await until(running.id, (job) => job.stage === 'train');
  await cancelJob(store.db, waiting.id, Date.now());
  await cancelJob(store.db, running.id, Date.now());
  expect(await until(running.id, isOver)).toMatchObject({ status: 'CANCELLED' });
  expect(await until(waiting.id, isOver)).toMatchObject({ status: 'CANCELLED', attempts: 0 });
  await worker.stop(5000);
}, 60_000);

test('a server that stops puts its job back, and another goes on with it', async () => {
  const first = createWorker(long);
  await first.start(stop);
  const { id } = await enqueueJob(store.db, training, Date.now());
  await until(id, (job) => job.stage === 'train');
  await first.stop(5000);
  expect(await findJob(store.db, id)).toMatchObject({ status: 'QUEUED', worker: null });
  const second = createWorker(small);
  await second.start(stop);
  expect(await until(id, isOver)).toMatchObject({ status: 'SUCCEEDED', attempts: 2 });
  await second.stop(5000);
}, 120_000);

test('two workers never take the same job, and one that lost its lease cannot end it', async () => {
  const { id } = await enqueueJob(store.db, training, 1000);
  const taken = await Promise.all(['a', 'b', 'c', 'd'].map((worker) => claimJob(store.db, worker, 1000, 50)));
  const [owner] = taken.flatMap((job) => (job === undefined ? [] : [job.worker]));
  expect(taken.filter((job) => job !== undefined)).toHaveLength(1);
  expect(await claimJob(store.db, 'late', 1040, 50)).toBeUndefined();
  expect(await claimJob(store.db, 'late', 1051, 50)).toMatchObject({ id, worker: 'late', attempts: 2 });
  expect(await endJob(store.db, id, owner ?? '', { status: 'FAILED', message: 'too late' }, 1060)).toBe(false);
  expect(await endJob(store.db, id, 'late', { status: 'CANCELLED', message: 'cancelled' }, 1060)).toBe(true);
});
