import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '@serin/protocol/api/resources';
import type { RunDetail } from '@serin/protocol/api/runs';
import { modelName } from '@serin/protocol/ids';
import { writeForeignModel } from './harness/foreign-model.ts';
import { customers, runSerin, type Outcome } from './harness/operator.ts';
import { startStack, type Stack } from './harness/stack.ts';

const churn = modelName.parse('churn');
let stack: Stack;
let inbox: string;
let desk: string;

beforeAll(async () => {
  // The folder of the stack is known only once it runs; sources may read below the folder for temporary files.
  stack = await startStack('embedded', { SERIN_SOURCE_FOLDERS: tmpdir() });
  inbox = path.join(stack.folder, 'inbox');
  desk = path.join(stack.folder, 'desk');
  mkdirSync(inbox);
  mkdirSync(desk);
  // Its minute comes while other tests run; the last one looks at what it brought.
  writeFileSync(path.join(inbox, 'monday.csv'), customers(150, 20_000));
  const set = ['source', 'set', 'inbox', '--dataset', 'arrivals', '--folder', inbox, '--pattern', '*.csv', '--label', 'churned', '--id', 'id'];
  const declared = await serin(...set, '--schedule', '* * * * *');
  if (declared.code !== 0) throw new Error(declared.stderr);
}, 120_000);
afterAll(async () => {
  await stack?.stop();
}, 60_000);

const serin = (...args: string[]): Promise<Outcome> => runSerin(stack, desk, args);
const write = (name: string, text: string): void => writeFileSync(path.join(desk, name), text);
const versions = async () => (await stack.api('listDatasetVersions', { params: { name: churn }, query: {} })).items;

const pipeline = (change: object = {}): string =>
  JSON.stringify({
    v: 1,
    name: 'churn',
    ingest: { dataset: 'churn' },
    train: { kind: 'trees', trees: 40, leaves: 7 },
    gate: { limits: { auc: { min: 0.6 } } },
    ...change,
  });

async function jobOf(run: Pick<RunDetail, 'jobId'>): Promise<Job> {
  return stack.api('getJob', { params: { id: run.jobId ?? '' } });
}

test('pushed files become a version; the same files again are nothing new', async () => {
  write('customers.csv', customers(1500, 1));
  const pushed = await serin('data', 'push', 'churn', 'customers.csv', '--label', 'churned', '--id', 'id', '--note', 'first', '-o', 'json');
  expect(pushed.code, pushed.stderr).toBe(0);
  expect(JSON.parse(pushed.stdout)).toMatchObject({ version: 1, status: 'READY', rows: 1500, errors: 0, note: 'first', spec: { label: 'churned', id: 'id' } });
  const again = await serin('data', 'push', 'churn', 'customers.csv', '--append');
  expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('nothing new') });
  expect(await versions()).toHaveLength(1);
});

test('a spoilt batch goes into quarantine with its rows named; a person drops it, or releases it on top of what came meanwhile', async () => {
  const spoilt = (row: number, line: string[]) => (row % 9 === 0 ? line.with(1, 'n.a.') : line);
  write('spoilt.csv', customers(200, 5000, spoilt));
  const pushed = await serin('data', 'push', 'churn', 'spoilt.csv', '--append', '-o', 'json');
  expect(pushed.code).toBe(5);
  expect(pushed.stderr).toMatch(/error +wrong-type +spoilt.csv:2,11,20/);
  expect(JSON.parse(pushed.stdout)).toMatchObject({ version: 2, status: 'QUARANTINED', rows: 200 });
  expect((await stack.api('getOverview')).attention).toContainEqual(expect.objectContaining({ kind: 'dataset', id: 'churn/2' }));
  expect((await serin('data', 'drop', 'churn', '2', '--note', 'exported twice')).code).toBe(0);

  // Gaps that no version had before: a person may well accept these.
  write(
    'other.csv',
    customers(100, 6000, (row, line) => (row % 2 === 0 ? line.with(1, '') : line)),
  );
  expect((await serin('data', 'push', 'churn', 'other.csv', '--append')).code).toBe(5);
  write('more.csv', customers(100, 7000));
  expect((await serin('data', 'push', 'churn', 'more.csv', '--append')).code).toBe(0);
  expect((await serin('data', 'release', 'churn', '3', '--note', 'known gap')).code).toBe(0);
  expect((await versions()).map(({ version, status, rows, parent }) => [version, status, rows, parent])).toEqual([
    [4, 'READY', 1600, 1],
    [3, 'READY', 1700, 4],
    [2, 'DROPPED', 200, 1],
    [1, 'READY', 1500, null],
  ]);
  expect((await serin('data', 'release', 'churn', '2')).code).toBe(5);
  const { items } = await stack.api('listAudit', { query: {} });
  expect(items.map(({ action }) => action)).toEqual(expect.arrayContaining(['dataset.push', 'dataset.drop', 'dataset.release']));
}, 120_000);

