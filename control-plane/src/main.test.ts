import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createApiClient } from '@serin/protocol/api/client';
import { seedDatabase } from './store/testing.ts';

const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const anyPort = ['--http-port', '0', '--device-port', '0', '--mqtt-port', '0'];

interface Ready {
  httpUrl: string;
  deviceUrl: string;
  brokerUrl: string;
  signInUrl: string;
  adminToken: string;
}

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'serin-main-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** With a database that was made before: making one takes seconds. */
async function seededFolder(): Promise<string> {
  const made = await folder();
  await seedDatabase(made);
  return made;
}

interface Started {
  child: ChildProcess;
  ready: Promise<Ready>;
  ended: Promise<{ code: number | null; out: string; err: string }>;
}

/** The compiled program as its own process, with the process channel that a parent has. */
function run(args: string[], env: Record<string, string> = {}): Started {
  const child = spawn(process.execPath, [entry, ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stdout?.on('data', (bytes: Buffer) => (out += bytes.toString()));
  child.stderr?.on('data', (bytes: Buffer) => (err += bytes.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }));
  const ready = Promise.race([
    once(child, 'message').then(([message]) => message as Ready),
    ended.then(({ code, err: words }): never => {
      throw new Error(`ended with ${code}: ${words}`);
    }),
  ]);
  ready.catch(() => {});
  return { child, ready, ended };
}

test('it starts, says where it is, answers, and drains at the first signal', async () => {
  const data = await folder();
  const { child, ready, ended } = run(['--data', data, ...anyPort]);
  const { httpUrl, adminToken, signInUrl, deviceUrl, brokerUrl } = await ready;
  const api = createApiClient({ baseUrl: httpUrl, fetch, token: adminToken });
  expect(await api('getSession')).toMatchObject({ role: 'admin' });
  expect(await (await fetch(`${httpUrl}/readyz`)).json()).toEqual({ isReady: true, parts: { database: 'ok', broker: 'ok' } });
  expect([deviceUrl, brokerUrl, signInUrl].map((url) => new URL(url).protocol)).toEqual(['https:', 'mqtts:', 'http:']);
  child.kill('SIGTERM');
  const { code, out } = await ended;
  expect(code).toBe(0);
  expect(out).toContain(`open ${signInUrl}\n`);
  expect(out).not.toContain(adminToken);
}, 60_000);

test('after a kill at any moment it starts again with what was told to be done', async () => {
  const data = await seededFolder();
  const first = run(['--data', data, ...anyPort, '--job-workers', '0']);
  const api = createApiClient({ baseUrl: (await first.ready).httpUrl, fetch, token: (await first.ready).adminToken });
  const job = await api('startJob', { body: { kind: 'train', model: 'picker' as never } });
  first.child.kill('SIGKILL');
  await first.ended;
  const second = run(['--data', data, ...anyPort, '--job-workers', '0']);
  const again = createApiClient({ baseUrl: (await second.ready).httpUrl, fetch, token: (await second.ready).adminToken });
  expect(await again('getJob', { params: { id: job.id } })).toMatchObject({ status: 'QUEUED' });
  await expect(createApiClient({ baseUrl: (await second.ready).httpUrl, fetch, token: (await first.ready).adminToken })('getSession')).rejects.toMatchObject({
    code: 'TOKEN_INVALID',
  });
  // Its parent is gone: it ends by itself, in order.
  const exited = once(second.child, 'exit');
  second.child.disconnect();
  expect(await exited).toEqual([0, null]);
}, 90_000);

test('a second server on the same folder is refused with the number of the first', async () => {
  const data = await seededFolder();
  const first = run(['--data', data, ...anyPort]);
  await first.ready;
  const { code, err } = await run(['--data', data, ...anyPort]).ended;
  expect(code).toBe(1);
  expect(err).toMatch(new RegExp(`^DATA_LOCKED: .*id ${first.child.pid},`, 'm'));
}, 60_000);

test.each(['--http-port', '--device-port', '--mqtt-port'])(
  '%s: a port that is taken is named, and nothing is left running',
  async (flag) => {
    const holder = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void holder.close());
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const { code, err } = await run(['--data', await seededFolder(), ...anyPort, flag, String(port)]).ended;
    expect(code).toBe(1);
    expect(err).toMatch(new RegExp(`^PORT_TAKEN: .*${port}`, 'm'));
  },
  60_000,
);

test.each([
  [['--http-port', 'x'], {}, 2, /^CONFIG_INVALID: .*--http-port is "x"; it must be a whole number/],
  [[], { SERIN_TYPO: '1' }, 2, /^CONFIG_INVALID: .*SERIN_TYPO/],
  [['--http-host', '0.0.0.0'], {}, 1, /^LISTENER_INSECURE: /],
  [['--data', '/dev/null/x'], {}, 1, /^START_FAILED: .*\/dev\/null\/x/],
  [[], { DATABASE_URL: 'postgres://serin@127.0.0.1:1/serin', SERIN_DATABASE_WAIT_MS: '100' }, 1, /^DATABASE_UNREACHABLE: /m],
  [[], { MQTT_URL: 'mqtt://broker.example:1883' }, 1, /^LISTENER_INSECURE: /],
] as [string[], Record<string, string>, number, RegExp][])(
  '%j %j is one coded line',
  async (args, env, wanted, line) => {
    const own = args.includes('--data') ? [] : ['--data', await folder()];
    const { code, err } = await run([...own, ...anyPort, ...args], env).ended;
    expect(err).toMatch(line);
    expect(code).toBe(wanted);
  },
  60_000,
);

test('help lists the settings and needs nothing', async () => {
  const { code, out } = await run(['--help']).ended;
  expect(code).toBe(0);
  expect(out).toContain('--window-ms');
});

test('the files for Mosquitto are written from the keys of the fleet, also beside a running server', async () => {
  const [data, out] = [await seededFolder(), path.join(await folder(), 'broker')];
  const write = () => run(['mosquitto-config', '--data', data, '--out', out, '--mqtt-port', '18883']).ended;
  expect(await write()).toMatchObject({ code: 0, out: `${path.join(out, 'mosquitto.conf')}\n` });
  const ca = await readFile(path.join(out, 'ca.pem'), 'utf8');
  expect(ca).toBe(await readFile(path.join(data, 'keys', 'ca.pem'), 'utf8'));
  expect((await readdir(out)).sort()).toEqual(['access.acl', 'ca.pem', 'mosquitto.conf', 'server.key', 'server.pem']);
  const server = run(['--data', data, ...anyPort]);
  await server.ready;
  expect((await write()).code).toBe(0);
  expect((await run(['mosquitto-config', '--data', data]).ended).code).toBe(2);
}, 90_000);
