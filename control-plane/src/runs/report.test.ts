import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { report as reportSchema, reportArtifact, reportPath } from '@serin/protocol/bundle/report';
import { checkPipeline } from '@serin/protocol/pipeline-file';
import type { TrainedVersion } from '@serin/models/package/version';
import { exampleReport } from '@serin/models/report/testing/example-report';
import { openDiskBlobs, type BlobStore } from '../blobs/disk.ts';
import { createChanges } from '../changes.ts';
import { writeResult } from '../jobs/folder.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { claimJob, endJob, enqueueJob, findJob, type JobRow } from '../jobs/queue.ts';
import { writeRunResult } from '../jobs/run-folder.ts';
import { createImportJobs } from '../models/importing.ts';
import { createTraining } from '../models/training.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { findRunRow, viewRunDetail, type RunRow } from '../views/runs.ts';
import { createPipelineJobs, type PipelineJobContext } from './pipeline-job.ts';
import { startPipeline } from './pipelines.ts';
import { findRunOfJob, insertRun } from './record.ts';
import { testEnvironment } from './testing.ts';

const now = 1000;
const check = { name: 'accuracy', value: 0.5, limit: 0.9, passed: false, words: 'accuracy is 0.5 on the test part; at least 0.9 is asked, it is off by 0.4' };
const gate = { passed: false, checks: [check] };
const tensor = { name: 'x', dtype: 'float32' as const, shape: [-1] };
const bytes = new TextEncoder().encode(JSON.stringify(exampleReport({ gate })));
const failed: TrainedVersion = {
  files: [
    { role: 'model', variant: 'fp32', path: 'model.fp32.onnx', bytes: new Uint8Array(10) },
    { role: 'report', path: reportPath, bytes },
  ],
  task: 'tensor',
  labels: [],
  inputs: [tensor],
  outputs: [tensor],
  metrics: { accuracy: 0.5 },
  gate,
  weightDigest: 'w',
  parameters: 1,
};
const settings = { framesPerWindow: 50, threads: 1 };

let store: TestStore;
let blobs: BlobStore;
let context: PipelineJobContext;

beforeEach(async () => {
  store = await openTestStore();
  onTestFinished(() => store.close());
  blobs = await openDiskBlobs(path.join(store.dataDir, 'blobs'));
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
});

/** A job that runs, with the record of its run. */
async function begin(kind: 'train' | 'import'): Promise<JobRow> {
  const { id } = await enqueueJob(store.db, { kind, model: 'parts', params: {}, createdBy: 'ada' }, now);
  const code = { revision: null, digest: null };
  await insertRun(store.db, { jobId: id, model: 'parts', pipeline: null, createdBy: 'ada', createdAt: now, seed: 1, code, environment: testEnvironment });
  return claim();
}
const claim = async (): Promise<JobRow> => (await claimJob(store.db, 'worker', now, 1000)) as JobRow;

async function folderOf({ id }: JobRow): Promise<string> {
  const folder = path.join(store.dataDir, 'jobs', id);
  await mkdir(folder, { recursive: true });
  return folder;
}

async function publish(handler: JobHandler, job: JobRow): Promise<void> {
  await handler.publish(job, await folderOf(job), {
    finish: async (tx, end) => void (await endJob(tx, job.id, 'worker', end, now)),
    wait: () => Promise.reject(new Error('it has nothing to wait for')),
  });
}

async function expectKept(job: JobRow, row: RunRow | undefined): Promise<void> {
  if (row === undefined) throw new Error('there is no run');
  expect(row).toMatchObject({ status: 'FAILED', version: null, gate, error: { code: 'GATE_FAILED', detail: check.words } });
  expect(row.error?.hint).toMatch(new RegExp(`; all of it: serin run report ${row.id}$`));
  expect((await findJob(store.db, job.id))?.error).toEqual(row.error);
  const kept = reportArtifact(viewRunDetail(row));
  if (kept === undefined) throw new Error('the run names no report');
  expect(kept.bytes).toBe(bytes.length);
  expect(reportSchema.parse(JSON.parse(new TextDecoder().decode(await blobs.read(kept.sha256)))).gate).toEqual(gate);
}

test.each([
  ['import', createImportJobs],
  ['train', createTraining],
] as const)('%s: what does not pass its gate leaves its report with the run, and the words of its end name it', async (kind, createJobs) => {
  const job = await begin(kind);
  await writeResult(await folderOf(job), failed);
  await publish(createJobs(context, settings), job);
  await expectKept(job, await findRunOfJob(store.db, job.id));
});

test('pipeline: what does not pass its gate leaves its report with the run, where the stage that made it has told of it', async () => {
  const file = checkPipeline({ v: 1, name: 'churn', ingest: { files: ['a.csv'], spec: { kind: 'table', label: 'y' } }, train: { kind: 'trees' } });
  const inputs = [{ path: 'a.csv', sha256: await blobs.put(Buffer.from('x,y\n')), bytes: 4 }];
  const { begun } = await startPipeline({ ...context, threads: 1 }, { file, inputs, rollout: false, fresh: false }, 'ada');
  const job = await claim();
  const artifacts = [{ name: `package/${reportPath}`, bytes: bytes.length, sha256: await (await openDiskBlobs(path.join(store.dataDir, 'cache'))).put(bytes) }];
  const told = { data: null, parameters: {}, environment: testEnvironment, stages: [], metrics: {}, baseline: null, weightDigest: null, series: [] };
  const more = { importance: null, confusion: null, intervals: {}, slices: [], assumptions: [], seed: 1, code: { revision: null, digest: null } };
  await writeRunResult(await folderOf(job), { report: { ...told, ...more, gate, artifacts }, versionReport: bytes } as never);
  await publish(createPipelineJobs(context), job);
  await expectKept(job, await findRunRow(store.db, begun?.run.id ?? ''));
});

test('while a run goes on nothing is said of its report: the bytes come when it is over', () => {
  const artifacts = [{ name: `package/${reportPath}`, bytes: 1, sha256: '0'.repeat(64) as never }];
  expect(reportArtifact({ status: 'RUNNING', artifacts })).toBeUndefined();
  expect(reportArtifact({ status: 'FAILED', artifacts })).toBe(artifacts[0]);
  expect(reportArtifact({ status: 'FAILED', artifacts: [] })).toBeUndefined();
});
