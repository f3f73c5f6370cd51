import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { hasCode, syncFolder } from '@serin/node/files';
import { lockFolder, type FolderLock } from '@serin/node/folder-lock';
import { dataSpec, datasetName, type DataSpec } from '@serin/protocol/api/datasets';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';

import { defaultShares, type SplitName, type SplitShares } from '../data/dataset.ts';
import { inParallel } from '../data/parallel.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { digestOf, openBlobFolder, type BlobFolder } from './blob-folder.ts';
import {
  dataDigest,
  decodeManifest,
  decodeSummary,
  encodeManifest,
  isSafePath,
  manifestLimits,
  mergeEntries,
  summarise,
  type Manifest,
  type ManifestEntry,
  type ManifestSummary,
  type MergeResult,
} from './manifest.ts';
import { splitFile } from './splits.ts';

/** Datasets in a folder: blobs by their content, and a manifest for each version, which never changes. */
export interface DatasetStore {
  readonly folder: string;
  readonly blobs: BlobFolder;
  readonly now: () => number;
  readonly lockWaitMs: number;
}

export interface StoreOptions {
  readonly now?: () => number;
  /** How long a writer waits for another one. */
  readonly lockWaitMs?: number;
}

export async function openDatasetStore(folder: string, { now = Date.now, lockWaitMs = 30_000 }: StoreOptions = {}): Promise<DatasetStore> {
  await mkdir(path.join(folder, 'versions'), { recursive: true, mode: 0o700 });
  return { folder, blobs: await openBlobFolder(folder), now, lockWaitMs };
}

const lockPollMs = 20;

async function waitForLock({ folder, lockWaitMs }: DatasetStore, signal: AbortSignal | undefined): Promise<FolderLock> {
  for (let waitedMs = 0; ; waitedMs += lockPollMs) {
    throwIfCancelled(signal);
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (!(error instanceof SerinError) || error.code !== 'DATA_LOCKED' || waitedMs >= lockWaitMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, lockPollMs));
    }
  }
}

/** One writer at a time, in this process or another; readers need no lock, for what they read never changes. */
async function asOnlyWriter<Result>(store: DatasetStore, signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
  const lock = await waitForLock(store, signal);
  try {
    await sweep(store);
    return await work();
  } finally {
    await lock.release();
  }
}

/** What writers that were cut off left behind. */
async function sweep({ folder }: DatasetStore): Promise<void> {
  for (const name of await readdir(path.join(folder, 'incoming'))) await rm(path.join(folder, 'incoming', name), { force: true });
}

function versionsFolder({ folder }: DatasetStore, dataset: string): string {
  const name = datasetName.safeParse(dataset);
  if (!name.success) throw new SerinError('BAD_REQUEST', { detail: `${JSON.stringify(dataset.slice(0, 80))} is no name of a dataset` });
  return path.join(folder, 'versions', name.data);
}

const versionFile = (store: DatasetStore, dataset: string, version: number): string =>
  path.join(versionsFolder(store, dataset), `${String(version).padStart(9, '0')}.jsonl`);

/** Numbers that were given, with those of removed versions: none is given twice. */
async function versionNumbers(store: DatasetStore, dataset: string): Promise<{ readonly present: number[]; readonly last: number }> {
  const names = await readdir(versionsFolder(store, dataset)).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw asSerinError(error);
  });
  const found = names.flatMap((name) => {
    const [, number, state] = /^(\d{9})\.(jsonl|removed)$/.exec(name) ?? [];
    return number === undefined ? [] : [{ number: Number(number), present: state === 'jsonl' }];
  });
  found.sort((one, other) => one.number - other.number);
  return { present: found.filter(({ present }) => present).map(({ number }) => number), last: found.at(-1)?.number ?? 0 };
}

/** A file that is to be part of a version. */
export interface NewFile extends Pick<ManifestEntry, 'path' | 'rows' | 'label' | 'split' | 'source' | 'time'> {
  /** Where it lies now. */
  readonly file: string;
}

export interface AddOptions {
  readonly dataset: string;
  readonly spec: DataSpec;
  readonly files: Iterable<NewFile> | AsyncIterable<NewFile>;
  /** `append` adds to the newest version, `replace` makes one of these files alone. */
  readonly mode?: 'append' | 'replace';
  readonly shares?: SplitShares;
  readonly note?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly files: number; readonly bytes: number }) => void;
}

export interface Added extends Pick<MergeResult, 'copies'> {
  readonly version: ManifestSummary;
  /** Training would see what it saw before: no version was made, and this is the newest. */
  readonly unchanged: boolean;
}

