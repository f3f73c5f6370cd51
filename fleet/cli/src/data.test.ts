import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { checkPipeline, readPipeline } from '@serin/protocol/pipeline-file';
import { pipelineTemplates } from '@serin/protocol/pipeline-templates';
import { exampleDatasetVersion, exampleJob, exampleRun } from './testing/fixtures.ts';
import { runLine, type Said } from './testing/run-line.ts';
import { startSmallServer, type Answers, type Call } from './testing/small-server.ts';
import type { World } from './world.ts';

const token = 'srn_secret';
let folder: string;
let answers: Answers;
let server: Awaited<ReturnType<typeof startSmallServer>>;
/** What the server has of each file. */
let held: Map<string, Buffer>;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-cli-data-'));
  held = new Map();
  answers = { getUpload: ({ params }) => stateOf(params.sha256 ?? ''), sendUpload: receive };
  server = await startSmallServer(token, answers);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const complete = new Set<string>();
const stateOf = (sha256: string) => ({ received: held.get(sha256)?.length ?? 0, complete: complete.has(sha256) });

function receive({ params: { sha256 = '' }, query, body }: Call) {
  const before = held.get(sha256) ?? Buffer.alloc(0);
  if (Number(query.offset) === before.length) held.set(sha256, Buffer.concat([before, body]));
  const bytes = held.get(sha256) ?? Buffer.alloc(0);
  if (bytes.length === Number(query.total) && createHash('sha256').update(bytes).digest('hex') === sha256) complete.add(sha256);
  return stateOf(sha256);
}

const serin = (argv: readonly string[], change: Partial<World> = {}): Promise<Said> =>
  runLine(argv, { HOME: folder, SERIN_URL: server.url, SERIN_TOKEN: token }, change);

const write = async (name: string, bytes: string | Buffer): Promise<string> => {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, bytes);
  return file;
};
const bodyOf = (call: Call | undefined) =>
  JSON.parse(Buffer.from(call?.body ?? []).toString()) as { files: { path: string; sha256: Digest }[]; inputs: { path: string }[] };
const callsTo = (route: string) => server.calls.filter((call) => call.route === route);

/** A server that makes version 1 of what is complete. */
function takeVersions(change: object = {}): void {
  answers.addDatasetVersion = (call) => {
    const missing = bodyOf(call).files.flatMap(({ sha256 }) => (complete.has(sha256) ? [] : [sha256]));
    return { missing, job: missing.length > 0 ? null : exampleJob({ kind: 'ingest', model: 'churn' }) };
  };
  answers.getJob = () => exampleJob({ kind: 'ingest', status: 'SUCCEEDED', version: 1, finishedAt: 1 });
  answers.getDatasetVersion = () => exampleDatasetVersion(change);
}

test('files are sent in pieces, what the server has already is not, and the version is shown', async () => {
  takeVersions();
  const large = Buffer.alloc(9 * 2 ** 20, 'a,b\n1,2\n');
  const file = await write('big.csv', large);
  const { code, out } = await serin(['data', 'push', 'churn', file, '--label', 'churned', '--ignore', 'x, y', '--note', 'first']);
  expect(code).toBe(0);
  expect(out).toMatch(/status +READY/);
  expect(callsTo('sendUpload').map(({ query }) => Number(query.offset))).toEqual([0, 4 * 2 ** 20, 8 * 2 ** 20]);
  expect(bodyOf(callsTo('addDatasetVersion')[0])).toMatchObject({
    files: [{ path: 'big.csv', bytes: large.length }],
    spec: { kind: 'table', label: 'churned', ignore: ['x', 'y'] },
    mode: 'replace',
    note: 'first',
  });
  await serin(['data', 'push', 'churn', file, '--append']);
  expect(callsTo('sendUpload')).toHaveLength(3);
});

test('sending goes on where it broke off, and over a server that is away for a moment', async () => {
  takeVersions();
  const bytes = Buffer.alloc(5 * 2 ** 20, 'abc');
  held.set(createHash('sha256').update(bytes).digest('hex'), bytes.subarray(0, 3 * 2 ** 20));
  let isAway = true;
  answers.sendUpload = (call) => {
    if (isAway) {
      isAway = false;
      throw new SerinError('UNAVAILABLE');
    }
    return receive(call);
  };
  const { code, err } = await serin(['data', 'push', 'churn', await write('a.csv', bytes)]);
  expect(code).toBe(0);
  expect(err).toContain('going on with a.csv at 3.1 MB');
  expect(callsTo('sendUpload').map(({ query }) => Number(query.offset))).toEqual([3 * 2 ** 20, 3 * 2 ** 20]);
});

