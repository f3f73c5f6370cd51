import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatasetVersion, Source } from '@serin/protocol/api/datasets';
import type { Job } from '@serin/protocol/api/resources';
import type { RunDetail } from '@serin/protocol/api/runs';
import { modelName } from '@serin/protocol/ids';
import { startTestServer, type TestServer } from '@serin/models/sources/testing/http-server';
import { startTestBucket, type TestBucket } from '@serin/models/sources/testing/s3-server';
import { customers, runSerin, type Outcome } from './harness/operator.ts';
import { startStack, type Stack } from './harness/stack.ts';

const secrets = { SERIN_SOURCE_TOKEN: 'X-Token: never-told-of-the-url', SERIN_SOURCE_ID: 'never-told-id', SERIN_SOURCE_KEY: 'never told / of the bucket' };
const words = ['never-told-of-the-url', secrets.SERIN_SOURCE_ID, secrets.SERIN_SOURCE_KEY];
const needles = words.flatMap((secret) => [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]);
/** A setting of the sources below, told by every reply: where it is not found, nothing would be. */
const marker = 'SERIN_SOURCE_KEY';

/** Ids of what never comes whole. */
const unfinished = 7_654_000;

const files = new Map<string, string>();
const replies: string[] = [];
let stack: Stack;
let site: TestServer;
let silent: TestServer;
let bucket: TestBucket;
let desk: string;

beforeAll(async () => {
  site = await startTestServer((request, response) => {
    const text = files.get(request.url ?? '');
    // What a server says of a refusal may well be what it was sent.
    if (request.headers['x-token'] !== words[0]) return void response.writeHead(401).end(String(request.headers['x-token']));
    if (text === undefined) return void response.writeHead(404).end(`nothing here for ${words[0]}`);
    const etag = `"${createHash('sha256').update(text).digest('hex')}"`;
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end();
    response.writeHead(200, { etag }).end(text);
  });
  // Begins to answer, and never ends.
  silent = await startTestServer((_, response) => void response.writeHead(200, { 'content-length': '100000' }).write(customers(200, unfinished)));
  bucket = await startTestBucket({ bucket: 'orders', secret: secrets.SERIN_SOURCE_KEY });
  stack = await startStack('embedded', { ...secrets, SERIN_SOURCE_PRIVATE_URLS: 'true', SERIN_SOURCE_STALL_MS: '300' });
  desk = path.join(stack.folder, 'desk');
  mkdirSync(desk);
}, 120_000);
afterAll(async () => {
  await stack?.stop();
  await Promise.all([site, silent, bucket].map((server) => server?.close()));
}, 60_000);

/** All that it says is kept. */
async function serin(...args: string[]): Promise<Outcome> {
  const outcome = await runSerin(stack, desk, args);
  replies.push(outcome.stdout, outcome.stderr);
  return outcome;
}

const declare = (name: string, ...place: string[]): Promise<Outcome> =>
  serin('source', 'set', name, '--dataset', name, ...place, '--label', 'churned', '--id', 'id', '-o', 'json');
const bucketPlace = () => ['--s3', bucket.url, '--bucket', 'orders', '--key-id-secret', 'SERIN_SOURCE_ID', '--key-secret', 'SERIN_SOURCE_KEY'];
const versionsOf = async (name: string): Promise<Pick<DatasetVersion, 'version' | 'status' | 'rows' | 'files' | 'source'>[]> =>
  (await stack.api('listDatasetVersions', { params: { name: modelName.parse(name) }, query: {} })).items.map(
    ({ version, status, rows, files: held, source }) => ({
      version,
      status,
      rows,
      files: held,
      source,
    }),
  );

/** Reads a source to its end: how the command ended, and the source as it then is. */
async function read(name: string): Promise<{ code: number; last: Source['last']; stderr: string }> {
  const { code, stdout, stderr } = await serin('source', 'read', name, '-o', 'json');
  return { code, stderr, last: stdout === '' ? null : (JSON.parse(stdout) as Source).last };
}

/** Files below a folder that hold one of the texts: rows of the database, its log, what jobs left, what programs said. */
function holders(folder: string, texts: readonly string[]): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => {
      const bytes = readFileSync(file);
      return texts.some((text) => bytes.includes(text));
    });
}

test('an address is read when its content is new, and asked for no more than that it has changed', async () => {
  expect((await declare('web', '--address', `${site.url}/customers.csv`, '--header-secret', 'SERIN_SOURCE_TOKEN')).code).toBe(0);
  const missing = await read('web');
  expect(missing).toMatchObject({ code: 1, last: { ok: false, version: null }, stderr: expect.stringContaining('SOURCE_FAILED') });

  files.set('/customers.csv', customers(300, 1));
  expect(await read('web')).toMatchObject({ code: 0, last: { ok: true, version: 1 } });
  expect(await read('web')).toMatchObject({ code: 0, last: { ok: true, version: null } });
  expect(site.requests.at(-1)?.headers['if-none-match']).toMatch(/^"[0-9a-f]{64}"$/);

  files.set('/customers.csv', customers(320, 1));
  expect(await read('web')).toMatchObject({ code: 0, last: { ok: true, version: 2 } });
  // What an address has is the whole of it.
  expect(await versionsOf('web')).toMatchObject([
    { version: 2, status: 'READY', rows: 320, files: 1, source: 'web' },
    { version: 1, status: 'READY', rows: 300, files: 1 },
  ]);
});