/** Whether each file is one example, and so has its side as a whole. */
const isExampleAFile = ({ kind, format }: DataSpec): boolean => kind === 'images' || format === 'folders';

/** Makes a version whole or not at all, whatever happens meanwhile: it is there from the moment its manifest has its name. */
export async function addVersion(store: DatasetStore, options: AddOptions): Promise<Added> {
  const { dataset, mode = 'append', shares = defaultShares, note = '', signal } = options;
  const parsed = dataSpec.safeParse(options.spec);
  if (!parsed.success) throw new SerinError('BAD_REQUEST', { detail: `what the columns are for: ${parsed.error.issues[0]?.message ?? ''}` });
  const spec = parsed.data;
  return asOnlyWriter(store, signal, async () => {
    const { present, last } = await versionNumbers(store, dataset);
    const newest = present.at(-1);
    const parent = newest === undefined ? undefined : await readVersion(store, dataset, newest);
    const added = await takeIn(store, spec, shares, options);
    const { entries, copies } = mergeEntries(mode === 'append' ? (parent?.entries ?? []) : [], added);
    if (entries.length > manifestLimits.entries)
      throw new SerinError('TOO_LARGE', { detail: `${entries.length} files; a version has at most ${manifestLimits.entries}` });
    if (entries.length === 0) throw new SerinError('BAD_REQUEST', { detail: 'a version needs at least one file', hint: 'Name the files it is made of' });
    if (parent !== undefined && dataDigest(parent) === dataDigest({ spec, shares, entries })) return { version: summarise(parent), unchanged: true, copies };
    const manifest: Manifest = {
      dataset,
      version: last + 1,
      parent: mode === 'append' ? (newest ?? null) : null,
      createdAt: store.now(),
      spec,
      shares,
      note,
      entries,
    };
    throwIfCancelled(signal);
    await writeManifest(store, manifest);
    return { version: summarise(manifest), unchanged: false, copies };
  });
}

async function takeIn(store: DatasetStore, spec: DataSpec, shares: SplitShares, { files, signal, onProgress }: AddOptions): Promise<ManifestEntry[]> {
  const list: NewFile[] = [];
  for await (const file of files) {
    if (!isSafePath(file.path)) throw new SerinError('BAD_REQUEST', { detail: `${JSON.stringify(file.path.slice(0, 200))} is no path below a dataset` });
    if (list.length >= manifestLimits.entries) throw new SerinError('TOO_LARGE', { detail: `more than ${manifestLimits.entries} files` });
    list.push(file);
  }
  const entries: ManifestEntry[] = [];
  const done = { files: 0, bytes: 0 };
  await inParallel(list.length, 4, async (index) => {
    const { file, ...described } = list[index] as NewFile;
    const { sha256, bytes } = await putFile(store.blobs, file, signal);
    const split = described.split ?? (isExampleAFile(spec) ? splitFile(sha256, shares) : undefined);
    entries[index] = { ...described, ...(split === undefined ? {} : { split: split satisfies SplitName }), sha256, bytes };
    done.files += 1;
    done.bytes += bytes;
    onProgress?.({ ...done });
  });
  return entries;
}

/** Read once to see whether it is there already, and only then copied. */
async function putFile(blobs: BlobFolder, file: string, signal: AbortSignal | undefined): Promise<{ readonly sha256: Digest; readonly bytes: number }> {
  try {
    const known = await digestOf(createReadStream(file, { highWaterMark: 256 * 1024 }), signal);
    if (await blobs.has(known.sha256)) {
      const there = await digestOf(createReadStream(blobs.locate(known.sha256)), signal);
      if (there.sha256 === known.sha256) return known;
    }
    return await blobs.put(createReadStream(file, { highWaterMark: 256 * 1024 }), signal);
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'EISDIR')) throw new SerinError('NOT_FOUND', { detail: `the file ${file}`, cause: error });
    throw asSerinError(error);
  }
}

async function writeManifest(store: DatasetStore, manifest: Manifest): Promise<void> {
  const temporary = path.join(store.folder, 'incoming', `manifest-${manifest.version}`);
  const folder = versionsFolder(store, manifest.dataset);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      for (const text of encodeManifest(manifest)) await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(path.dirname(folder));
    await rename(temporary, versionFile(store, manifest.dataset, manifest.version));
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw asSerinError(error);
  }
}

const notThere = (dataset: string, version: number | undefined): SerinError =>
  new SerinError('NOT_FOUND', { detail: version === undefined ? `a version of the dataset ${dataset}` : `version ${version} of the dataset ${dataset}` });

