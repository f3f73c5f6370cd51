import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SerinError, type ErrorCode } from '@serin/protocol/errors';
import { exampleAlert, exampleDevice, exampleJob, exampleModel, exampleReport, exampleRollout, exampleRun, exampleVersion } from './testing/fixtures.ts';
import { runLine, type Said } from './testing/run-line.ts';
import { startSmallServer, type Answers } from './testing/small-server.ts';
import type { World } from './world.ts';

const token = 'srn_secret';
let folder: string;
let answers: Answers;
let server: Awaited<ReturnType<typeof startSmallServer>>;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-cli-'));
  answers = { getSession: () => ({ name: 'ada', role: 'admin', fleet: 'hall', demo: false, product: '0.1.0' }) };
  server = await startSmallServer(token, answers);
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command line against the small server. */
const serin = (argv: string, change: Partial<World> = {}, env: Record<string, string> = { SERIN_URL: server.url, SERIN_TOKEN: token }): Promise<Said> =>
  runLine(argv.split(' ').filter(Boolean), { HOME: folder, XDG_CONFIG_HOME: path.join(folder, 'config'), ...env }, change, 1_060_000);

const calls = () => server.calls.map(({ route }) => route);
const fails = (code: ErrorCode) => () => {
  throw new SerinError(code);
};