test('a folder stands for the files below it; two files of one name are refused before anything is sent', async () => {
  takeVersions();
  await write('pictures/cat/1.png', 'one');
  await write('pictures/dog/1.png', 'two');
  await write('pictures/.hidden', 'three');
  expect((await serin(['data', 'push', 'animals', path.join(folder, 'pictures')])).code).toBe(0);
  expect(bodyOf(callsTo('addDatasetVersion')[0])).toMatchObject({
    files: [{ path: 'cat/1.png' }, { path: 'dog/1.png' }],
    spec: { kind: 'images', format: 'folders' },
  });
  const twice = await serin(['data', 'push', 'animals', path.join(folder, 'pictures/cat/1.png'), path.join(folder, 'pictures/dog/1.png')]);
  expect(twice).toMatchObject({ code: 2, err: expect.stringContaining('would both be 1.png') });
  expect((await serin(['data', 'push', 'animals', path.join(folder, 'nothing.csv')])).code).toBe(2);
});

test('a batch in quarantine says by file and row why, what to do, and exits by it; control characters of the data stay out of the terminal', async () => {
  const anomaly = { kind: 'wrong-type', severity: 'error', column: 'age', file: 'a.csv', rows: [3, 9], count: 2, words: 'two values\u001B[2J are no numbers' };
  takeVersions({ status: 'QUARANTINED', errors: 1, anomalies: [anomaly] });
  const { code, err } = await serin(['data', 'push', 'churn', await write('a.csv', 'age\nx\n')]);
  expect(code).toBe(5);
  expect(err).toContain('error    wrong-type  a.csv:3,9 two values are no numbers');
  expect(err).toContain('serin data release churn 1');
});

test('interrupted while it waits, it stops watching and says how to go on and how to cancel', async () => {
  takeVersions();
  answers.getJob = () => exampleJob({ kind: 'ingest', status: 'RUNNING' });
  const interrupted = new AbortController();
  const { code, err } = await serin(['data', 'push', 'churn', await write('a.csv', 'x\n1\n')], {
    signal: interrupted.signal,
    pause: async () => interrupted.abort(),
  });
  expect(code).toBe(5);
  expect(err).toContain('serin job cancel j1');
  expect(callsTo('cancelJob')).toEqual([]);
});

test('a template is written with its schema, parses as it is, and replaces nothing unasked', async () => {
  for (const template of Object.keys(pipelineTemplates)) {
    const file = path.join(folder, template, 'pipeline.json');
    await mkdir(path.dirname(file));
    expect((await serin(['pipeline', 'init', template, '--name', 'mine', '--file', file])).code).toBe(0);
    expect(readPipeline(await readFile(file, 'utf8')).name).toBe('mine');
    expect(JSON.parse(await readFile(path.join(folder, template, 'pipeline.schema.json'), 'utf8'))).toHaveProperty('properties');
    expect((await serin(['pipeline', 'init', template, '--file', file])).code).toBe(2);
  }
  expect((await serin(['pipeline', 'init', 'magic'])).err).toContain('TEMPLATE is one of table');
  expect(server.calls).toEqual([]);
});

async function pipelineFile(change: object = {}): Promise<string> {
  await write('data/a.csv', 'y\nno\n');
  const file = { v: 1, name: 'churn', ingest: { files: ['data'], spec: { kind: 'table', label: 'y' } }, train: { kind: 'trees' }, ...change };
  return write('pipeline.json', JSON.stringify(file));
}

test('a pipeline runs on the files beside it, tells its stages as they end, and ends with metrics against the baseline', async () => {
  answers.runPipeline = (call) => {
    const { inputs } = bodyOf(call);
    expect(inputs).toMatchObject([{ path: 'data/a.csv' }]);
    const isThere = complete.size > before;
    return isThere
      ? { missing: [], run: exampleRun({ status: 'RUNNING' }), job: exampleJob({ kind: 'pipeline' }) }
      : { missing: [(inputs[0] as unknown as { sha256: Digest }).sha256], run: null, job: null };
  };
  const before = complete.size;
  answers.getRun = () => exampleRun();
  answers.getJob = () => exampleJob({ kind: 'pipeline' });
  const { code, out, err } = await serin(['pipeline', 'run', await pipelineFile({ description: 'of this test alone' }), '--fresh']);
  expect(code).toBe(0);
  expect(err).toMatch(/ingest +cached +0\.01 s +1 file\n +train +done +1\.50 s +40 trees/);
  expect(err).toMatch(/auc +0\.9 +0\.85 to 0\.95 +0\.8/);
  expect(out).toMatch(/version +1/);
});

