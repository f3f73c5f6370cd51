import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '@serin/inference/random';
import { decode } from '@serin/protocol/codec';
import { deviceId } from '@serin/protocol/ids';
import type { Reported } from '@serin/protocol/messages/reported';
import { up } from '@serin/protocol/topics';
import { startControlPlane, type TestControlPlane } from './testing/control-plane.ts';
import { emptyFolder } from './testing/folder.ts';

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const cam = deviceId.parse('cam-1');
const washer = [0, 64, 64, 0, 0.875];
const nut = [1, 64, 64, 0, 0.875];

interface AgentProcess {
  child: ChildProcess;
  output: { text: string };
  ready: Promise<unknown>;
  ended: Promise<number | null>;
  lines(event: string): Record<string, unknown>[];
}

/** The agent as it is started, compiled. */
function startAgent(args: readonly string[], env: Record<string, string> = {}): AgentProcess {
  const child = fork(program, [...args], {
    execArgv: [],
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => (output.text += bytes.toString()));
  // A child whose channel was cut from this side tells no 'close'.
  const drained = [child.stdout, child.stderr].flatMap((stream) => (stream === null ? [] : [once(stream, 'end')]));
  const ended = Promise.all([once(child, 'exit'), ...drained]).then(([[code]]) => code as number | null);
  const ready = Promise.race([
    once(child, 'message').then(([message]) => message as unknown),
    ended.then(() => Promise.reject(new Error(`it ended:\n${output.text.slice(-2000)}`))),
  ]);
  ready.catch(() => undefined);
  const lines = (event: string): Record<string, unknown>[] =>
    output.text
      .split('\n')
      .filter((line) => line.includes(`"msg":"${event}"`))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { child, output, ready, ended, lines };
}

async function joining(server: TestControlPlane, data: string): Promise<string[]> {
  const tokenFile = path.join(await emptyFolder(), 'token');
  await writeFile(tokenFile, `${server.token}\n`);
  return ['--data', data, '--join', server.url, '--token-file', tokenFile, '--site', 'hall-a', '--fps', '50'];
}

const serves = (version: number) => (report: Reported) => {
  const [model] = report.models;
  return model?.phase === 'IDLE' && model.active?.version === version;
};

test('help, and mistakes on the command line: one line, exit code 2', async () => {
  const help = startAgent(['--help']);
  expect(await help.ended).toBe(0);
  expect(help.output.text).toContain('--variant-preference');
  const wrong = startAgent(['--fps', 'fast']);
  expect(await wrong.ended).toBe(2);
  expect(wrong.output.text).toBe('CONFIG_INVALID: A setting is unknown or malformed: --fps is "fast"; it must be a number from 0.1 to 240\n');
});

test('a device that never joined says how to, a folder is used by one process, written by no newer one, and a port that is taken is named', async () => {
  const data = await emptyFolder();
  const alone = startAgent(['--data', data]);
  expect(await alone.ended).toBe(1);
  expect(alone.output.text).toContain('NOT_JOINED');

  const server = await startControlPlane();
  const holder = startAgent(await joining(server, data));
  await holder.ready;
  const second = startAgent(['--data', data]);
  expect(await second.ended).toBe(1);
  expect(second.output.text).toContain(`DATA_LOCKED: Another process uses this data folder: ${data}. Stop the process with id ${holder.child.pid}`);
  holder.child.kill('SIGTERM');
  await holder.ended;

  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const portless = startAgent(['--data', data, '--http-port', String(port)]);
  expect(await portless.ended).toBe(1);
  expect(portless.output.text).toMatch(new RegExp(`^PORT_TAKEN: .*127.0.0.1:${port}`, 'm'));

  await writeFile(path.join(data, 'format.json'), '{"format":2}');
  const older = startAgent(['--data', data]);
  expect(await older.ended).toBe(1);
  expect(older.output.text).toContain('DATA_NEWER');
}, 60_000);

test('from the join to frames that are answered, acknowledged telemetry and a swap; then a clean end and a second life without a token', async () => {
  const server = await startControlPlane();
  const data = await emptyFolder();
  const first = startAgent([...(await joining(server, data)), '--http-port', '0']);
  expect(await first.ready).toEqual({ type: 'ready', device: 'cam-1' });
  const birth = await server.broker.until(up(cam, 'status'));
  expect(decode('status', birth.payload)).toMatchObject({ online: true, hello: { class: 'agent', site: 'hall-a', synthetic: true } });

  const one = await server.publish(1, washer);
  await server.order([one]);
  await server.reported(serves(1));
  await expect.poll(() => server.frames(1), { timeout: 20_000 }).toBeGreaterThan(20);
  await server.order([await server.publish(2, nut)]);
  await server.reported(serves(2));
  await expect.poll(() => server.frames(2), { timeout: 20_000 }).toBeGreaterThan(20);
  await server.broker.until(up(cam, 'smp'));

  const [{ httpPort } = {}] = first.lines('agent started');
  const health = (await (await fetch(`http://127.0.0.1:${Number(httpPort)}/healthz`)).json()) as unknown;
  expect(health).toMatchObject({ status: 'ok', connected: true, models: [{ active: { version: 2 } }] });
  const metrics = await (await fetch(`http://127.0.0.1:${Number(httpPort)}/metrics`)).text();
  expect(metrics).toContain('serin_agent_connected 1');
  expect(metrics).toMatch(/serin_agent_model_version\{model="picker",variant="fp32"\} 2/);
  expect((await fetch(`http://127.0.0.1:${Number(httpPort)}/identity`)).status).toBe(404);

  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(0);
  const farewell = await server.broker.until(up(cam, 'status'), ({ payload }) => !decode('status', payload).online);
  expect(decode('status', farewell.payload).conn).toBe(decode('status', birth.payload).conn);

  const before = server.frames(2);
  const second = startAgent(['--data', data, '--fps', '50']);
  await second.ready;
  await expect.poll(() => server.frames(2), { timeout: 20_000 }).toBeGreaterThan(before);
  // Its parent is gone, or at least its channel: nobody else would end it.
  second.child.disconnect();
  expect(await second.ended).toBe(0);
  const acknowledged = [...first.lines('telemetry acknowledged'), ...second.lines('telemetry acknowledged')].flatMap(
    ({ windows }) => windows as [string, number][],
  );
  expect(acknowledged.length).toBeGreaterThan(3);
  for (const [boot, seq] of acknowledged) expect(server.committed).toContain(`${boot}/${seq}`);
  const identity = JSON.parse(await readFile(path.join(data, 'identity', 'identity.json'), 'utf8')) as { keyPem: string };
  expect(first.output.text + second.output.text).not.toContain(identity.keyPem.slice(40, 80));
}, 120_000);

test('a bundle whose bytes are not what was signed is refused, and the device stays on its version and says why', async () => {
  const server = await startControlPlane();
  const agent = startAgent(await joining(server, await emptyFolder()));
  await agent.ready;
  await server.order([await server.publish(1, washer)]);
  await server.reported(serves(1));
  const spoiled = await server.publish(2, nut, (blobs, { files }) => {
    for (const { sha256, role } of files) if (role === 'model') blobs.set(sha256, new Uint8Array(blobs.get(sha256)?.length ?? 0));
  });
  await server.order([spoiled]);
  const report = await server.reported(({ models }) => models[0]?.last?.version === 2);
  expect(report.models[0]).toMatchObject({ active: { version: 1 }, last: { outcome: 'REJECTED', code: 'BUNDLE_DIGEST_MISMATCH' } });
  const before = server.frames(1);
  await expect.poll(() => server.frames(1), { timeout: 20_000 }).toBeGreaterThan(before);
}, 120_000);

test('killed at random moments of updates, it converges every time, and nothing it saw acknowledged is missing', async () => {
  const random = seededRandom(5);
  const server = await startControlPlane();
  const data = await emptyFolder();
  const versions = [await server.publish(1, washer), await server.publish(2, nut)];
  let agent = startAgent(await joining(server, data));
  await agent.ready;
  const acknowledged: string[] = [];
  for (let round = 0; round < 4; round++) {
    const wanted = versions[round % 2];
    if (wanted === undefined) throw new Error('no version');
    const framesBefore = server.frames(wanted.version);
    await server.order([wanted]);
    await new Promise((resolve) => setTimeout(resolve, random.integer(900)));
    agent.child.kill('SIGKILL');
    await agent.ended;
    acknowledged.push(
      ...agent.lines('telemetry acknowledged').flatMap(({ windows }) => (windows as [string, number][]).map(([boot, seq]) => `${boot}/${seq}`)),
    );
    agent = startAgent(['--data', data, '--fps', '50']);
    await agent.ready;
    await expect.poll(() => server.frames(wanted.version), { timeout: 30_000, message: `round ${round}` }).toBeGreaterThan(framesBefore + 10);
  }
  for (const id of acknowledged) expect(server.committed).toContain(id);
}, 180_000);