describe('login', () => {
  const readSecret = async () => `${token}\n`;

  test('asks for the token, checks it and keeps it for the owner alone', async () => {
    const { code, out, err } = await serin(`login --url ${server.url}/`, { readSecret }, {});
    expect({ code, out }).toEqual({ code: 0, out: `url    ${server.url}\nname   ada\nrole   admin\nfleet  hall\n` });
    const file = path.join(folder, 'config', 'serin', 'profile.json');
    expect(err).toContain(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
    expect(out + err).not.toContain(token);
  });

  test('is what later commands use, until logout', async () => {
    answers.listDevices = () => ({ items: [], next: null, total: 0 });
    await serin(`login --url ${server.url}`, { readSecret }, {});
    expect((await serin('device ls', {}, {})).code).toBe(0);
    expect((await serin('logout', {}, {})).code).toBe(0);
    expect((await serin('device ls', {}, {})).code).toBe(3);
    expect((await serin('logout', {}, {})).err).toBe('Nobody was signed in.\n');
  });

  test('keeps nothing when the server does not know the token', async () => {
    const { code, err } = await serin(`login --url ${server.url}`, { readSecret: async () => 'wrong' }, {});
    expect(code).toBe(3);
    expect(err).toContain('TOKEN_INVALID');
    await expect(stat(path.join(folder, 'config', 'serin', 'profile.json'))).rejects.toThrow('ENOENT');
  });

  test('without any token is a usage error, and a token is never taken from a flag', async () => {
    expect((await serin(`login --url ${server.url}`, {}, {})).code).toBe(2);
    expect((await serin(`login --url ${server.url} --token ${token}`, { readSecret }, {})).err).toContain('unknown option --token');
    expect(server.calls).toEqual([]);
  });

  test('the stored token is not sent to another server', async () => {
    await serin(`login --url ${server.url}`, { readSecret }, {});
    const other = await startSmallServer(token, {});
    try {
      expect((await serin(`device ls --url ${other.url}`, {}, {})).code).toBe(3);
      expect(other.calls).toEqual([]);
    } finally {
      await other.close();
    }
  });

  test('a damaged profile is named, not overwritten', async () => {
    await serin(`login --url ${server.url}`, { readSecret }, {});
    const file = path.join(folder, 'config', 'serin', 'profile.json');
    await writeFile(file, '{"url":');
    const { code, err } = await serin('device ls', {}, {});
    expect(code).toBe(2);
    expect(err).toMatch(/CONFIG_INVALID.* is damaged; it must be /);
    expect(err).toContain(file);
    expect(await readFile(file, 'utf8')).toBe('{"url":');
  });
});

describe('devices', () => {
  beforeEach(() => {
    answers.listDevices = () => ({
      items: [exampleDevice(), exampleDevice({ id: 'cam-2', synthetic: false, online: false, live: null, lastSeenAt: null, models: [] })],
      next: null,
      total: 2,
    });
  });

  test('are a table for people, with the link to the console beside it', async () => {
    const { code, out, err } = await serin('device ls');
    expect(code).toBe(0);
    expect(out).toBe(
      [
        'DEVICE             STATE    VERSION        INF/S  P95 MS  BAD    SITE    SEEN',
        'cam-1 (synthetic)  online   picker 2 -> 3  10.0   2.5     1.0 %  hall-a  1 min ago',
        'cam-2              offline  -              -      -       -      hall-a  never',
        '',
      ].join('\n'),
    );
    expect(err).toBe(`Console: ${server.url}/devices\n`);
  });

  test('are an array or a line each for programs', async () => {
    expect(JSON.parse((await serin('device ls -o json')).out)).toEqual([exampleDevice(), expect.objectContaining({ id: 'cam-2' })]);
    const lines = (await serin('device ls --output=ndjson')).out.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['cam-1', 'cam-2']);
  });

  test('come page by page, up to the limit', async () => {
    answers.listDevices = ({ query }) => {
      const from = Number(query.cursor ?? '0');
      const most = Math.min(1200, from + Number(query.limit));
      return {
        items: Array.from({ length: most - from }, (_, index) => exampleDevice({ id: `d-${from + index}` })),
        next: most < 1200 ? String(most) : null,
        total: 1200,
      };
    };
    expect(JSON.parse((await serin('device ls -o json')).out)).toHaveLength(1200);
    expect(server.calls.map(({ query }) => query.limit)).toEqual(['500', '500', '500']);
    const { out, err } = await serin('device ls -o json --limit 600');
    expect(JSON.parse(out)).toHaveLength(600);
    expect(err).toContain('600 of 1200 shown');
  });

  test('filters go to the server as they are', async () => {
    await serin('device ls --state drifting --q hall --version 3');
    expect(server.calls[0]?.query).toEqual({ limit: '500', state: 'drifting', q: 'hall', version: '3' });
  });

  test('colour is for terminals, and NO_COLOR turns it off', async () => {
    const escape = '\u001B[';
    expect((await serin('device ls', { isTerminal: true })).out).toContain(escape);
    expect((await serin('device ls')).out).not.toContain(escape);
    expect((await serin('device ls', { isTerminal: true }, { SERIN_URL: server.url, SERIN_TOKEN: token, NO_COLOR: '1' })).out).not.toContain(escape);
  });

  test('what a device calls itself cannot drive the terminal', async () => {
    answers.listDevices = () => ({ items: [exampleDevice({ site: '\u001B[2Jhall\r\nx' })], next: null, total: 1 });
    const { out } = await serin('device ls');
    expect(out).not.toContain('\u001B');
    expect(out.trimEnd().split('\n')).toHaveLength(2);
  });

  test('one is shown by its name', async () => {
    answers.getDevice = ({ params }) => exampleDevice({ id: params.id });
    const { out, err } = await serin('device get cam-7');
    expect(out).toMatch(/^device +cam-7 \(synthetic camera\)$/m);
    expect(err).toContain(`${server.url}/devices/cam-7`);
  });

  test('the variant that runs is shown with what was measured of each', async () => {
    const measured = [
      { variant: 'u8s8', bytes: 30_000, p50Ms: 1.349, p90Ms: 1.5 },
      { variant: 'fp32', bytes: 98_000, p50Ms: 3.68, p90Ms: 4 },
      { variant: 'u8u8', bytes: 30_000, code: 'GOLDEN_MISMATCH' },
    ];
    const [model] = exampleDevice().models;
    answers.getDevice = () => exampleDevice({ models: [{ ...model, measured }] });
    const { out } = await serin('device get cam-1');
    expect(out).toMatch(/^variant +u8s8 of u8s8 p50 1\.35 p90 1\.50 ms, fp32 p50 3\.68 p90 4\.00 ms, u8u8 out: GOLDEN_MISMATCH$/m);
  });

  test('a token to join is made for a name and a time', async () => {
    answers.createEnrolment = () => ({ token: 'SRN1.x.y', expiresAt: 0, joinUrl: 'https://h', command: 'serin-agent join' });
    const { code, out } = await serin('device enrol --name cam-9 --minutes 5');
    expect(code).toBe(0);
    expect(out).toContain('SRN1.x.y');
    expect(JSON.parse(Buffer.from(server.calls[0]?.body ?? []).toString())).toEqual({ name: 'cam-9', minutes: 5 });
  });

  test('one is revoked only after a yes', async () => {
    answers.revokeDevice = () => exampleDevice({ state: 'REVOKED' });
    expect((await serin('device revoke cam-1')).code).toBe(2);
    expect(calls()).toEqual([]);
    expect((await serin('device revoke cam-1 --yes')).code).toBe(0);
    expect((await serin('device revoke cam-1', { confirm: async () => true })).code).toBe(0);
    expect(calls()).toEqual(['revokeDevice', 'revokeDevice']);
  });
});