test('whenever the server dies while it takes data in, the version is there whole or not at all, and in the end it is there once', async () => {
  write('large.csv', customers(60_000, 100_000));
  const begun = await serin('data', 'push', 'large', 'large.csv', '--label', 'churned', '--id', 'id', '--no-wait', '-o', 'json');
  const job = JSON.parse(begun.stdout) as Job;
  const jobNow = () => stack.api('getJob', { params: { id: job.id } });
  const present = async () => (await stack.api('listDatasets')).items.find(({ name }) => name === 'large');
  // While it is prepared, while it is read, and as soon as it is nearly done.
  for (const isTime of [({ status }: Job) => status !== 'QUEUED', ({ stage }: Job) => stage === 'read', ({ stage }: Job) => stage === 'validate']) {
    await stack.feed.until('the moment', async () => {
      const now = await jobNow();
      return isTime(now) || now.finishedAt !== null;
    });
    await stack.server().kill();
    await stack.startServer();
    expect((await present())?.rows ?? 60_000).toBe(60_000);
  }
  const ended = await stack.feed.until(
    'the job ends',
    async () => {
      const now = await jobNow();
      return now.finishedAt === null ? undefined : now;
    },
    120_000,
  );
  expect(ended).toMatchObject({ status: 'SUCCEEDED', version: 1 });
  expect(await present()).toMatchObject({ versions: 1, latest: 1, rows: 60_000 });
}, 300_000);

test('a pipeline makes a version; the same again does nothing again; a repetition is identical', async () => {
  write('pipeline.json', pipeline());
  const first = await serin('pipeline', 'run', '-o', 'json');
  expect(first.code, first.stderr).toBe(0);
  const made = JSON.parse(first.stdout) as RunDetail;
  expect(made).toMatchObject({ status: 'SUCCEEDED', version: 1, data: { dataset: 'churn', version: 3 }, gate: { passed: true } });
  const { items } = await stack.api('listVersions', { params: { name: churn } });
  expect(items[0]).toMatchObject({ version: 1, origin: 'trained', jobId: made.jobId });

  const second = await serin('pipeline', 'run', '-o', 'json');
  const unchanged = JSON.parse(second.stdout) as RunDetail;
  // What came out is what there is: no version is made of it again.
  expect(unchanged.version).toBe(1);
  expect((await stack.api('listVersions', { params: { name: churn } })).items).toHaveLength(1);
  const stages = unchanged.stages.filter(({ state }) => state !== 'skipped');
  expect(stages.map(({ state }) => state)).toEqual(stages.map(() => 'cached'));

  const repeated = await serin('run', 'rerun', made.id, '-o', 'json');
  expect(repeated.code, repeated.stderr).toBe(0);
  const repeat = JSON.parse(repeated.stdout) as RunDetail;
  expect(repeat).toMatchObject({ repeats: made.id, verdict: { identical: true, differences: [] }, version: null, weightDigest: made.weightDigest });
  expect(repeat.stages.some(({ state }) => state === 'cached')).toBe(false);
  expect((await serin('run', 'compare', made.id, repeat.id)).stdout).toMatch(/weights +the same/);
  expect((await serin('run', 'environment', made.id)).code).toBe(0);
}, 240_000);

