import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exampleDevice } from './testing/fixtures.ts';
import { startSmallServer } from './testing/small-server.ts';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const token = 'srn_secret';
let folder: string;
let server: Awaited<ReturnType<typeof startSmallServer>>;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'serin-cli-'));
  server = await startSmallServer(token, {
    getSession: () => ({ name: 'ada', role: 'admin', fleet: 'hall', demo: false, product: '0.1.0' }),
    listDevices: () => ({ items: [exampleDevice()], next: null, total: 1 }),
    getRollout: () => {
      throw new Error('not in this test');
    },
  });
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** The real program, compiled, in a process of its own. */
function run(args: string[], input: string, env: Record<string, string> = {}): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, HOME: folder, XDG_CONFIG_HOME: folder, ...env },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

test('the program signs in with a piped token, lists devices and ends with its codes', async () => {
  expect(await run(['login', '--url', server.url], `${token}\n`)).toMatchObject({ code: 0, out: expect.stringContaining('ada') });
  expect(JSON.parse(await readFile(path.join(folder, 'serin', 'profile.json'), 'utf8'))).toEqual({ url: server.url, token });
  const listed = await run(['device', 'ls', '-o', 'ndjson'], '');
  expect(listed.code).toBe(0);
  expect(JSON.parse(listed.out)).toEqual(exampleDevice());
  expect(await run(['device', 'nope'], '')).toMatchObject({ code: 2, out: '' });
  expect(await run(['device', 'get', 'cam-1'], '')).toMatchObject({ code: 4 });
});

test('with closed input nothing waits for an answer', async () => {
  expect(await run(['login', '--url', server.url], '')).toMatchObject({ code: 2 });
  expect(await run(['device', 'revoke', 'cam-1'], '', { SERIN_URL: server.url, SERIN_TOKEN: token })).toMatchObject({ code: 2 });
  expect(server.calls).toEqual([]);
});