describe('models', () => {
  test('are listed with their champion', async () => {
    answers.listModels = () => ({ items: [exampleModel()] });
    expect((await serin('model ls')).out).toMatch(/picker +2 +3 +5/);
  });

  test('versions are listed', async () => {
    answers.listVersions = () => ({ items: [exampleVersion({ gate: { passed: false, checks: [] } })] });
    expect((await serin('model versions picker')).out).toMatch(/4 +pushed +failed +- +12\.3 kB +fp32/);
  });

  test('a file is pushed byte for byte, with its labels from a file', async () => {
    answers.pushVersion = () => exampleVersion();
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
    const [file, labels] = [path.join(folder, 'm.onnx'), path.join(folder, 'labels.txt')];
    await writeFile(file, bytes);
    await writeFile(labels, 'empty\r\nnut\n\n');
    const { code, err } = await serin(`model push ${file} --name picker --labels ${labels} --note new`);
    expect(code).toBe(0);
    expect(err).toContain('serin rollout start picker 4');
    expect(server.calls[0]).toMatchObject({ params: { name: 'picker' }, query: { labels: 'empty,nut', note: 'new' } });
    expect(Uint8Array.from(server.calls[0]?.body ?? [])).toEqual(bytes);
  });

  test('a report is told in short, in whole as an object, and written as a page', async () => {
    answers.getVersionReport = ({ query }) => (query['format'] === 'html' ? ('<!doctype html><title>report</title>' as never) : exampleReport());
    const file = path.join(folder, 'report.html');
    const { code, out, err } = await serin(`model report picker 4 --html ${file}`);
    expect(code).toBe(0);
    expect(out).toMatch(/^gate +failed$/m);
    expect(out).toMatch(/^metrics +accuracy 0\.9 \(0\.85 to 0\.95\)$/m);
    expect(out).toMatch(/^worst slice +light=dim 0\.7 \(0\.6 to 0\.8\)$/m);
    expect(out).toMatch(/^variants +u8s8 400 B, p90 0\.5 ms, 0\.2 % lost$/m);
    expect(out).toMatch(/^left out +w4: loses too much$/m);
    expect(err).toContain('NO   accuracy is 0.9 on the test part; at least 0.95 is asked, it is off by 0.05');
    expect(await readFile(file, 'utf8')).toBe('<!doctype html><title>report</title>');
    expect(server.calls[0]?.params).toEqual({ name: 'picker', version: '4' });
    expect(JSON.parse((await serin('model report picker 4 -o json')).out)).toEqual(exampleReport());
  });

  test('a report that cannot be written where it should is a usage error', async () => {
    answers.getVersionReport = () => exampleReport();
    expect(await serin(`model report picker 4 --html ${folder}/no/such/place.html`)).toMatchObject({
      code: 2,
      err: expect.stringContaining('cannot be written'),
    });
  });

  test('a run tells what it measured as a version does', async () => {
    answers.getRunReport = ({ query }) => (query['format'] === 'html' ? ('<!doctype html><title>run</title>' as never) : exampleReport());
    const file = path.join(folder, 'run.html');
    const { code, out, err } = await serin(`run report run-1 --html ${file}`);
    expect(code).toBe(0);
    expect(out).toMatch(/^gate +failed$/m);
    expect(err).toMatch(/NO {3}accuracy is 0\.9[^]*Wrote [^]*\/runs\/run-1/);
    expect(await readFile(file, 'utf8')).toBe('<!doctype html><title>run</title>');
    answers.getRunReport = fails('NOT_FOUND');
    expect((await serin('run report run-2')).code).toBe(4);
  });

  describe('pushed with pictures', () => {
    const job = (change: object = {}) => exampleJob({ kind: 'import', log: ['a line of the log'], ...change });
    /** What the server says of the job, one after the other; the last for good. */
    const goes = (...states: object[]) => {
      const jobs = states.map(job);
      answers.getJob = () => (jobs.length > 1 ? jobs.shift() : jobs[0]) as (typeof jobs)[0];
    };
    const push = async (flags = '') => {
      const [model, picture] = [path.join(folder, 'm.onnx'), path.join(folder, 'pictures')];
      await writeFile(model, 'm');
      await mkdir(picture, { recursive: true });
      await writeFile(path.join(picture, 'a.png'), 'p');
      return serin(`model push ${model} --name picker --calibrate ${picture} ${flags}`);
    };
    beforeEach(() => {
      answers.importModel = () => ({ missing: [], job: job() });
    });

    test('one that passes is summed up as its report is, with how to roll it out', async () => {
      goes({ status: 'SUCCEEDED', version: 4 });
      answers.getVersionReport = () => exampleReport({ gate: { passed: true, checks: [] } });
      const { code, out, err } = await push();
      expect(code).toBe(0);
      expect(out).toMatch(/^version +4$[^]*^metrics +accuracy 0\.9 \(0\.85 to 0\.95\)$[^]*^variants +u8s8 400 B[^]*^left out +w4: loses too much$/m);
      expect(err).toMatch(/serin model report picker 4 --html report\.html\nRoll it out: serin rollout start picker 4\n/);
      expect(err).not.toContain('a line of the log');
      expect(JSON.parse((await push('-o json')).out)).toMatchObject({ version: 4, report: { model: 'picker' } });
    });

    test('of one that does not pass each failed check is told once, with where the figures are', async () => {
      const words = ['accuracy is 0.9; at least 0.95 is asked', 'blur costs 0.3; at most 0.1 is allowed'];
      const checks = words.map((one) => ({ name: 'x', value: 0, limit: 0, passed: false, words: one }));
      const others = [
        { name: 'y', value: 0, limit: 0, passed: true, words: 'small enough' },
        { name: 'z', value: 0, limit: 0, passed: false, variant: 'u8s8', words: 'u8s8 is left out' },
      ];
      goes({ status: 'FAILED', error: { code: 'GATE_FAILED', detail: words.join('; '), hint: 'look' } });
      const gate = { passed: false, checks: [...checks, ...others] };
      answers.listRuns = () => ({ items: [exampleRun({ id: 'other', jobId: 'j0' }), exampleRun({ id: 'run-7', jobId: 'j1', status: 'FAILED', gate })] });
      const { code, err } = await push();
      expect(code).toBe(5);
      const told = `The version did not pass its gate:\n  NO   ${words[0]}\n  NO   ${words[1]}\nThe whole report: serin run report run-7 --html report.html\n`;
      expect(err).toContain(told);
      for (const one of words) expect(err.split(one)).toHaveLength(2);
      expect(err).not.toMatch(/small enough|left out|a line of the log/);
    });

    test('progress is told when the stage changes, and now and then within one', async () => {
      const shaken = Array.from({ length: 10 }, (_, count) => ({ stage: 'evaluate', message: `disturbance ${count}` }));
      goes({ stage: 'check', message: 'checking' }, ...shaken, { stage: 'package', message: 'packing' }, { status: 'FAILED', stage: 'package' });
      const { err } = await push();
      expect(err.match(/disturbance \d/g)).toEqual(['disturbance 0', 'disturbance 5']);
      expect(err).toMatch(/checking[^]*packing[^]*FAILED/);
    });
  });

  test('a file that is not there is a usage error', async () => {
    const { code, err } = await serin(`model push ${folder}/none.onnx --name picker`);
    expect(code).toBe(2);
    expect(err).toContain('none.onnx');
    expect(calls()).toEqual([]);
  });

  test('a file that is no model is the server’s to refuse', async () => {
    answers.pushVersion = fails('MODEL_INVALID');
    await writeFile(path.join(folder, 'm.onnx'), 'x');
    expect(await serin(`model push ${folder}/m.onnx --name picker`)).toMatchObject({ code: 1, err: expect.stringContaining('MODEL_INVALID') });
  });
});