test('a bucket brings its new objects alone', async () => {
  for (const month of ['01', '02', '03']) bucket.objects.set(`2026/${month}.csv`, customers(150, Number(month) * 1000));
  expect((await declare('shop', ...bucketPlace())).code).toBe(0);
  expect(await read('shop')).toMatchObject({ code: 0, last: { ok: true, version: 1 } });
  expect(await read('shop')).toMatchObject({ code: 0, last: { ok: true, version: null } });
  const asked = bucket.requests.length;
  bucket.objects.set('2026/04.csv', customers(50, 4000));
  expect(await read('shop')).toMatchObject({ code: 0, last: { ok: true, version: 2 } });
  const objects = bucket.requests.slice(asked).filter(({ url }) => url.includes('.csv'));
  expect(objects.map(({ url }) => url)).toEqual([expect.stringContaining('04.csv')]);
  expect(await versionsOf('shop')).toMatchObject([
    { version: 2, rows: 500, files: 4 },
    { version: 1, rows: 450, files: 3 },
  ]);
});

test('what replaces and shrinks to nothing leaves the version that is there, and asks for a person', async () => {
  expect((await declare('stock', ...bucketPlace(), '--mode', 'replace')).code).toBe(0);
  expect(await read('stock')).toMatchObject({ code: 0, last: { ok: true, version: 1 } });
  const before = await versionsOf('stock');
  bucket.objects.clear();
  expect(await read('stock')).toMatchObject({ code: 5, last: { ok: false, version: null, words: expect.stringMatching(/no files.* had 4/) } });
  expect(await versionsOf('stock')).toEqual(before);
  expect((await stack.api('listDatasets')).items.find(({ name }) => name === 'stock')).toMatchObject({ latest: 1, rows: 500 });
  expect((await stack.api('getOverview')).attention).toContainEqual(expect.objectContaining({ kind: 'source', id: 'stock' }));
});

test('a server that stalls in the middle is a failed read that leaves nothing', async () => {
  expect((await declare('slow', '--address', `${silent.url}/slow.csv`, '--header-secret', 'SERIN_SOURCE_TOKEN')).code).toBe(0);
  const begun = await serin('source', 'read', 'slow', '--no-wait');
  const id = /[0-9a-f-]{36}/.exec(begun.stderr)?.[0] ?? '';
  await stack.feed.until('it is asked', async () => silent.requests.length > 0);
  // While it runs its folder is there, with what it was told to do.
  expect(holders(stack.folder, needles)).toEqual([]);
  const ended = await stack.feed.until('the read ends', async () => {
    const job = await stack.api('getJob', { params: { id } });
    return job.finishedAt === null ? undefined : (job satisfies Job);
  });
  expect(ended).toMatchObject({ status: 'FAILED', error: { code: 'SOURCE_FAILED', detail: expect.stringContaining('5 times in a row') }, version: null });
  expect((await stack.api('listDatasets')).items.map(({ name }) => name)).not.toContain('slow');
  expect((await stack.api('listSources')).items.find(({ name }) => name === 'slow')?.last).toMatchObject({ ok: false, version: null });
  expect(holders(stack.folder, [`${unfinished + 1},`])).toEqual([]);
  expect(readdirSync(path.join(stack.folder, 'server', 'jobs'))).not.toContain(id);
}, 60_000);

test('a secret is in no log, row, reply or file', async () => {
  const asked = [
    await stack.api('listSources'),
    await stack.api('getOverview'),
    await stack.api('listAudit', { query: {} }),
    await stack.api('listJobs', { query: { limit: '100' } }),
    await stack.api('getDatasetVersion', { params: { name: modelName.parse('web'), version: '2' } }),
  ];
  const told = [...replies, JSON.stringify(asked)];
  expect(told.some((text) => text.includes(marker))).toBe(true);
  expect(told.filter((text) => needles.some((needle) => text.includes(needle)))).toEqual([]);
  expect(holders(stack.folder, [marker]).length).toBeGreaterThan(0);
  expect(holders(stack.folder, needles)).toEqual([]);
});

test('a pipeline that is asked to rolls its version out', async () => {
  const pipeline = { v: 1, name: 'web', ingest: { dataset: 'web' }, train: { kind: 'trees', trees: 20, leaves: 7 }, gate: { beatBaseline: false } };
  writeFileSync(path.join(desk, 'pipeline.json'), JSON.stringify(pipeline));
  const run = await serin('pipeline', 'run', '--rollout', '-o', 'json');
  expect(run.code, run.stderr).toBe(0);
  expect(JSON.parse(run.stdout) as RunDetail).toMatchObject({ status: 'SUCCEEDED', version: 1, data: { dataset: 'web', version: 2 } });
  const started = await stack.feed.until('a rollout', async () => (await stack.api('listRollouts', { query: { model: modelName.parse('web') } })).items[0]);
  expect(started).toMatchObject({ model: 'web', version: 1, previous: null });
}, 60_000);
