import { createHash } from 'node:crypto';

import { dataSpec, datasetName, type DataSpec } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';

import { defaultShares, type SplitName, type SplitShares } from '../data/dataset.ts';

/** One file of a version. */
export interface ManifestEntry {
  /** Its name in the dataset, with `/`. */
  readonly path: string;
  readonly sha256: Digest;
  readonly bytes: number;
  readonly rows?: number;
  /** Class of the whole file, where the file is one example. */
  readonly label?: string;
  /** Where the file is one example, or was meant for one side; records of tables are split by themselves. */
  readonly split?: SplitName;
  /** Where it came from, and when it was written there. */
  readonly source?: string;
  readonly time?: number;
}

export interface ManifestHeader {
  readonly dataset: string;
  readonly version: number;
  readonly parent: number | null;
  readonly createdAt: number;
  readonly spec: DataSpec;
  readonly shares: SplitShares;
  readonly note: string;
}

/** What a version is made of, in the order of the paths. The bytes lie elsewhere, under their digests. */
export interface Manifest extends ManifestHeader {
  readonly entries: readonly ManifestEntry[];
}

/** The header with what it says of the whole, which is enough for a list of versions. */
export interface ManifestSummary extends ManifestHeader {
  readonly files: number;
  readonly bytes: number;
  readonly rows: number;
  /** Of all that training sees: equal data, equal digest. */
  readonly data: Digest;
}

export const manifestLimits = { entries: 1_000_000, lineBytes: 16 * 1024, pathLength: 1024 } as const;
const piece = 256 * 1024;

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const byPath = (one: ManifestEntry, other: ManifestEntry): number => compare(one.path, other.path);

/** What training sees of a file. Names, sources and times may differ between equal data. */
const seen = ({ sha256, label = '', split }: ManifestEntry): string => `${sha256} ${split ?? ''} ${JSON.stringify(label)}`;

/** The order in which files are read: by content, so that equal data is read alike whatever its files are called. */
export function inReadingOrder(entries: readonly ManifestEntry[]): ManifestEntry[] {
  const keys = new Map(entries.map((entry) => [entry, seen(entry)]));
  return [...entries].sort((one, other) => compare(keys.get(one) ?? '', keys.get(other) ?? '') || byPath(one, other));
}

/** The identity of data: files, labels and splits, what its columns are for and how it is split. */
export function dataDigest({ spec, shares, entries }: Pick<Manifest, 'spec' | 'shares' | 'entries'>): Digest {
  const hash = createHash('sha256').update(canonical({ spec, shares }));
  for (const key of entries.map(seen).sort()) hash.update(`\n${key}`);
  return hash.digest('hex') as Digest;
}

