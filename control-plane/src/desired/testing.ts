import { digest, modelName } from '@serin/protocol/ids';
import { models, versions } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

/** Versions of a model as rows, without files. */
export async function addVersions(
  db: Db,
  name: string,
  numbers: readonly number[],
  champion: number | null = null,
  parts: Partial<typeof versions.$inferInsert> = {},
): Promise<void> {
  const model = modelName.parse(name);
  await db.insert(models).values({ name: model, createdAt: 1, champion }).onConflictDoUpdate({ target: models.name, set: { champion } });
  await db.insert(versions).values(
    numbers.map((version) => ({
      model,
      version,
      manifest: digest.parse(version.toString(16).padStart(64, '0')),
      manifestBytes: 100,
      bundleBytes: 1_000,
      document: { kind: 'manifest' as const, payload: JSON.stringify({ task: 'image-classification' }), signatures: [] },
      createdAt: 1,
      createdBy: 'test',
      origin: 'trained' as const,
      metrics: {},
      signedBy: 'k',
      ...parts,
    })),
  );
}
