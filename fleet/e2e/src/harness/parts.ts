import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, createConnection } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';

/** Real system parts for the external stack: Debian's PostgreSQL and Mosquitto, on free ports, ended by id. */
export interface Part {
  url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Until the port accepts connections; the part's own end is an error. */
async function untilListening(port: number, child: ChildProcess, what: string, limitMs = 30_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${what} ended with code ${child.exitCode}`);
    const socket = createConnection(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    if (performance.now() > deadline) throw new Error(`${what} does not listen after ${limitMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** scripts/system-parts.mjs says where each part is; run without it, the usual places are tried. */
export function postgresBinaries(): string | undefined {
  if (process.env.SERIN_TEST_POSTGRES_BIN) return process.env.SERIN_TEST_POSTGRES_BIN;
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => `/usr/lib/postgresql/${version}/bin`).find((folder) => existsSync(path.join(folder, 'initdb')));
}

export const mosquittoBinary = (): string | undefined =>
  process.env.SERIN_TEST_MOSQUITTO || ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'].find((file) => existsSync(file));

/** PostgreSQL refuses to run as root, so it runs as an unprivileged user then. */
function unprivileged(command: string, args: string[]): [string, string[]] {
  return process.getuid?.() === 0 ? ['setpriv', ['--reuid=nobody', '--regid=nogroup', '--clear-groups', command, ...args]] : [command, args];
}

export async function startPostgres(folder: string): Promise<Part> {
  const binaries = postgresBinaries();
  if (binaries === undefined) throw new Error('PostgreSQL is not installed (Debian: postgresql)');
  const data = path.join(folder, 'postgres');
  mkdirSync(data, { recursive: true });
  if (process.getuid?.() === 0) execFileSync('chown', ['nobody:nogroup', data]);
  // Every folder above must be enterable for the unprivileged user.
  chmodSync(folder, 0o755);
  const [initdb, initdbArgs] = unprivileged(path.join(binaries, 'initdb'), ['-D', data, '-U', 'serin', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8']);
  execFileSync(initdb, initdbArgs, { stdio: 'ignore' });
  const port = await freePort();
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const [command, args] = unprivileged(path.join(binaries, 'postgres'), [
      '-D',
      data,
      '-p',
      String(port),
      '-h',
      '127.0.0.1',
      '-k',
      data,
      '-c',
      'max_connections=40',
    ]);
    child = spawn(command, args, { stdio: 'ignore' });
    await untilListening(port, child, 'PostgreSQL');
  };
  await start();
  const [createdb, createdbArgs] = unprivileged(path.join(binaries, 'createdb'), ['-h', '127.0.0.1', '-p', String(port), '-U', 'serin', 'serin']);
  for (let attempt = 0; ; attempt++) {
    try {
      execFileSync(createdb, createdbArgs, { stdio: 'pipe' });
      break;
    } catch (error) {
      if (attempt > 50 || !String((error as { stderr?: Buffer }).stderr).includes('starting up')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return { url: `postgres://serin@127.0.0.1:${port}/serin`, start, stop: async () => child && endChild(child, 'SIGINT') };
}

/** Mosquitto with the configuration that the product prints. */
export async function startMosquitto(folder: string, port: number, files: { conf: string }): Promise<Part> {
  const binary = mosquittoBinary();
  if (binary === undefined) throw new Error('Mosquitto is not installed (Debian: mosquitto)');
  const log = path.join(folder, 'mosquitto.log');
  writeFileSync(log, '');
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn(binary, ['-c', files.conf], { stdio: 'ignore' });
    await untilListening(port, child, 'Mosquitto');
  };
  await start();
  return { url: `mqtts://127.0.0.1:${port}`, start, stop: async () => child && endChild(child, 'SIGTERM') };
}