test('files that lie beside the pipeline are sent once; a gate that fails keeps its whole report', async () => {
  write(
    'local.json',
    pipeline({
      name: 'local',
      ingest: { files: ['customers.csv'], spec: { kind: 'table', label: 'churned', id: 'id' } },
      gate: { limits: { auc: { min: 0.9999 } } },
    }),
  );
  const run = await serin('pipeline', 'run', 'local.json', '-o', 'json');
  expect(run.code).toBe(5);
  expect(run.stderr).not.toContain('sending');
  const failed = JSON.parse(run.stdout) as RunDetail;
  expect(failed).toMatchObject({ status: 'FAILED', error: { code: 'GATE_FAILED' }, version: null, gate: { passed: false } });
  expect(failed.metrics.auc).toBeGreaterThan(0.6);
  const wrong = pipeline({ train: { kind: 'trees', leafs: 7 }, name: 'local', gates: {} });
  const refused = await fetch(`${stack.server().ready.httpUrl}/api/pipelines`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${stack.server().ready.adminToken}` },
    body: `{"file":${wrong}}`,
  });
  expect(await refused.json()).toMatchObject({ code: 'PIPELINE_INVALID', detail: expect.stringMatching(/leafs[^]*gates/) });
}, 240_000);

test('a search gives its trials to the queue, and the best of them becomes the version', async () => {
  const search = { method: 'random', trials: 4, space: { leaves: { from: 4, to: 16, whole: true }, learningRate: { from: 0.02, to: 0.3, log: true } } };
  write('search.json', pipeline({ name: 'searched', search }));
  const found = await serin('pipeline', 'run', 'search.json', '-o', 'json');
  expect(found.code, found.stderr).toBe(0);
  const run = JSON.parse(found.stdout) as RunDetail;
  expect(run.trials).toHaveLength(4);
  const best = run.trials.toSorted((one, other) => (other.metric ?? 0) - (one.metric ?? 0))[0];
  expect(run.parameters).toMatchObject(Object.fromEntries(Object.entries(best?.parameters ?? {}).map(([name, value]) => [`train.${name}`, value])));
  expect((await stack.api('listJobs', { query: { limit: '20' } })).items.filter(({ kind }) => kind === 'trial')).toHaveLength(4);
}, 240_000);

test('a server that dies in the middle of a pipeline finishes it after its restart', async () => {
  write('long.json', pipeline({ name: 'long', train: { kind: 'trees', trees: 2500, leaves: 127, leafRowsMin: 2, patience: 0 } }));
  const begun = await serin('pipeline', 'run', 'long.json', '--no-wait', '-o', 'json');
  const run = JSON.parse(begun.stdout) as RunDetail;
  // Looked at after every event: a training may be short.
  await stack.feed.until('it trains', async () => {
    const { stages, status, error } = await stack.api('getRun', { params: { id: run.id } });
    if (status !== 'RUNNING') throw new Error(`the run ended before it could be killed: ${status} ${error?.detail ?? ''}`);
    return stages.find(({ name, state }) => name === 'train' && state === 'running');
  });
  await stack.server().kill();
  await stack.startServer();
  const ended = await stack.feed.until(
    'the run ends',
    async () => {
      const present = await stack.api('getRun', { params: { id: run.id } });
      return present.status === 'RUNNING' ? undefined : present;
    },
    180_000,
  );
  expect(ended).toMatchObject({ status: 'SUCCEEDED', version: 1 });
  expect((await jobOf(ended)).attempts).toBe(2);
}, 300_000);

test('a model made elsewhere is wrapped, judged on its pictures and published; one that only guesses is not', async () => {
  await writeForeignModel(desk);
  const push = (labels: string, ...more: string[]) =>
    serin('model', 'push', 'foreign.onnx', '--name', 'shapes', '--labels', labels, '--calibrate', 'pictures', ...more);
  const pushed = await push('tall,wide', '--spec', 'spec.json', '--note', 'from elsewhere');
  expect(pushed.code, pushed.stderr).toBe(0);
  const told = await serin('model', 'report', 'shapes', '1', '-o', 'json');
  expect(JSON.parse(told.stdout)).toMatchObject({
    task: 'image-classification',
    gate: { passed: true },
    performance: { main: 'accuracy', metrics: expect.arrayContaining([expect.objectContaining({ name: 'accuracy', value: 1 })]) },
    variants: [expect.objectContaining({ variant: 'fp32', ships: true }), expect.objectContaining({ variant: 'fp16' })],
  });

  const unclear = await push('tall,wide');
  expect(unclear.code).toBe(1);
  expect(unclear.stderr).toContain('how the pixels of a frame become its numbers');
  write('misspelt.json', '{"inputs": {}}');
  expect((await push('tall,wide', '--spec', 'misspelt.json')).stderr).toContain('did you mean input?');

  // With the names the wrong way round every answer is wrong.
  const guessing = await push('wide,tall', '--spec', 'spec.json');
  expect(guessing.code).toBe(5);
  expect(guessing.stderr).toContain('of the baseline (always');
  const { items } = await stack.api('listVersions', { params: { name: modelName.parse('shapes') } });
  expect(items.map(({ version, note }) => [version, note])).toEqual([[1, 'from elsewhere']]);
}, 120_000);

test('a folder that is read on a schedule brings a version, and only what is new', async () => {
  const found = await stack.feed.until(
    'a version of the source',
    async () => (await stack.api('listDatasets')).items.find(({ name, latest }) => name === 'arrivals' && latest !== null),
    150_000,
  );
  expect(found).toMatchObject({ rows: 150, sources: 1 });
  const unchanged = await serin('source', 'read', 'inbox');
  expect(unchanged.code, unchanged.stderr).toBe(0);
  expect((await stack.api('listDatasets')).items.find(({ name }) => name === 'arrivals')).toMatchObject({ versions: 1 });
  expect((await serin('source', 'set', 'outside', '--dataset', 'arrivals', '--folder', '/etc')).code).toBe(3);
  expect((await serin('source', 'rm', 'inbox', '--yes')).code).toBe(0);
}, 240_000);