describe('rollouts', () => {
  test('one is started with a canary, or all at once', async () => {
    answers.startRollout = () => exampleRollout();
    expect((await serin('rollout start picker 3')).code).toBe(0);
    expect((await serin('rollout start picker 3 --all-at-once')).code).toBe(0);
    expect(server.calls.map(({ body }) => JSON.parse(Buffer.from(body).toString()) as unknown)).toEqual([
      { model: 'picker', version: 3, strategy: 'canary' },
      { model: 'picker', version: 3, strategy: 'all-at-once' },
    ]);
  });

  test.each([
    ['COMPLETED', 0],
    ['ROLLED_BACK', 6],
    ['ROLLBACK_INCOMPLETE', 6],
    ['SUPERSEDED', 5],
  ])('watching one that ends %s exits with %i', async (status, expected) => {
    const states = [exampleRollout(), exampleRollout(), exampleRollout({ status: 'DISPATCH', stageIndex: 1 }), exampleRollout({ status, stageIndex: 1 })];
    answers.getRollout = () => (states.length > 1 ? states.shift() : states[0]) as (typeof states)[0];
    const { code, out, err } = await serin('rollout status r1 --watch -o json');
    expect(code).toBe(expected);
    expect(JSON.parse(out)).toMatchObject({ id: 'r1', status });
    expect(err.split('\n').filter((line) => /^\d\d:/.test(line))).toHaveLength(3);
  });

  test('watching gives up when its time is up, and says that the rollout goes on', async () => {
    answers.getRollout = () => exampleRollout();
    const { code, out, err } = await serin('rollout status r1 --watch --timeout-s 5');
    expect({ code, out }).toEqual({ code: 7, out: '' });
    expect(err).toContain('it goes on');
    expect(server.calls.length).toBe(6);
  });

  test('watching survives a server that is away for a while', async () => {
    let asked = 0;
    answers.getRollout = () => {
      if (++asked < 4) throw new SerinError('UNAVAILABLE');
      return exampleRollout({ status: 'COMPLETED' });
    };
    const { code, err } = await serin('rollout status r1 --watch');
    expect(code).toBe(0);
    expect(err.match(/UNAVAILABLE/g)).toHaveLength(1);
  });

  test('an interrupted watch says that nothing was stopped', async () => {
    answers.getRollout = () => exampleRollout();
    const { err } = await serin('rollout status r1 --watch', { signal: AbortSignal.abort() });
    expect(err).toContain('CANCELLED');
    expect(err).toContain('only the watching');
    expect(err).toContain('goes on in the server');
  });

  test('the newest is shown where none is named, and none at all is not found', async () => {
    answers.listRollouts = () => ({ items: [exampleRollout({ id: 'r9' })] });
    answers.getRollout = ({ params }) => exampleRollout({ id: params.id });
    expect((await serin('rollout status')).out).toMatch(/^rollout +r9$/m);
    answers.listRollouts = () => ({ items: [] });
    expect((await serin('rollout status')).code).toBe(4);
  });

  test.each(['pause', 'resume', 'abort'] as const)('%s reaches the server, and a state that changed is a conflict', async (verb) => {
    const route = `${verb}Rollout` as const;
    answers[route] = () => exampleRollout();
    expect((await serin(`rollout ${verb} r1`)).code).toBe(0);
    expect(calls()).toEqual([route]);
    answers[route] = fails('CONFLICT');
    expect((await serin(`rollout ${verb} r1`)).code).toBe(5);
  });

  test('are listed', async () => {
    answers.listRollouts = () => ({ items: [exampleRollout()] });
    expect((await serin('rollout ls --model picker')).out).toMatch(/r1 +picker +2 -> 3 +JUDGE +1 of 2/);
    expect(server.calls[0]?.query).toEqual({ limit: '20', model: 'picker' });
  });
});

