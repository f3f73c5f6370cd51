import { and, desc, eq } from 'drizzle-orm';
import { isSafePath, type ManifestEntry } from '@serin/models/datasets/manifest';
import { defaultShares } from '@serin/models/data/dataset';
import type { DataSpec, InputFile } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { digest, type Digest } from '@serin/protocol/ids';
import { recordAudit } from '../audit.ts';
import type { BlobStore } from '../blobs/disk.ts';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import { enqueueJob, type JobRow } from '../jobs/queue.ts';
import { missingBlobs } from '../runs/pipelines.ts';
import { datasets, datasetVersions } from '../store/schema.ts';
import { storable } from '../store/storable.ts';
import type { Db, Store } from '../store/store.ts';
import { findDatasetVersion, type DatasetVersionRow } from '../views/data.ts';
import { composeAlone, composeOn, readManifest, writeManifest, type Composed, type ReadBatch } from './compose.ts';

export interface DatasetContext {
  store: Store;
  blobs: BlobStore;
  changes: Changes;
  clock: Clock;
}

export interface PushOrder {
  name: string;
  files: readonly InputFile[];
  spec: DataSpec;
  mode: 'append' | 'replace';
  note: string;
}

export async function findLatest(db: Db, name: string): Promise<DatasetVersionRow | undefined> {
  const [row] = await db.select({ latest: datasets.latest }).from(datasets).where(eq(datasets.name, name));
  return row === undefined || row.latest === null ? undefined : findDatasetVersion(db, name, row.latest);
}

/** What was said of the columns before holds until something else is said; what is added to must be read alike. */
export function specFor(given: DataSpec, latest: DatasetVersionRow | undefined, mode: PushOrder['mode']): DataSpec {
  if (latest === undefined) return given;
  if (latest.kind !== given.kind)
    throw new SerinError('CONFLICT', { detail: `${latest.dataset} holds ${latest.kind}, not ${given.kind}`, hint: 'Choose another name' });
  if (mode === 'append') {
    for (const role of ['label', 'id', 'group', 'time'] as const) {
      if (given[role] === undefined || given[role] === latest.spec[role]) continue;
      throw new SerinError('CONFLICT', {
        detail: `the ${role} of ${latest.dataset} is ${latest.spec[role] ?? 'not set'}, not ${given[role]}`,
        hint: 'Leave it out, or push a version that replaces the one before',
      });
    }
  }
  return { ...latest.spec, ...given };
}

/** Paths below a folder, each once. */
export function checkPaths(files: readonly InputFile[]): void {
  const seen = new Set<string>();
  const wrong = files.flatMap(({ path }) => {
    const fault = !isSafePath(path) ? `${path} is no path below a folder` : seen.has(path) ? `${path} is there twice` : undefined;
    seen.add(path);
    return fault ?? [];
  });
  if (wrong.length > 0) throw new SerinError('BAD_REQUEST', { detail: wrong.slice(0, 12).join('; ') });
}

/** Begins to make a version, or tells which files have to be sent first. */
export async function pushFiles(
  { store, blobs, changes, clock }: DatasetContext,
  order: PushOrder,
  actor: string,
): Promise<{ missing: Digest[]; job?: JobRow }> {
  const { name, files, spec, mode, note } = order;
  checkPaths(files);
  specFor(spec, await findLatest(store.db, name), mode);
  const missing = await missingBlobs(blobs, files);
  if (missing.length > 0) return { missing };
  const request = await blobs.put(Buffer.from(JSON.stringify({ files, spec, mode })));
  const job = await store.transaction(async (tx) => {
    const row = await enqueueJob(tx, { kind: 'ingest', model: name, params: { request, note }, createdBy: actor }, clock());
    const words = `${mode === 'append' ? 'added' : 'pushed'} ${files.length} ${files.length === 1 ? 'file' : 'files'} to the dataset ${name}`;
    await recordAudit(tx, { at: clock(), actor, action: 'dataset.push', subject: name, words });
    return row;
  });
  changes.tell({ type: 'job', id: job.id });
  return { missing, job };
}

