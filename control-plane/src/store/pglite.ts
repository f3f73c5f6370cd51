import { spawn } from 'node:child_process';
import { fdatasyncSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { PGlite, type PGliteOptions } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { SerinError } from '@serin/protocol/errors';
import { syncFolder, syncTree } from '@serin/node/files';

const initialMemoryBytes = 128 << 20;

interface NodeFileStream {
  nfd: number;
}

/** What PGlite hands to Emscripten; it does not export the type. */
type ModuleOptions = Parameters<NodeFS['init']>[1];

/** PGlite's Node file system has no fsync of its own: a commit would be durable in name only. */
class DurableNodeFs extends NodeFS {
  override async init(database: PGlite, options: ModuleOptions): Promise<{ emscriptenOpts: ModuleOptions }> {
    const { emscriptenOpts } = await super.init(database, options);
    const preRun = emscriptenOpts.preRun ?? [];
    preRun.push((module: { NODEFS: { stream_ops: { fsync?: (stream: NodeFileStream) => number } } }) => {
      module.NODEFS.stream_ops.fsync = (stream) => {
        fdatasyncSync(stream.nfd);
        return 0;
      };
    });
    return { emscriptenOpts: { ...emscriptenOpts, preRun } };
  }
}

const startParams = [...PGlite.defaultStartParams.filter((param) => param !== '-F'), '-c', 'fsync=on', '-c', 'wal_sync_method=fsync'];

/** Runs alone: making a cluster takes 800 MB, which this process would never give back. */
const makeCluster = `const { PGlite } = require(process.argv[1]); const { NodeFS } = require(process.argv[2]);
process.on('disconnect', () => process.exit(1));
PGlite.create({ fs: new NodeFS(process.argv[3]) }).then((db) => db.close()).then(() => process.exit(0), (error) => { console.error(String(error)); process.exit(1); });`;

function runMakeCluster(folder: string): Promise<void> {
  const require = createRequire(import.meta.url);
  const modules = [require.resolve('@electric-sql/pglite'), require.resolve('@electric-sql/pglite/nodefs')];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', makeCluster, ...modules, folder], {
      // The channel tells it when this process is gone.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { PATH: process.env.PATH ?? '' },
    });
    let words = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      words = (words + bytes.toString()).slice(-2000);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new SerinError(words.includes('ENOSPC') ? 'DISK_FULL' : 'START_FAILED', {
            detail: `making the database ended with ${signal ?? code}: ${words.trim()}`,
          }),
        );
    });
  });
}

/** What was made halfway by a process that is gone. Its own child may still be writing for a moment, and be gone only later. */
async function removeUnfinished(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) if (name.startsWith(prefix)) await rm(path.join(parent, name), { recursive: true, force: true, maxRetries: 10 });
}

/** A cluster that was made halfway is never taken for one: it gets its name only once it is on the disk whole. */
async function ensureCluster(folder: string): Promise<void> {
  const parent = path.dirname(folder);
  const prefix = `${path.basename(folder)}.unfinished-`;
  await removeUnfinished(parent, prefix);
  if (await stat(path.join(folder, 'PG_VERSION')).catch(() => undefined)) return;
  await rm(folder, { recursive: true, force: true });
  // A name of its own: what is left of an attempt that was cut off may still be writing.
  const unfinished = path.join(parent, `${prefix}${randomBytes(6).toString('hex')}`);
  await mkdir(unfinished, { recursive: true });
  await runMakeCluster(unfinished);
  await syncTree(unfinished);
  await rename(unfinished, folder);
  await removeUnfinished(parent, prefix);
  await syncFolder(parent);
}

/** PostgreSQL in this process: every commit is on the disk before it is answered. */
export async function openPglite(folder: string): Promise<PGlite> {
  await ensureCluster(folder);
  const options: PGliteOptions = { fs: new DurableNodeFs(folder), initialMemory: initialMemoryBytes, startParams };
  return PGlite.create(options);
}