describe('jobs and alerts', () => {
  test.each([
    ['SUCCEEDED', 0],
    ['FAILED', 1],
    ['CANCELLED', 1],
  ])('watching a job that ends %s exits with %i', async (status, expected) => {
    const states = [exampleJob(), exampleJob({ status, fraction: 1 })];
    answers.getJob = () => (states.length > 1 ? states.shift() : states[0]) as (typeof states)[0];
    const { code, out, err } = await serin('job watch j1');
    expect(code).toBe(expected);
    expect(out).toContain(status);
    expect(err).toContain('RUNNING 50 % train epoch 3');
  });

  test('are listed, and an empty list says what to do instead of an empty table', async () => {
    answers.listJobs = () => ({ items: [exampleJob()] });
    answers.listAlerts = () => ({ items: [exampleAlert()] });
    expect((await serin('job ls')).out).toMatch(/j1 +train +picker +RUNNING +50 %/);
    expect((await serin('alert ls --state OPEN')).out).toMatch(/a1 +OPEN +high +picker 2 +brightness +0\.420/);
    answers.listAlerts = () => ({ items: [] });
    expect(await serin('alert ls')).toMatchObject({ code: 0, out: '', err: expect.stringContaining('No alert.') });
    expect((await serin('alert ls -o json')).out).toBe('[]\n');
  });
});