test('a gate that fails is told with its numbers and by the exit code; a file that is wrong is refused with all its faults', async () => {
  const gate = { passed: false, checks: [{ name: 'auc', value: 0.5, limit: 0.6, passed: false, words: 'auc is 0.5' }] };
  const error = { code: 'GATE_FAILED', detail: 'auc is 0.5', hint: 'look' };
  answers.runPipeline = () => ({ missing: [], run: exampleRun({ status: 'RUNNING' }), job: exampleJob({ kind: 'pipeline' }) });
  answers.getRun = () => exampleRun({ status: 'FAILED', version: null, gate, error });
  answers.getJob = () => exampleJob({ kind: 'pipeline' });
  const failed = await serin(['pipeline', 'run', await pipelineFile()]);
  expect(failed).toMatchObject({ code: 5, err: expect.stringContaining('NO   auc is 0.5\nThe whole report: serin run report run-1 --html report.html') });
  expect((await serin(['pipeline', 'run', await pipelineFile(), '--no-wait'])).code).toBe(0);
  const calls = server.calls.length;
  const wrong = await serin(['pipeline', 'run', await pipelineFile({ train: { kind: 'trees', leafs: 3 }, gates: {} })]);
  expect(wrong.err).toMatch(/PIPELINE_INVALID[^]*leafs[^]*gates/);
  expect(server.calls).toHaveLength(calls);
  expect(() => checkPipeline({})).toThrow(expect.objectContaining({ code: 'PIPELINE_INVALID' }));
});

test('a repetition that differs says in what, by the exit code too', async () => {
  answers.repeatRun = () => ({ run: exampleRun({ status: 'RUNNING', repeats: 'run-0' }), job: exampleJob({ kind: 'pipeline' }) });
  answers.getJob = () => exampleJob({ kind: 'pipeline' });
  answers.getRun = () => exampleRun({ repeats: 'run-0', verdict: { identical: false, differences: ['weights: a then, b now'] } });
  const { code, out } = await serin(['run', 'rerun', 'run-0']);
  expect(code).toBe(5);
  expect(out).toContain('differs from run-0: weights: a then, b now');
});

test('sources are one of four kinds, and secrets are named, never told', async () => {
  answers.setSource = (call) => {
    const { settings, spec, mode } = JSON.parse(Buffer.from(call.body).toString()) as { settings: never; spec: never; mode: never };
    return {
      name: 'shop',
      dataset: 'orders',
      settings,
      spec,
      mode,
      schedule: '15 3 * * *',
      enabled: true,
      createdAt: 0,
      createdBy: 'ada',
      lastReadAt: null,
      nextReadAt: null,
      last: null,
    } as never;
  };
  const set = ['source', 'set', 'shop', '--dataset', 'orders', '--schedule', '15 3 * * *'];
  expect((await serin([...set, '--sql', 'select 1', '--url-secret', 'SERIN_SOURCE_SHOP', '--cursor', 'id'])).code).toBe(0);
  expect(JSON.parse(Buffer.from(server.calls[0]?.body ?? []).toString())).toMatchObject({
    settings: { kind: 'sql', query: 'select 1', urlSecret: 'SERIN_SOURCE_SHOP', cursorColumn: 'id' },
    mode: 'append',
  });
  // What an address has is the whole of it.
  expect((await serin([...set, '--address', 'https://h/a.csv'])).code).toBe(0);
  expect(JSON.parse(Buffer.from(server.calls.at(-1)?.body ?? []).toString())).toMatchObject({ settings: { kind: 'url' }, mode: 'replace' });
  expect((await serin([...set, '--sql', 'select 1', '--url-secret', 'postgres://ada:secret@host/db'])).code).toBe(2);
  expect((await serin([...set, '--folder', '/in', '--address', 'https://h/a.csv'])).err).toContain('a source is one of');
});

test('a source is read as it is, or in the knowledge that it shrank', async () => {
  const asked: unknown[] = [];
  answers.readSource = ({ params, query }) => {
    asked.push([params.name, query]);
    return exampleJob({ kind: 'ingest' });
  };
  for (const flags of [[], ['--accept']]) expect((await serin(['source', 'read', 'shop', '--no-wait', ...flags])).code).toBe(0);
  expect(asked).toEqual([
    ['shop', {}],
    ['shop', { accept: 'true' }],
  ]);
});

test('a read that ends in quarantine says where to look and what a person may do', async () => {
  answers.readSource = () => exampleJob({ kind: 'ingest' });
  answers.getJob = () => exampleJob({ kind: 'ingest', status: 'SUCCEEDED' });
  const last = { ok: false, words: 'version 3 is in quarantine: 1 error', version: 3 };
  const settings = { kind: 'folder', path: '/in' };
  const rest = { spec: { kind: 'table' }, mode: 'append', schedule: null, enabled: true, createdAt: 0, createdBy: 'ada', lastReadAt: 0, nextReadAt: null };
  answers.listSources = () => ({ items: [{ ...rest, name: 'shop', dataset: 'orders', settings, last }] }) as never;
  const { code, err } = await serin(['source', 'read', 'shop']);
  expect(code).toBe(5);
  expect(err).toMatch(/serin data show orders 3[^]*serin data release orders 3/);
});