export interface NewDatasetVersion {
  name: string;
  batch: ReadBatch;
  mode: PushOrder['mode'];
  anomalies: Pick<DatasetVersionRow['detail'], 'anomalies' | 'anomaliesBeyond'> & { errors: number; warnings: number };
  source: string | null;
  note: string;
  createdBy: string;
}

export type CommittedVersion = Pick<DatasetVersionRow, 'version' | 'status'>;

/** The row under which numbers are given, held until the transaction ends. */
async function lockDataset(tx: Db, name: string, kind: DataSpec['kind'], now: number): Promise<{ latest: number | null; next: number }> {
  await tx.insert(datasets).values({ name, kind, createdAt: now }).onConflictDoNothing();
  const [row] = await tx.select().from(datasets).where(eq(datasets.name, name)).for('update');
  if (row !== undefined && row.kind !== kind) throw new SerinError('CONFLICT', { detail: `${name} holds ${row.kind}, not ${kind}` });
  const [newest] = await tx
    .select({ version: datasetVersions.version })
    .from(datasetVersions)
    .where(eq(datasetVersions.dataset, name))
    .orderBy(desc(datasetVersions.version))
    .limit(1);
  return { latest: row?.latest ?? null, next: (newest?.version ?? 0) + 1 };
}

/** How often a version that came in between makes it begin anew. */
const conflictsMax = 5;

/**
 * Makes a version of a batch: READY, or QUARANTINED where something is wrong. Everything large is stored as blobs first; then one
 * transaction gives the number and writes the row, with `alongside`. Nothing when the version would be the one before.
 */
export async function commitVersion(
  { store, blobs, changes, clock }: DatasetContext,
  order: NewDatasetVersion,
  alongside: (tx: Db, made: CommittedVersion | { same: number }) => Promise<void>,
): Promise<void> {
  const { name, batch, mode, anomalies, source, note, createdBy } = order;
  const status = anomalies.errors > 0 ? 'QUARANTINED' : 'READY';
  for (let attempt = 0; attempt < conflictsMax; attempt++) {
    const latest = await findLatest(store.db, name);
    // A batch in quarantine lies there by itself: what it would make of the newest version is known when it is released.
    const parent = mode === 'append' && status === 'READY' ? latest : undefined;
    const composed = parent === undefined ? await composeAlone(blobs, batch) : await composeOn(blobs, parent, batch, false);
    const isDone = await store.transaction(async (tx) => {
      const now = clock();
      const { latest: present, next } = await lockDataset(tx, name, batch.spec.kind, now);
      if (present !== (latest?.version ?? null)) return false;
      if (latest !== undefined && composed.digest === latest.digest) {
        await alongside(tx, { same: latest.version });
        return true;
      }
      const basis = mode === 'append' ? (latest?.version ?? null) : null;
      const { entries: _, columns, ...row } = composed;
      const { manifest, ...stored } = { ...row, manifest: await manifestOf(blobs, name, next, { ...composed, parent: basis }, note, now) };
      await tx.insert(datasetVersions).values({
        ...storable(stored),
        dataset: name,
        version: next,
        kind: batch.spec.kind,
        manifest,
        status,
        parent: basis,
        createdAt: now,
        createdBy,
        source,
        note: storable(note),
        errors: anomalies.errors,
        warnings: anomalies.warnings,
        detail: storable({ anomalies: anomalies.anomalies, anomaliesBeyond: anomalies.anomaliesBeyond, columns }),
      });
      if (status === 'READY') await tx.update(datasets).set({ latest: next }).where(eq(datasets.name, name));
      await alongside(tx, { version: next, status });
      return true;
    });
    if (!isDone) continue;
    changes.tell({ type: 'dataset', id: name });
    return;
  }
  throw new SerinError('CONFLICT', { detail: `versions of ${name} come faster than they can be added to` });
}

function manifestOf(
  blobs: BlobStore,
  dataset: string,
  version: number,
  { spec, entries, parent }: Pick<Composed, 'spec' | 'entries' | 'parent'>,
  note: string,
  now: number,
): Promise<Digest> {
  return writeManifest(blobs, { dataset, version, parent, createdAt: now, spec, shares: defaultShares, note, entries });
}

