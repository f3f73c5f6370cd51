import { createHash, randomBytes } from 'node:crypto';
import { copyFile, link, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { hasCode, syncTree } from '@serin/node/files';
import { lockFolder, type FolderLock } from '@serin/node/folder-lock';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';

import { throwIfCancelled } from '../train/cancellation.ts';

/**
 * What stages made, by the digest of all it depends on. Folders of the cache:
 *
 *     entries/<key>/   outputs of a finished stage and `entry.json`; appears whole, by a rename, and never changes
 *     work/<key>/      of a stage under way: its lock and its checkpoints; a killed run finds them there
 *     runs/<id>/       of a run: its lock, and hard links to every entry it uses
 *
 * A run reads its links only, so whatever the cache forgets, a running pipeline keeps; the kernel ends the lock of a dead run.
 */
export interface EntryOutput {
  readonly name: string;
  readonly sha256: Digest;
  readonly bytes: number;
}

export interface EntryFacts<Record> {
  readonly outputs: readonly EntryOutput[];
  /** What the stage reported, as JSON. */
  readonly record: Record;
}

/** An entry as a run holds it. */
export interface HeldEntry<Record> extends EntryFacts<Record> {
  readonly key: Digest;
  /** Its bytes, checked against their digest. */
  read(name: string): Promise<Uint8Array>;
}

export interface WorkPlace {
  /** For checkpoints; what lies there survives a kill. */
  readonly folder: string;
  clear(): Promise<void>;
  /** `forget` what lies there, once the entry is made. */
  release(forget: boolean): Promise<void>;
}

export interface StageCache {
  /** The entry, if it is there and whole. */
  find<Record>(key: Digest): Promise<HeldEntry<Record> | undefined>;
  /** Resolves once it would outlive a power loss. */
  add<Record>(key: Digest, outputs: ReadonlyMap<string, Uint8Array>, record: Record): Promise<HeldEntry<Record>>;
  drop(key: Digest): Promise<void>;
  /** The right to make an entry; waits while another process has it. */
  claim(key: Digest, signal?: AbortSignal): Promise<WorkPlace>;
  /** Lets go of what the run held, and forgets what was used least recently, down to the limit. */
  close(): Promise<void>;
}

export interface CacheOptions {
  readonly folder: string;
  readonly bytesMax: number;
  readonly now: () => number;
}

export const cacheBytesMaxDefault = 20 * 2 ** 30;
const entryFile = 'entry.json';
const claimPollMs = 200;

export async function openStageCache(options: CacheOptions): Promise<StageCache> {
  const { folder, now } = options;
  const places = { entries: path.join(folder, 'entries'), work: path.join(folder, 'work'), runs: path.join(folder, 'runs') };
  for (const place of Object.values(places)) await mkdir(place, { recursive: true });
  const own = path.join(places.runs, randomBytes(8).toString('hex'));
  const lock = await lockFolder(own);
  const entryOf = (key: Digest): string => path.join(places.entries, key);
  const heldOf = (key: Digest): string => path.join(own, key);

  const hold = async <Record>(key: Digest): Promise<HeldEntry<Record> | undefined> => {
    const source = entryOf(key);
    const target = heldOf(key);
    const facts = (await linkEntry(source, target)) as EntryFacts<Record> | undefined;
    if (facts === undefined) return undefined;
    await utimes(path.join(source, entryFile), now() / 1000, now() / 1000).catch(() => {});
    return { ...facts, key, read: (name) => readOutput(target, facts.outputs, name) };
  };

  return {
    find: async <Record>(key: Digest) => {
      const held = await hold<Record>(key);
      if (held === undefined) return undefined;
      try {
        for (const { name } of held.outputs) await held.read(name);
        return held;
      } catch (error) {
        if (!(error instanceof SerinError)) throw error;
        // A disk that lost some of it: made again, as if it had never been there.
        await rm(entryOf(key), { recursive: true, force: true });
        await rm(heldOf(key), { recursive: true, force: true });
        return undefined;
      }
    },
    add: async <Record>(key: Digest, outputs: ReadonlyMap<string, Uint8Array>, record: Record) => {
      const temporary = path.join(places.entries, `.${key}.${randomBytes(6).toString('hex')}`);
      try {
        await writeEntry(temporary, outputs, record);
        await rename(temporary, entryOf(key)).catch((error: unknown) => {
          if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST') && !hasCode(error, 'EPERM')) throw error;
        });
        await syncTree(entryOf(key));
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
      const held = await hold<Record>(key);
      if (held === undefined) throw new SerinError('JOB_FAILED', { detail: `the cache lost the entry ${key} while it was written` });
      return held;
    },
    drop: (key) => rm(entryOf(key), { recursive: true, force: true }),
    claim: (key, signal) => claimWork(path.join(places.work, key), signal),
    close: async () => {
      await lock.release();
      await rm(own, { recursive: true, force: true });
      await sweep(places, options);
    },
  };
}

/** What the file says, or nothing where it is missing or damaged. */
async function readFacts(file: string): Promise<EntryFacts<unknown> | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as EntryFacts<unknown>;
  } catch {
    return undefined;
  }
}

/** Undefined where the entry is not there, or is not any more by the time its files are linked. */
async function linkEntry(source: string, target: string): Promise<EntryFacts<unknown> | undefined> {
  const facts = await readFacts(path.join(source, entryFile));
  if (facts === undefined) return undefined;
  await mkdir(target, { recursive: true });
  try {
    for (const { name } of facts.outputs) await linkFile(path.join(source, name), path.join(target, name));
    return facts;
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return undefined;
  }
}

