import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { eq } from 'drizzle-orm';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startSearch } from '@serin/models/search/asha';
import { checkPipeline } from '@serin/protocol/pipeline-file';
import { createChanges } from '../changes.ts';
import { openDiskBlobs } from '../blobs/disk.ts';
import { claimJob, endJob, findJob, cancelJob, type JobEnd, type JobRow } from '../jobs/queue.ts';
import { writeRunResult } from '../jobs/run-folder.ts';
import type { JobHandler, JobOutcome } from '../jobs/handler.ts';
import { jobs, runs } from '../store/schema.ts';
import { testStores, type TestStore } from '../store/testing.ts';
import { findRunRow, viewRunDetail } from '../views/runs.ts';
import { createPipelineJobs, createTrialJobs, type PipelineJobContext } from './pipeline-job.ts';
import { startPipeline } from './pipelines.ts';
import { waitingStages } from './record.ts';
import { testEnvironment } from './testing.ts';

const now = 1000;
const file = checkPipeline({
  v: 1,
  name: 'churn',
  ingest: { files: ['a.csv'], spec: { kind: 'table', label: 'y' } },
  train: { kind: 'trees' },
  search: { method: 'random', trials: 4, space: { leaves: { from: 2, to: 64, whole: true } } },
});

describe.each(testStores)('a search on %s', (_, openStore) => {
  let store: TestStore;
  let context: PipelineJobContext;
  let pipelineJobs: JobHandler;
  let trialJobs: JobHandler;
  let run: string;
  let pipelineJob: string;

  beforeEach(async () => {
    store = await openStore();
    onTestFinished(() => store.close());
    const blobs = await openDiskBlobs(path.join(store.dataDir, 'blobs'));
    // Nothing is signed here: no version comes of it.
    context = {
      store,
      blobs,
      changes: createChanges(),
      clock: () => now,
      fleet: 'plant' as never,
      release: undefined as never,
      cacheFolder: store.dataDir,
      cacheBytesMax: 1,
      threads: 1,
      trialsAtOnce: 2,
      filesOf: async () => [],
    };
    pipelineJobs = createPipelineJobs(context);
    trialJobs = createTrialJobs(context);
    const bytes = Buffer.from('x,y\n1,no\n');
    const inputs = [{ path: 'a.csv', sha256: await blobs.put(bytes), bytes: bytes.length }];
    const { begun } = await startPipeline({ ...context, threads: 1 }, { file, inputs, rollout: false, fresh: false }, 'ada');
    run = begun?.run.id ?? '';
    pipelineJob = begun?.job.id ?? '';
    await end(await claim('pipeline'), undefined);
  });

  const claim = async (kind: JobRow['kind']): Promise<JobRow> => {
    const job = await claimJob(store.db, 'worker', now, 1000);
    expect(job?.kind).toBe(kind);
    return job as JobRow;
  };

  /** What the worker does with the result of a child. */
  async function end(job: JobRow, metric: number | undefined): Promise<void> {
    const folder = path.join(store.dataDir, 'jobs', job.id);
    await mkdir(folder, { recursive: true });
    const report = {
      seed: 1,
      code: { revision: null, digest: null },
      data: null,
      parameters: {},
      environment: testEnvironment,
      stages: waitingStages().slice(0, 3),
      metrics: {},
      baseline: null,
      weightDigest: null,
      gate: null,
      series: [],
      artifacts: [],
      importance: null,
      confusion: null,
      intervals: {},
      slices: [],
      assumptions: [],
      trials: [],
      log: [],
    };
    await writeRunResult(folder, { report, comparedBy: 'auc', ...(metric === undefined ? {} : { metric }), artifact: async () => undefined } as never);
    const outcome: JobOutcome = {
      async finish(tx, result) {
        expect(await endJob(tx, job.id, 'worker', result, now)).toBe(true);
      },
      async wait(tx, message) {
        await tx.update(jobs).set({ status: 'QUEUED', worker: null, leaseUntil: null, notBefore: Number.MAX_SAFE_INTEGER, message }).where(eq(jobs.id, job.id));
      },
    };
    await (job.kind === 'pipeline' ? pipelineJobs : trialJobs).publish(job, folder, outcome);
  }

  async function fail(job: JobRow): Promise<void> {
    const failure: JobEnd = { status: 'FAILED', message: 'diverged', error: { code: 'TRAINING_DIVERGED', detail: 'diverged', hint: '' } };
    await store.transaction(async (tx) => {
      await endJob(tx, job.id, 'worker', failure, now);
      await trialJobs.onEnd?.(tx, job, failure);
    });
  }

  const detail = async () => {
    const row = await findRunRow(store.db, run);
    if (row === undefined) throw new Error('the run is gone');
    return viewRunDetail(row);
  };
  const queued = async () => (await store.db.select().from(jobs)).filter(({ kind, status }) => kind === 'trial' && status === 'QUEUED').length;

  test('gives out so many trials at once, and each that ends makes room for the next, until the pipeline goes on with the best', async () => {
    expect(await queued()).toBe(2);
    await expect(claimJob(store.db, 'other', now, 1000)).resolves.toMatchObject({ kind: 'trial' });
    await store.db.update(jobs).set({ status: 'QUEUED', worker: null }).where(eq(jobs.status, 'RUNNING'));
    // In whatever order they are taken.
    const metrics: Record<string, number> = { t001: 0.7, t002: 0.9, t003: 0.8, t004: 0.6 };
    for (let count = 0; count < 4; count++) {
      const job = await claim('trial');
      await end(job, metrics[String(job.params.trial)]);
    }
    const { trials, stages } = await detail();
    expect(trials.map(({ state, metric }) => [state, metric])).toEqual([
      ['done', 0.7],
      ['done', 0.9],
      ['done', 0.8],
      ['done', 0.6],
    ]);
    expect(stages.find(({ name }) => name === 'search')).toMatchObject({ state: 'done', words: expect.stringContaining('4 of 4 trials') });
    const job = await claim('pipeline');
    expect(job.params).toMatchObject({ parameters: trials[1]?.parameters });
  });

  test('a trial that fails counts as bad and not as the end', async () => {
    await fail(await claim('trial'));
    for (const metric of [0.5, 0.9, 0.8]) await end(await claim('trial'), metric);
    expect((await detail()).trials.map(({ state }) => state)).toEqual(['failed', 'done', 'done', 'done']);
    expect((await claim('pipeline')).params).toHaveProperty('parameters');
  });

  test('when every trial fails, the run fails and says so', async () => {
    for (let trial = 0; trial < 4; trial++) await fail(await claim('trial'));
    expect(await detail()).toMatchObject({ status: 'FAILED', error: { code: 'JOB_FAILED', detail: 'none of 4 trials could be trained' } });
    expect(await findJob(store.db, pipelineJob)).toMatchObject({ status: 'FAILED' });
    expect(await claimJob(store.db, 'worker', now, 1000)).toBeUndefined();
  });

  test('cancelling ends the run and all its trials', async () => {
    const running = await claim('trial');
    await store.transaction(async (tx) => {
      await cancelJob(tx, pipelineJob, now);
      const job = (await findJob(tx, pipelineJob)) as JobRow;
      expect(job.status).toBe('CANCELLED');
      await pipelineJobs.onEnd?.(tx, job, { status: 'CANCELLED', message: 'cancelled' });
    });
    expect(await findJob(store.db, running.id)).toMatchObject({ status: 'RUNNING', cancelWanted: true });
    expect(await queued()).toBe(0);
    await end(running, 0.9);
    const ended = await detail();
    expect(ended.status).toBe('CANCELLED');
    expect(ended.trials.some(({ state }) => state === 'running')).toBe(false);
    expect(await claimJob(store.db, 'worker', now, 1000)).toBeUndefined();
  });

  test('the rows are all it needs: the state read back is the state that was written', async () => {
    await end(await claim('trial'), 0.7);
    const [row] = await store.db.select({ search: runs.search }).from(runs).where(eq(runs.id, run));
    const { trials: _none, ...begun } = startSearch({ settings: file.search as never, seed: file.seed, better: 'higher', rungs: true });
    expect(row?.search).toMatchObject({ ...begun, budgets: [1] });
    expect(row?.search?.trials.map(({ state }) => state).sort()).toEqual(['done', 'running', 'running']);
  });
});
