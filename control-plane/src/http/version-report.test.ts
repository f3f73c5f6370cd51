import { beforeEach, describe, expect, test } from 'vitest';
import { createKeyPair, importSigningKey, type SigningKey } from '@serin/protocol/bundle/signing';
import { reportPath, type Report } from '@serin/protocol/bundle/report';
import { fleetId, modelName } from '@serin/protocol/ids';
import { exampleReport } from '@serin/models/report/testing/example-report';
import { findSameVersion, publishVersion, type NewVersion } from '../models/publish.ts';
import { endRun, insertRun } from '../runs/record.ts';
import { keepReport } from '../runs/report.ts';
import { testEnvironment } from '../runs/testing.ts';
import { startTestApi, type TestApi } from './testing.ts';

const model = modelName.parse('parts');
const tensor = { name: 'x', dtype: 'float32' as const, shape: [-1] };
let api: TestApi;
let release: SigningKey;

beforeEach(async () => {
  api = await startTestApi();
  release = await importSigningKey(await createKeyPair());
});

const newVersion = (report: Report | undefined, weights = 7): NewVersion => ({
  model,
  files: [
    { role: 'model', variant: 'fp32', path: 'model.fp32.onnx', bytes: new Uint8Array(1000).fill(weights) },
    ...(report === undefined ? [] : [{ role: 'report' as const, path: reportPath, bytes: new TextEncoder().encode(JSON.stringify(report)) }]),
  ],
  task: 'tensor',
  labels: [],
  inputs: [tensor],
  outputs: [tensor],
  metrics: {},
  gate: null,
  origin: 'trained',
  createdBy: 'test',
});
const publish = (version: NewVersion) =>
  publishVersion({ store: api.store, blobs: api.blobs, changes: api.changes, clock: () => Date.now(), fleet: fleetId.parse('plant-1'), release }, version);

const ask = async (path: string, headers: Record<string, string> = {}) =>
  fetch(`${api.server.url}/api/models/parts/versions/${path}`, { headers: { authorization: `Bearer ${await api.tokenFor('viewer')}`, ...headers } });

test('a viewer reads the report of a version as it was signed, and sees that there is one', async () => {
  const report = exampleReport();
  await publish(newVersion(report));
  const client = await api.as('viewer');
  expect(await client('getVersionReport', { params: { name: model, version: '1' }, query: {} })).toEqual(JSON.parse(JSON.stringify(report)));
  expect((await client('listVersions', { params: { name: model } })).items).toMatchObject([{ version: 1, hasReport: true }]);
  expect((await fetch(`${api.server.url}/api/models/parts/versions/1/report`)).status).toBe(401);
});

test('the page of it is told to run nothing and to load nothing; it names the version and what signed it', async () => {
  const row = await publish(newVersion(exampleReport({ labels: ['<script>alert(1)</script>'] })));
  for (const response of [await ask('1/report?format=html'), await ask('1/report', { accept: 'text/html,*/*' })]) {
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'unsafe-inline'; img-src data:;/);
    expect(response.headers.get('content-security-policy')).not.toContain('script-src');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const page = await response.text();
    expect(page).toContain('parts version 1');
    expect(page).toContain(row.manifest);
    expect(page).not.toContain('<script');
  }
  expect((await ask('1/report?format=json', { accept: 'text/html' })).headers.get('content-type')).toContain('application/json');
});

test('a version without a report, and one that is not there, are told apart', async () => {
  await publish(newVersion(undefined));
  expect(await (await ask('1/report')).json()).toMatchObject({ code: 'NOT_FOUND', detail: 'version 1 of parts has no report' });
  expect(await (await ask('2/report?format=html')).json()).toMatchObject({ code: 'NOT_FOUND', detail: 'version 2 of parts' });
  expect((await ask('x/report')).status).toBe(400);
});

describe('of a run', () => {
  const begin = (id: string) =>
    insertRun(api.store.db, {
      id,
      model,
      pipeline: null,
      createdBy: 'test',
      createdAt: 1,
      seed: 1,
      code: { revision: null, digest: null },
      environment: testEnvironment,
    });
  const askRun = async (path: string, headers: Record<string, string> = {}) =>
    fetch(`${api.server.url}/api/runs/${path}`, { headers: { authorization: `Bearer ${await api.tokenFor('viewer')}`, ...headers } });

  test('a viewer reads what was measured of a version that did not pass, as data and as a page that runs nothing', async () => {
    const report = exampleReport({ gate: { passed: false, checks: [] } });
    const artifacts = await keepReport(api.blobs, new TextEncoder().encode(JSON.stringify(report)));
    await endRun(api.store.db, await begin('r1'), { artifacts }, { status: 'FAILED' }, 2);
    expect(await (await api.as('viewer'))('getRunReport', { params: { id: 'r1' }, query: {} })).toEqual(JSON.parse(JSON.stringify(report)));
    for (const response of [await askRun('r1/report?format=html'), await askRun('r1/report', { accept: 'text/html' })]) {
      expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'unsafe-inline'; img-src data:;/);
      const page = await response.text();
      expect(page).toMatch(/Run <span class="mono">r1<\/span>; no version was made of it/);
      expect(page).not.toContain('Manifest');
    }
    expect((await fetch(`${api.server.url}/api/runs/r1/report`)).status).toBe(401);
  });

  test('one that goes on, one that never came to its gate and one that is not there are told apart', async () => {
    await begin('r2');
    expect(await (await askRun('r2/report')).json()).toMatchObject({ code: 'NOT_FOUND', detail: 'run r2 has not ended, so there is no report yet' });
    await endRun(api.store.db, await begin('r3'), {}, { status: 'CANCELLED' }, 2);
    expect(await (await askRun('r3/report?format=html')).json()).toMatchObject({ code: 'NOT_FOUND', detail: 'run r3 has no report' });
    expect(await (await askRun('r4/report')).json()).toMatchObject({ code: 'NOT_FOUND', detail: 'run r4' });
  });
});

test('a version that differs in its report alone is the same version', async () => {
  const row = await publish(newVersion(exampleReport()));
  const later = newVersion(exampleReport({ assumptions: ['measured on another day'] }));
  expect(await findSameVersion(api.store.db, model, later)).toMatchObject({ version: row.version });
  expect(await findSameVersion(api.store.db, model, newVersion(undefined))).toMatchObject({ version: row.version });
  expect(await findSameVersion(api.store.db, model, newVersion(exampleReport(), 8))).toBeUndefined();
});