/** Another name for the same bytes; a copy where the disk knows no such thing. */
export async function linkFile(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    if (!['EPERM', 'ENOTSUP', 'EXDEV', 'EMLINK', 'ENOSYS'].some((code) => hasCode(error, code))) throw error;
    await copyFile(source, target);
  }
}

async function readOutput(folder: string, outputs: readonly EntryOutput[], name: string): Promise<Uint8Array> {
  const output = outputs.find((one) => one.name === name);
  if (output === undefined) throw new RangeError(`the stage has no output ${name}`);
  const bytes = await readFile(path.join(folder, name));
  if (sha256Of(bytes) !== output.sha256)
    throw new SerinError('DATASET_DAMAGED', { detail: `${name} in the cache has changed`, hint: 'Run the pipeline again' });
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export const sha256Of = (bytes: Uint8Array | string): Digest => createHash('sha256').update(bytes).digest('hex') as Digest;

async function writeEntry(folder: string, outputs: ReadonlyMap<string, Uint8Array>, record: unknown): Promise<void> {
  await mkdir(folder);
  const listed: EntryOutput[] = [];
  for (const [name, bytes] of outputs) {
    await writeFile(path.join(folder, name), bytes, { mode: 0o600 });
    listed.push({ name, sha256: sha256Of(bytes), bytes: bytes.length });
  }
  await writeFile(path.join(folder, entryFile), JSON.stringify({ outputs: listed, record }), { mode: 0o600 });
  await syncTree(folder);
}

async function claimWork(folder: string, signal: AbortSignal | undefined): Promise<WorkPlace> {
  for (;;) {
    throwIfCancelled(signal);
    let lock: FolderLock | undefined;
    try {
      lock = await lockFolder(folder);
    } catch (error) {
      // Held by another run, or just being removed by one that is done with it.
      const isTaken = error instanceof SerinError && error.code === 'DATA_LOCKED';
      if (!isTaken && !hasCode(error, 'ENOENT')) throw error;
    }
    if (lock === undefined) {
      await pause(claimPollMs, signal);
      continue;
    }
    const held = lock;
    const state = path.join(folder, 'state');
    return {
      folder: state,
      clear: () => rm(state, { recursive: true, force: true }),
      release: async (forget) => {
        if (forget) await rm(state, { recursive: true, force: true });
        await held.release();
        if (forget) await rm(folder, { recursive: true, force: true });
      },
    };
  }
}

const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });

interface Places {
  readonly entries: string;
  readonly work: string;
  readonly runs: string;
}

/** One process at a time; whoever finds another at it leaves it to that one. */
async function sweep(places: Places, { folder, bytesMax, now }: CacheOptions): Promise<void> {
  let lock: FolderLock;
  try {
    lock = await lockFolder(path.join(folder, 'sweep'));
  } catch (error) {
    if (error instanceof SerinError && error.code === 'DATA_LOCKED') return;
    throw error;
  }
  try {
    await removeDead(places.runs, now() - youngAgeMs);
    await removeTorn(places.entries, now() - tornAgeMs);
    const found = [...(await measureAll(places.entries)), ...(await measureAll(places.work))].toSorted((one, other) => one.usedAt - other.usedAt);
    let total = found.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { place, bytes } of found) {
      if (total <= bytesMax) break;
      const gone = path.dirname(place) === places.work ? await removeWork(place) : await removeEntry(place);
      if (gone) total -= bytes;
    }
  } finally {
    await lock.release();
  }
}

/** Written by a process that ended before the rename; one that still writes is younger. */
const tornAgeMs = 3_600_000;

async function removeTorn(folder: string, before: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('.')) continue;
    const facts = await stat(path.join(folder, name)).catch(() => undefined);
    if (facts !== undefined && facts.mtimeMs < before) await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

/** A run that is just beginning has a folder before it has a lock. */
const youngAgeMs = 60_000;

async function removeDead(runs: string, before: number): Promise<void> {
  for (const name of await readdir(runs)) {
    const place = path.join(runs, name);
    const facts = await stat(place).catch(() => undefined);
    if (facts !== undefined && facts.mtimeMs < before) await removeWork(place);
  }
}

/** Unless somebody holds its lock; held ourselves while it goes. */
async function removeWork(place: string): Promise<boolean> {
  let lock: FolderLock;
  try {
    lock = await lockFolder(place);
  } catch {
    return false;
  }
  for (const name of await readdir(place)) if (!name.startsWith('lock-')) await rm(path.join(place, name), { recursive: true, force: true });
  await lock.release();
  await rm(place, { recursive: true, force: true });
  return true;
}

/** Unless a run that lives has links to its files. */
async function removeEntry(place: string): Promise<boolean> {
  for (const name of await readdir(place)) {
    if (name !== entryFile && (await stat(path.join(place, name))).nlink > 1) return false;
  }
  await rm(place, { recursive: true, force: true });
  return true;
}

interface Measured {
  readonly place: string;
  readonly bytes: number;
  readonly usedAt: number;
}

async function measureAll(folder: string): Promise<Measured[]> {
  const found: Measured[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith('.')) found.push(await measure(path.join(folder, name)));
  }
  return found;
}

/** An entry was used when its facts were last touched; work, when something in it was last written. */
async function measure(place: string): Promise<Measured> {
  let [bytes, newest] = [0, 0];
  let touched: number | undefined;
  for (const entry of await readdir(place, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const facts = await stat(path.join(entry.parentPath, entry.name)).catch(() => undefined);
    if (facts === undefined) continue;
    bytes += facts.size;
    newest = Math.max(newest, facts.mtimeMs);
    if (entry.name === entryFile) touched = facts.mtimeMs;
  }
  return { place, bytes, usedAt: touched ?? newest };
}
