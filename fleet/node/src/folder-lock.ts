import { randomBytes } from 'node:crypto';
import { closeSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import path from 'node:path';
import { SerinError } from '@serin/protocol/errors';

export interface FolderLock {
  release(): Promise<void>;
}

const lockName = /^lock-(\d{9})$/;
/** Shortest limit of a unix socket path on the platforms Node runs on, with room for the end. */
const socketPathMax = 90;

interface Holder {
  pid: number;
  socket: string;
}

function generations(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => lockName.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
}

const lockFile = (folder: string, generation: number): string => path.join(folder, `lock-${String(generation).padStart(9, '0')}`);

function readHolder(folder: string, generation: number): Holder | undefined {
  try {
    const [pid = '', socket = ''] = readFileSync(lockFile(folder, generation), 'utf8').split('\n');
    return { pid: Number(pid), socket };
  } catch {
    return undefined;
  }
}

/** The address of a socket in the folder; long paths go through a descriptor of the folder, which only Linux offers. */
function withAddress<Result>(folder: string, socket: string, use: (address: string) => Promise<Result>): Promise<Result> {
  if (process.platform === 'win32') return use(`\\\\.\\pipe\\${socket}`);
  const file = path.join(folder, socket);
  if (Buffer.byteLength(file) <= socketPathMax || process.platform !== 'linux') return use(file);
  const descriptor = openSync(folder, 'r');
  return use(`/proc/self/fd/${descriptor}/${socket}`).finally(() => closeSync(descriptor));
}

function isLive(folder: string, socket: string): Promise<boolean> {
  return withAddress(
    folder,
    socket,
    (address) =>
      new Promise((resolve) => {
        const connection = createConnection(address);
        connection.once('connect', () => {
          connection.destroy();
          resolve(true);
        });
        connection.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'));
      }),
  );
}

function listen(folder: string, socket: string): Promise<Server> {
  return withAddress(
    folder,
    socket,
    (address) =>
      new Promise((resolve, reject) => {
        const server = createServer((connection) => connection.destroy());
        server.once('error', reject);
        server.listen(address, () => {
          server.unref();
          resolve(server);
        });
      }),
  );
}

/**
 * One process per folder. The kernel ends a dead holder's socket, so a crash frees the lock at once.
 * Claims are numbered files made by `link`, which one process alone can win; the highest number counts
 * and is never deleted or used again, so a slow contender cannot take away a claim it has not seen.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const socket = `lock-${randomBytes(6).toString('hex')}.sock`;
  const claim = path.join(folder, `${socket}.claim`);
  const server = await listen(folder, socket);
  const release = async (): Promise<void> => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(path.join(folder, socket), { force: true });
  };
  writeFileSync(claim, `${process.pid}\n${socket}\n`);
  try {
    for (;;) {
      const [newest] = generations(folder);
      const holder = newest === undefined ? undefined : readHolder(folder, newest);
      if (holder !== undefined && (await isLive(folder, holder.socket))) {
        throw new SerinError('DATA_LOCKED', { detail: folder, hint: `Stop the process with id ${holder.pid}, or choose another folder with --data` });
      }
      const mine = (newest ?? 0) + 1;
      try {
        linkSync(claim, lockFile(folder, mine));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        throw error;
      }
      if (generations(folder)[0] !== mine) {
        unlinkSync(lockFile(folder, mine));
        continue;
      }
      forgetDead(folder, mine, holder);
      return { release };
    }
  } catch (error) {
    await release();
    throw error;
  } finally {
    rmSync(claim, { force: true });
  }
}

function forgetDead(folder: string, mine: number, before: Holder | undefined): void {
  for (const generation of generations(folder)) if (generation < mine) rmSync(lockFile(folder, generation), { force: true });
  if (before !== undefined && process.platform !== 'win32') rmSync(path.join(folder, before.socket), { force: true });
}
