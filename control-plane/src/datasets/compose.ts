import { createReadStream } from 'node:fs';
import { defaultShares } from '@serin/models/data/dataset';
import { columnSummaries } from '@serin/models/data/quality/column-summary';
import { inferSchema } from '@serin/models/data/quality/infer-schema';
import { mergeProfiles } from '@serin/models/data/quality/profile';
import { columnsApart, parseSchema } from '@serin/models/data/quality/schema';
import { summarise as summariseProfile } from '@serin/models/data/quality/summary';
import { decodeManifest, encodeManifest, mergeEntries, summarise, type Manifest, type ManifestEntry } from '@serin/models/datasets/manifest';
import type { ColumnSummary, DataSpec } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { digest, type Digest } from '@serin/protocol/ids';
import type { BlobStore } from '../blobs/disk.ts';
import type { SplitCounts } from '../jobs/ingest-folder.ts';
import type { DatasetVersionRow } from '../views/data.ts';
import { decodeProfile, encodeProfile } from './profile-blob.ts';

/** What a version is, beside its number and who made it. */
export type Composed = Pick<DatasetVersionRow, 'spec' | 'digest' | 'schema' | 'profile' | 'parent' | 'files' | 'bytes' | 'rows' | 'splits' | 'labels'> & {
  entries: readonly ManifestEntry[];
  columns: ColumnSummary[];
};

/** A batch as it was read: of a job that has just ended, or of a version in quarantine. */
export interface ReadBatch {
  spec: DataSpec;
  entries: readonly ManifestEntry[];
  splits: SplitCounts;
  labels: { label: string; count: number }[];
  columns: ColumnSummary[];
  schema: string | undefined;
  profile: Uint8Array | undefined;
}

export async function readManifest(blobs: BlobStore, manifest: string): Promise<Manifest> {
  try {
    return await decodeManifest(createReadStream(blobs.locate(digest.parse(manifest))) as AsyncIterable<Uint8Array>);
  } catch (cause) {
    if (cause instanceof SerinError) throw cause;
    throw new SerinError('DATASET_DAMAGED', { detail: `the manifest ${manifest} cannot be read`, cause });
  }
}

export async function writeManifest(blobs: BlobStore, manifest: Manifest): Promise<Digest> {
  return blobs.put(Buffer.concat([...encodeManifest(manifest)].map((piece) => Buffer.from(piece))));
}

const putText = (blobs: BlobStore, text: string): Promise<Digest> => blobs.put(Buffer.from(text));

/** The batch as a version by itself. */
export async function composeAlone(blobs: BlobStore, batch: ReadBatch): Promise<Composed> {
  const { spec, entries, splits, labels, columns, schema, profile } = batch;
  const { files, bytes, rows, data } = summarise({ ...noHeader, spec, shares: defaultShares, entries });
  return {
    spec,
    entries,
    digest: data,
    parent: null,
    files,
    bytes,
    rows,
    splits,
    labels,
    columns,
    schema: schema === undefined ? null : await putText(blobs, schema),
    profile: profile === undefined ? null : await blobs.put(profile),
  };
}

/** Only what training sees is digested. */
const noHeader = { dataset: 'any', version: 0, parent: null, createdAt: 0, note: '' };

/** A file that comes under a name that is taken keeps both: what was delivered before is not replaced by what comes after. */
function withFreeNames(parent: readonly ManifestEntry[], added: readonly ManifestEntry[], version: number): ManifestEntry[] {
  const taken = new Set(parent.map(({ path }) => path));
  return added.map((entry) => (taken.has(entry.path) ? { ...entry, path: `${version + 1}-${entry.sha256.slice(0, 8)}/${entry.path}` } : entry));
}

const addCounts = (one: SplitCounts, other: SplitCounts): SplitCounts => ({
  train: one.train + other.train,
  validation: one.validation + other.validation,
  test: one.test + other.test,
});

function addLabels(one: Composed['labels'], other: Composed['labels']): Composed['labels'] {
  const counts = new Map(one.map(({ label, count }) => [label, count]));
  for (const { label, count } of other) counts.set(label, (counts.get(label) ?? 0) + count);
  return [...counts].map(([label, count]) => ({ label, count })).sort((left, right) => right.count - left.count);
}

/**
 * The batch on top of a version. Counts and profiles add up, so nothing that lies there is read again. The schema stays the one the
 * batch was held against; `accepted`: a person has released what breaks it, so the next batch is held against one that bears it.
 */
export async function composeOn(blobs: BlobStore, parent: DatasetVersionRow, batch: ReadBatch, accepted: boolean): Promise<Composed> {
  const before = await readManifest(blobs, parent.manifest);
  const { entries, copies } = mergeEntries(before.entries, withFreeNames(before.entries, batch.entries, parent.version));
  if (copies.length > 0) {
    const [first] = copies;
    throw new SerinError('CONFLICT', {
      detail: `${copies.length} of ${batch.entries.length} files are in version ${parent.version} by now, ${first?.path ?? ''} say`,
      hint: 'Push the files again: those that are there are left out then',
    });
  }
  const { spec } = batch;
  const { files, bytes, rows, data } = summarise({ ...noHeader, spec, shares: before.shares, entries });
  const known = {
    spec,
    entries,
    digest: data,
    parent: parent.version,
    files,
    bytes,
    rows,
    splits: addCounts(parent.splits, batch.splits),
    labels: addLabels(parent.labels, batch.labels).slice(0, 1000),
  };
  const [older, newer] = [
    parent.profile === null ? undefined : decodeProfile(await blobs.read(digest.parse(parent.profile))),
    batch.profile === undefined ? undefined : decodeProfile(batch.profile),
  ];
  if (older === undefined || newer === undefined || parent.schema === null) {
    const { columns, schema, profile } = await composeAlone(blobs, batch);
    return { ...known, columns, schema, profile };
  }
  const state = mergeProfiles(older, newer);
  const contract = parseSchema(Buffer.from(await blobs.read(digest.parse(parent.schema))).toString('utf8'));
  const profile = summariseProfile(state, { label: spec.label, apart: columnsApart(contract) });
  const schema = accepted ? inferSchema(profile, { spec }) : contract;
  return {
    ...known,
    columns: columnSummaries(profile, schema),
    schema: await putText(blobs, JSON.stringify(schema)),
    profile: await blobs.put(encodeProfile(state)),
  };
}