/** JSON with sorted keys, so that equal values are equal texts. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields
    .sort(([one], [other]) => compare(one, other))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`)
    .join(',')}}`;
}

export function summarise(manifest: Manifest): ManifestSummary {
  const { entries, ...header } = manifest;
  let [bytes, rows] = [0, 0];
  for (const entry of entries) [bytes, rows] = [bytes + entry.bytes, rows + (entry.rows ?? 0)];
  return { ...header, files: entries.length, bytes, rows, data: dataDigest(manifest) };
}

/** JSON lines in pieces: the summary, then a line a file in the order of their paths. Equal manifests are equal texts. */
export function* encodeManifest(manifest: Manifest): Generator<string> {
  const { dataset, version, parent, createdAt, spec, shares, note, files, bytes, rows, data } = summarise(manifest);
  let text = `{"v":1,${canonical({ dataset, version, parent, createdAt, spec, shares, note, files, bytes, rows, data }).slice(1)}\n`;
  for (const { path, sha256, bytes: size, rows: records, label, split, source, time } of [...manifest.entries].sort(byPath)) {
    text += `${JSON.stringify({ path, sha256, bytes: size, rows: records, label, split, source, time })}\n`;
    if (text.length < piece) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** Of the encoded manifest: names one version of one dataset, with its history. */
export function manifestDigest(manifest: Manifest): Digest {
  const hash = createHash('sha256');
  for (const text of encodeManifest(manifest)) hash.update(text);
  return hash.digest('hex') as Digest;
}

const malformed = (detail: string): SerinError => new SerinError('DATASET_DAMAGED', { detail: `the manifest: ${detail}` });
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const splits: readonly unknown[] = [undefined, 'train', 'validation', 'test'];
const isShortText = (value: unknown, most: number): boolean => value === undefined || (typeof value === 'string' && value.length <= most);

/** A path that stays below whatever folder it is put into, on any system. */
export function isSafePath(path: string): boolean {
  if (path === '' || path.length > manifestLimits.pathLength || /[\0\\]/.test(path) || /^[a-z]:/i.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function parseLine(line: string, number: number): Record<string, unknown> {
  if (line.length > manifestLimits.lineBytes * 4) throw malformed(`line ${number} is too long`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw malformed(`line ${number} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`line ${number} is not an object`);
  return value as Record<string, unknown>;
}

function parseSummary(line: string): ManifestSummary {
  const { v, dataset, version, parent, createdAt, spec, shares, note, files, bytes, rows, data } = parseLine(line, 1);
  if (v !== 1) throw malformed(`it is of form ${String(v)}; this program knows form 1`);
  const parsed = dataSpec.safeParse(spec);
  const { validation, test } = (typeof shares === 'object' && shares !== null ? shares : defaultShares) as Record<string, unknown>;
  const isShare = (share: unknown): share is number => typeof share === 'number' && share >= 0 && share <= 1;
  if (!datasetName.safeParse(dataset).success || !isCount(version) || !(parent === null || isCount(parent)) || !isCount(createdAt) || !parsed.success) {
    throw malformed('its first line does not describe a version');
  }
  if (!isShare(validation) || !isShare(test) || !isCount(files) || !isCount(bytes) || !isCount(rows) || !digestSchema.safeParse(data).success) {
    throw malformed('its first line does not describe a version');
  }
  return {
    dataset: dataset as string,
    version,
    parent,
    createdAt,
    spec: parsed.data,
    shares: { validation, test },
    note: typeof note === 'string' ? note : '',
    files,
    bytes,
    rows,
    data: data as Digest,
  };
}

function parseEntry(line: string, number: number): ManifestEntry {
  const { path, sha256, bytes, rows, label, split, source, time } = parseLine(line, number);
  const sound =
    typeof path === 'string' &&
    isSafePath(path) &&
    digestSchema.safeParse(sha256).success &&
    isCount(bytes) &&
    (rows === undefined || isCount(rows)) &&
    (time === undefined || isCount(time)) &&
    isShortText(label, 1024) &&
    isShortText(source, 1024) &&
    splits.includes(split);
  if (!sound) throw malformed(`line ${number} does not describe a file`);
  return {
    path,
    sha256: sha256 as Digest,
    bytes,
    ...(rows === undefined ? {} : { rows: rows as number }),
    ...(label === undefined ? {} : { label: label as string }),
    ...(split === undefined ? {} : { split: split as SplitName }),
    ...(source === undefined ? {} : { source: source as string }),
    ...(time === undefined ? {} : { time: time as number }),
  };
}

async function* linesOf(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  try {
    for await (const bytes of pieces) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > manifestLimits.lineBytes * 4) throw malformed('a line is too long');
      yield* lines;
    }
    rest += decoder.decode();
  } catch (error) {
    throw error instanceof TypeError ? malformed('it is not UTF-8 text') : error;
  }
  if (rest !== '') throw malformed('it ends within a line');
}

/** The first line alone. */
export async function decodeSummary(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<ManifestSummary> {
  for await (const line of linesOf(pieces)) return parseSummary(line);
  throw malformed('it is empty');
}

/** The whole manifest, checked against what its first line says of it: one that was cut off or changed is refused. */
export async function decodeManifest(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Manifest> {
  let summary: ManifestSummary | undefined;
  const entries: ManifestEntry[] = [];
  let number = 0;
  for await (const line of linesOf(pieces)) {
    number += 1;
    if (summary === undefined) summary = parseSummary(line);
    else {
      const entry = parseEntry(line, number);
      const before = entries.at(-1);
      if (before !== undefined && byPath(before, entry) >= 0) throw malformed(`line ${number} is out of order`);
      if (entries.length >= manifestLimits.entries) throw malformed(`it has more than ${manifestLimits.entries} files`);
      entries.push(entry);
    }
  }
  if (summary === undefined) throw malformed('it is empty');
  const { files, bytes, rows, data, ...header } = summary;
  const manifest = { ...header, entries };
  const found = summarise(manifest);
  if (found.files !== files || found.bytes !== bytes || found.rows !== rows || found.data !== data)
    throw malformed('its files are not those its first line tells of');
  return manifest;
}

export interface MergeResult {
  readonly entries: ManifestEntry[];
  /** Files left out because the same content, with the same label and side, is there under another name. */
  readonly copies: readonly { readonly path: string; readonly of: string }[];
}

/**
 * The files of the next version: those of the parent where it is added to, with the new ones. A new file under a known name takes its
 * place; the same content under another name is left out, or a delivery that came twice would count twice.
 */
export function mergeEntries(parent: readonly ManifestEntry[], added: readonly ManifestEntry[]): MergeResult {
  const byName = new Map(parent.map((entry) => [entry.path, entry]));
  const named = new Map(added.map((entry) => [entry.path, entry]));
  const contents = new Map([...byName.values()].filter(({ path }) => !named.has(path)).map((entry) => [seen(entry), entry.path]));
  const copies: { path: string; of: string }[] = [];
  for (const entry of [...named.values()].sort(byPath)) {
    const of = contents.get(seen(entry));
    if (of !== undefined) {
      copies.push({ path: entry.path, of });
      byName.delete(entry.path);
    } else {
      contents.set(seen(entry), entry.path);
      byName.set(entry.path, entry);
    }
  }
  return { entries: [...byName.values()].sort(byPath), copies };
}

export interface ManifestDiff {
  readonly added: readonly ManifestEntry[];
  readonly removed: readonly ManifestEntry[];
  readonly changed: readonly { readonly from: ManifestEntry; readonly to: ManifestEntry }[];
  readonly moved: readonly { readonly from: ManifestEntry; readonly to: ManifestEntry }[];
  readonly unchanged: number;
  /** Whether training would see anything else. */
  readonly sameData: boolean;
  readonly specChanged: boolean;
}

export function diffManifests(from: Manifest, to: Manifest): ManifestDiff {
  const before = new Map(from.entries.map((entry) => [entry.path, entry]));
  const after = new Map(to.entries.map((entry) => [entry.path, entry]));
  const changed: { from: ManifestEntry; to: ManifestEntry }[] = [];
  let unchanged = 0;
  for (const entry of to.entries) {
    const old = before.get(entry.path);
    if (old === undefined) continue;
    if (seen(old) === seen(entry)) unchanged += 1;
    else changed.push({ from: old, to: entry });
  }
  const gone = new Map<string, ManifestEntry[]>();
  for (const entry of from.entries) if (!after.has(entry.path)) gone.set(seen(entry), [...(gone.get(seen(entry)) ?? []), entry]);
  const moved: { from: ManifestEntry; to: ManifestEntry }[] = [];
  const added: ManifestEntry[] = [];
  for (const entry of to.entries) {
    if (before.has(entry.path)) continue;
    const old = gone.get(seen(entry))?.shift();
    if (old === undefined) added.push(entry);
    else moved.push({ from: old, to: entry });
  }
  const removed = [...gone.values()].flat().sort(byPath);
  const specChanged = canonical([from.spec, from.shares]) !== canonical([to.spec, to.shares]);
  // Files may have changed places: then only the digests tell.
  const sameData = !specChanged && added.length === removed.length && (added.length + changed.length === 0 || dataDigest(from) === dataDigest(to));
  return { added, removed, changed, moved, unchanged, sameData, specChanged };
}