async function requireQuarantined(db: Db, name: string, version: number): Promise<DatasetVersionRow> {
  const row = await findDatasetVersion(db, name, version);
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `version ${version} of ${name}` });
  if (row.status !== 'QUARANTINED')
    throw new SerinError('CONFLICT', { detail: `version ${version} of ${name} is ${row.status}`, hint: 'Only a batch in quarantine is released or dropped' });
  return row;
}

const stillQuarantined = (name: string, version: number) =>
  and(eq(datasetVersions.dataset, name), eq(datasetVersions.version, version), eq(datasetVersions.status, 'QUARANTINED'));

async function batchOf(blobs: BlobStore, row: DatasetVersionRow): Promise<ReadBatch> {
  const entries: readonly ManifestEntry[] = (await readManifest(blobs, row.manifest)).entries;
  const schema = row.schema === null ? undefined : Buffer.from(await blobs.read(digest.parse(row.schema))).toString('utf8');
  const profile = row.profile === null ? undefined : await blobs.read(digest.parse(row.profile));
  return { spec: row.spec, entries, splits: row.splits, labels: row.labels, columns: row.detail.columns, schema, profile };
}

/** Uses a batch in quarantine all the same: on top of the version that is the newest now, where it adds to one. */
export async function releaseVersion(
  { store, blobs, changes, clock }: DatasetContext,
  name: string,
  version: number,
  note: string,
  actor: string,
): Promise<void> {
  for (let attempt = 0; attempt < conflictsMax; attempt++) {
    const row = await requireQuarantined(store.db, name, version);
    const latest = await findLatest(store.db, name);
    const batch = await batchOf(blobs, row);
    const composed = row.parent === null || latest === undefined ? await composeAlone(blobs, batch) : await composeOn(blobs, latest, batch, true);
    const isDone = await store.transaction(async (tx) => {
      const now = clock();
      const { latest: present } = await lockDataset(tx, name, row.kind, now);
      if (present !== (latest?.version ?? null)) return false;
      const { entries: _, columns, ...columnsOfRow } = composed;
      const manifest = await manifestOf(blobs, name, version, composed, row.note, row.createdAt);
      const decision = storable({ by: actor, at: now, note });
      const released = await tx
        .update(datasetVersions)
        .set({ ...storable(columnsOfRow), manifest, status: 'READY', decision, detail: storable({ ...row.detail, columns }) })
        .where(stillQuarantined(name, version))
        .returning({ version: datasetVersions.version });
      if (released.length === 0) throw new SerinError('CONFLICT', { detail: `version ${version} of ${name} was decided about meanwhile` });
      // One that stands alone is not newer for being released late.
      const newest = composed.parent === null ? Math.max(present ?? 0, version) : version;
      await tx.update(datasets).set({ latest: newest }).where(eq(datasets.name, name));
      const words = `released version ${version} of ${name} with ${row.errors} errors${note === '' ? '' : `: ${note}`}`;
      await recordAudit(tx, { at: now, actor, action: 'dataset.release', subject: `${name} ${version}`, words });
      return true;
    });
    if (!isDone) continue;
    changes.tell({ type: 'dataset', id: name });
    return;
  }
  throw new SerinError('CONFLICT', { detail: `versions of ${name} come faster than they can be added to` });
}

export async function dropVersion({ store, changes, clock }: DatasetContext, name: string, version: number, note: string, actor: string): Promise<void> {
  const row = await requireQuarantined(store.db, name, version);
  await store.transaction(async (tx) => {
    const now = clock();
    const dropped = await tx
      .update(datasetVersions)
      .set({ status: 'DROPPED', decision: storable({ by: actor, at: now, note }) })
      .where(stillQuarantined(name, version))
      .returning({ version: datasetVersions.version });
    if (dropped.length === 0) throw new SerinError('CONFLICT', { detail: `version ${version} of ${name} was decided about meanwhile` });
    const words = `dropped version ${version} of ${name} with ${row.errors} errors${note === '' ? '' : `: ${note}`}`;
    await recordAudit(tx, { at: now, actor, action: 'dataset.drop', subject: `${name} ${version}`, words });
  });
  changes.tell({ type: 'dataset', id: name });
}