async function readVersion(store: DatasetStore, dataset: string, version: number): Promise<Manifest> {
  try {
    return await decodeManifest(createReadStream(versionFile(store, dataset, version)) as AsyncIterable<Buffer>);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw notThere(dataset, version);
    throw error;
  }
}

/** The manifest of a version, the newest when none is named. Its files are opened by `checkedFiles`. */
export async function openVersion(store: DatasetStore, dataset: string, version?: number): Promise<Manifest> {
  const number = version ?? (await versionNumbers(store, dataset)).present.at(-1);
  if (number === undefined) throw notThere(dataset, version);
  return readVersion(store, dataset, number);
}

/** Newest first. */
export async function listVersions(store: DatasetStore, dataset: string): Promise<ManifestSummary[]> {
  const summaries: ManifestSummary[] = [];
  for (const version of (await versionNumbers(store, dataset)).present.reverse()) {
    summaries.push(await decodeSummary(createReadStream(versionFile(store, dataset, version), { highWaterMark: 16 * 1024 }) as AsyncIterable<Buffer>));
  }
  return summaries;
}

export async function listDatasets({ folder }: DatasetStore): Promise<string[]> {
  return (await readdir(path.join(folder, 'versions'))).filter((name) => datasetName.safeParse(name).success).sort();
}

/** Forgets a version; its number is not given again, and its files go with `removeUnreferenced`. */
export async function removeVersion(store: DatasetStore, dataset: string, version: number, signal?: AbortSignal): Promise<void> {
  await asOnlyWriter(store, signal, async () => {
    if (!(await versionNumbers(store, dataset)).present.includes(version)) throw notThere(dataset, version);
    const file = versionFile(store, dataset, version);
    await writeFile(file.replace(/jsonl$/, 'removed'), '');
    await syncFolder(path.dirname(file));
    await rm(file);
    await syncFolder(path.dirname(file));
  });
}

async function* allVersions(store: DatasetStore): AsyncGenerator<{ readonly dataset: string; readonly version: number }> {
  for (const dataset of await listDatasets(store)) for (const version of (await versionNumbers(store, dataset)).present) yield { dataset, version };
}

/** Removes the blobs that no version names. A manifest that cannot be read stops it: nothing is removed on a guess. */
export async function removeUnreferenced(store: DatasetStore, signal?: AbortSignal): Promise<{ readonly blobs: number; readonly bytes: number }> {
  return asOnlyWriter(store, signal, async () => {
    const named = new Set<Digest>();
    for await (const { dataset, version } of allVersions(store))
      for (const { sha256 } of (await readVersion(store, dataset, version)).entries) named.add(sha256);
    let [blobs, bytes] = [0, 0];
    for await (const digest of store.blobs.list()) {
      throwIfCancelled(signal);
      if (named.has(digest)) continue;
      bytes += await store.blobs.remove(digest);
      blobs += 1;
    }
    return { blobs, bytes };
  });
}

export interface StoreFault {
  readonly kind: 'missing' | 'damaged' | 'manifest';
  /** `dataset/version`, and the path of the file in it. */
  readonly where: string;
  readonly sha256?: Digest;
  readonly words: string;
}

/** Reads every blob that a version names, once. */
export async function verifyStore(
  store: DatasetStore,
  { signal, onProgress }: Pick<AddOptions, 'signal' | 'onProgress'> = {},
): Promise<{ readonly files: number; readonly bytes: number; readonly faults: StoreFault[] }> {
  const faults: StoreFault[] = [];
  const checked = new Set<Digest>();
  const done = { files: 0, bytes: 0 };
  for await (const { dataset, version } of allVersions(store)) {
    const manifest = await readVersion(store, dataset, version).catch((error: unknown) => {
      faults.push({ kind: 'manifest', where: `${dataset}/${version}`, words: asSerinError(error).message });
      return undefined;
    });
    for (const { sha256, path: name } of manifest?.entries ?? []) {
      throwIfCancelled(signal);
      if (checked.has(sha256)) continue;
      checked.add(sha256);
      const where = `${dataset}/${version} ${name}`;
      if (!(await store.blobs.has(sha256))) faults.push({ kind: 'missing', where, sha256, words: 'the file is missing' });
      else {
        const found = await digestOf(createReadStream(store.blobs.locate(sha256)), signal);
        done.bytes += found.bytes;
        if (found.sha256 !== sha256) faults.push({ kind: 'damaged', where, sha256, words: `it has other content than it had (${found.bytes} bytes)` });
      }
      done.files += 1;
      onProgress?.({ ...done });
    }
  }
  return { ...done, faults };
}