describe('exit codes', () => {
  test.each([
    ['TOKEN_INVALID', 3],
    ['FORBIDDEN', 3],
    ['NOT_FOUND', 4],
    ['JOIN_NAME_TAKEN', 5],
    ['INTERNAL', 1],
    ['TOO_MANY_REQUESTS', 1],
  ] as const)('%s ends with %i, with its code and hint on standard error', async (error, expected) => {
    answers.getDevice = fails(error);
    const { code, out, err } = await serin('device get cam-1');
    expect({ code, out }).toEqual({ code: expected, out: '' });
    expect(err).toContain(`${error}: `);
    expect(err).toContain(new SerinError(error).hint);
  });

  test('a server that is not there ends with 1', async () => {
    await server.close();
    expect(await serin('device ls')).toMatchObject({ code: 1, err: expect.stringContaining('SERVER_UNREACHABLE') });
  });

  test('without a server or a token it ends with 3 and says how to sign in', async () => {
    expect(await serin('device ls', {}, {})).toMatchObject({ code: 3, err: expect.stringContaining('serin login') });
    expect(await serin('device ls', {}, { SERIN_URL: server.url })).toMatchObject({ code: 3, err: expect.stringContaining(server.url) });
  });

  test.each([
    ['', 'usage'],
    ['device', 'device ls'],
    ['nope', 'unknown command "nope"'],
    ['device nope', 'unknown command "device nope"'],
    ['device constructor', 'unknown command'],
    ['device ls --nope', 'unknown option --nope'],
    ['device ls extra', '"extra" is one word too many'],
    ['device ls -o xml', 'one of table, json, ndjson'],
    ['device ls -o', '-o needs a value'],
    ['device ls --state', '--state needs a value'],
    ['device ls --limit ten', '--limit is a whole number'],
    ['device get', 'missing ID. See `serin device get --help`'],
    ['run list', 'See `serin run --help`'],
    ['device get UP', 'ID is lower-case'],
    ['device get ../x', 'ID is lower-case'],
    ['device revoke cam-1 --yes=no', '--yes takes no value'],
    ['device ls --url ftp://x', '--url is an http or https address, not "ftp://x"'],
    ['model push x.onnx', 'missing --name'],
    ['model push nowhere.onnx --name x', 'there is no nowhere.onnx'],
    ['data push x nowhere.csv', 'there is no nowhere.csv'],
    ['rollout start picker', 'missing VERSION'],
    ['rollout start picker 0', 'VERSION is a whole number'],
    ['rollout start picker latest', 'VERSION is a whole number'],
    ['job watch j1 --timeout-s 0', '--timeout-s is a whole number'],
  ])('`serin %s` ends with 2, says %j and sends nothing', async (argv, words) => {
    const { code, out, err } = await serin(argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(words);
    expect(server.calls).toEqual([]);
  });

  test('help is data, and ends with 0', async () => {
    for (const argv of ['--help', 'device --help', 'rollout status --help', 'login -h']) {
      const { code, out, err } = await serin(argv);
      expect({ code, err }, argv).toEqual({ code: 0, err: '' });
      expect(out.toLowerCase(), argv).toContain('serin');
    }
    expect((await serin('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
