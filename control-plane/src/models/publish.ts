import { desc, eq } from 'drizzle-orm';
import { describePart, manifest as manifestSchema, type BundlePart, type Manifest } from '@serin/protocol/bundle/manifest';
import { signDocument, type SigningKey } from '@serin/protocol/bundle/signing';
import { chunkList } from '@serin/protocol/bundle/chunks';
import { sha256 } from '@serin/protocol/digest';
import { chunkBytes } from '@serin/protocol/limits';
import type { FleetId, ModelName } from '@serin/protocol/ids';
import { productVersion } from '@serin/protocol/version';
import type { BlobStore } from '../blobs/disk.ts';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import { models, versions } from '../store/schema.ts';
import type { Db, Store } from '../store/store.ts';

export type VersionRow = typeof versions.$inferSelect;

export interface PublishContext {
  store: Store;
  blobs: BlobStore;
  changes: Changes;
  clock: Clock;
  fleet: FleetId;
  release: SigningKey;
}

export interface NewVersion {
  model: ModelName;
  files: readonly BundlePart[];
  task: Manifest['task'];
  labels: readonly string[];
  inputs: Manifest['inputs'];
  outputs: Manifest['outputs'];
  metrics: Record<string, number>;
  decision?: Manifest['decision'];
  gate: VersionRow['gate'];
  origin: VersionRow['origin'];
  createdBy: string;
  note?: string;
  jobId?: string;
}

const utf8 = new TextEncoder();
const isUsed = ({ role }: Pick<BundlePart, 'role'>): boolean => role !== 'report';

/** The newest version of a model if it would do all that this one does: the same files, read and decided alike. Reports are of other days and machines. */
export async function findSameVersion(
  db: Db,
  model: string,
  { files, ...version }: Pick<NewVersion, 'files' | 'task' | 'labels' | 'inputs' | 'outputs' | 'decision'>,
): Promise<VersionRow | undefined> {
  const [newest] = await db.select().from(versions).where(eq(versions.model, model)).orderBy(desc(versions.version)).limit(1);
  if (newest === undefined) return undefined;
  const has = manifestSchema.parse(JSON.parse(newest.document.payload));
  const told = (bundle: readonly Pick<Manifest['files'][number], 'role' | 'variant' | 'path' | 'sha256'>[]): string =>
    JSON.stringify(bundle.map(({ role, variant, path, sha256: digest }) => [role, variant ?? null, path, digest]));
  const described = await Promise.all(
    files
      .filter(isUsed)
      .map(async ({ role, variant, path, bytes }) => ({ role, ...(variant === undefined ? {} : { variant }), path, sha256: await sha256(bytes) })),
  );
  const facts = (one: Pick<Manifest, 'task' | 'decision'> & Pick<NewVersion, 'labels' | 'inputs' | 'outputs'>): string =>
    JSON.stringify([
      one.task,
      one.labels,
      ...[one.inputs, one.outputs].map((tensors) => tensors.map(({ name, dtype, shape }) => [name, dtype, shape])),
      one.decision ?? null,
    ]);
  return told(has.files.filter(isUsed)) === told(described) && facts(has) === facts(version) ? newest : undefined;
}

/**
 * Makes a version of finished files: blobs and their chunk lists first, then, in one transaction, the next number,
 * the signed manifest and the row. `alongside` joins that transaction. What a crash leaves behind are blobs nobody names.
 */
export async function publishVersion(
  context: PublishContext,
  version: NewVersion,
  alongside?: (tx: Db, row: VersionRow) => Promise<void>,
): Promise<VersionRow> {
  const { store, blobs, changes, clock, fleet, release } = context;
  const files: Manifest['files'] = [];
  for (const part of version.files) {
    const { file, chunks } = await describePart(part);
    await blobs.put(part.bytes);
    await blobs.put(chunks);
    files.push(file);
  }
  const row = await store.transaction(async (tx) => {
    const now = clock();
    await tx.insert(models).values({ name: version.model, createdAt: now }).onConflictDoNothing();
    // The model's row is the lock under which numbers are given.
    await tx.select().from(models).where(eq(models.name, version.model)).for('update');
    const [newest] = await tx
      .select({ version: versions.version })
      .from(versions)
      .where(eq(versions.model, version.model))
      .orderBy(desc(versions.version))
      .limit(1);
    const manifest: Manifest = {
      v: 1,
      fleet,
      model: version.model,
      version: (newest?.version ?? 0) + 1,
      createdAt: now,
      minAgent: productVersion,
      task: version.task,
      inputs: [...version.inputs],
      outputs: [...version.outputs],
      labels: [...version.labels],
      files,
      metrics: version.metrics,
      ...(version.decision === undefined ? {} : { decision: version.decision }),
    };
    const document = await signDocument('manifest', manifest, [release]);
    const bytes = utf8.encode(JSON.stringify(document));
    const digest = await blobs.put(bytes);
    await blobs.put(await chunkList(bytes, chunkBytes));
    const [inserted] = await tx
      .insert(versions)
      .values({
        model: version.model,
        version: manifest.version,
        manifest: digest,
        manifestBytes: bytes.length,
        bundleBytes: files.reduce((sum, file) => sum + file.size, 0),
        document,
        createdAt: now,
        createdBy: version.createdBy,
        origin: version.origin,
        note: version.note ?? '',
        jobId: version.jobId ?? null,
        metrics: version.metrics,
        gate: version.gate,
        signedBy: release.id,
      })
      .returning();
    if (inserted === undefined) throw new Error('an insert returned no row');
    await alongside?.(tx, inserted);
    return inserted;
  });
  changes.tell({ type: 'models' });
  return row;
}
