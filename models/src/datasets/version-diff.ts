import { createHash } from 'node:crypto';

import { noProblems } from '../data/problems.ts';
import type { BlobFolder } from './blob-folder.ts';
import { diffManifests, type Manifest, type ManifestDiff, type ManifestEntry } from './manifest.ts';
import { openVersion, type DatasetStore } from './store.ts';
import { openVersionRecords } from './version-files.ts';

export interface RowDiff {
  readonly added: number;
  readonly removed: number;
  /** Rows of the same id with other content; without an id a changed row is one removed and one added. */
  readonly changed: number;
}

export interface VersionDiff extends ManifestDiff {
  /** Null where the files are no tables, or have too many rows to compare. */
  readonly rows: RowDiff | null;
}

const rowsMax = 10_000_000;

/** 52 bits of a hash: as a key of a map a number is far smaller than a text. */
const keyOf = (text: string): number => Number.parseInt(createHash('sha256').update(text).digest('hex').slice(0, 13), 16);

type Rows = Map<number, number[]>;

/** Hashes of rows by the hash of their id, or of themselves. Only files that the other version lacks are read. */
async function hashRows(blobs: BlobFolder, manifest: Manifest, entries: readonly ManifestEntry[], signal: AbortSignal | undefined): Promise<Rows | undefined> {
  const rows: Rows = new Map();
  if (entries.length === 0) return rows;
  let count = 0;
  for await (const { names, columns, rows: size } of openVersionRecords(blobs, { ...manifest, entries }, { problems: noProblems(), signal })) {
    count += size;
    if (count > rowsMax) return undefined;
    const order = names.map((_, place) => place).sort((one, other) => ((names[one] ?? '') < (names[other] ?? '') ? -1 : 1));
    const id = manifest.spec.id === undefined ? undefined : columns[names.indexOf(manifest.spec.id)];
    for (let row = 0; row < size; row += 1) {
      const content = keyOf(JSON.stringify(order.map((place) => [names[place], columns[place]?.[row]])));
      const cell = id?.[row];
      const key = cell === null || cell === undefined ? content : keyOf(`id ${String(cell)}`);
      const known = rows.get(key);
      if (known === undefined) rows.set(key, [content]);
      else known.push(content);
    }
  }
  return rows;
}

/** Rows that are the same in both cancel each other out, wherever they stand. */
export function countRowDifferences(before: Rows, after: Rows): RowDiff {
  let [added, removed, changed] = [0, 0, 0];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const old = [...(before.get(key) ?? [])].sort((one, other) => one - other);
    const now = [...(after.get(key) ?? [])].sort((one, other) => one - other);
    let same = 0;
    for (let left = 0, right = 0; left < old.length && right < now.length;) {
      const order = (old[left] ?? 0) - (now[right] ?? 0);
      if (order === 0) same += 1;
      if (order <= 0) left += 1;
      if (order >= 0) right += 1;
    }
    const [fresh, rest] = [now.length - same, old.length - same];
    const both = Math.min(fresh, rest);
    changed += both;
    added += fresh - both;
    removed += rest - both;
  }
  return { added, removed, changed };
}

/** In what two versions of a dataset differ: their files, and the rows of those that differ. */
export async function diffVersions(store: DatasetStore, dataset: string, from: number, to: number, signal?: AbortSignal): Promise<VersionDiff> {
  const [before, after] = [await openVersion(store, dataset, from), await openVersion(store, dataset, to)];
  const diff = diffManifests(before, after);
  const isTable = (manifest: Manifest): boolean => manifest.spec.kind !== 'images' && manifest.spec.format !== 'folders';
  if (!isTable(before) || !isTable(after)) return { ...diff, rows: null };
  const [old, now] = [diff.changed.map((change) => change.from), diff.changed.map((change) => change.to)];
  const gone = await hashRows(store.blobs, before, [...diff.removed, ...old], signal);
  const come = await hashRows(store.blobs, after, [...diff.added, ...now], signal);
  return { ...diff, rows: gone === undefined || come === undefined ? null : countRowDifferences(gone, come) };
}
