import { isDeepStrictEqual } from 'node:util';
import { and, asc, eq, isNotNull } from 'drizzle-orm';
import type { DeviceId, ModelName } from '@serin/protocol/ids';
import { desiredModel, type DesiredModel } from '@serin/protocol/messages/desired';
import { SerinError } from '@serin/protocol/errors';
import { desired, models, outbox, versions } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

export interface DesiredChange {
  /** The whole list, from the present one. */
  models?: (present: readonly DesiredModel[]) => readonly DesiredModel[];
  samplesPerWindow?: number;
}

/**
 * Changes what a device shall do: a higher revision and the promise to publish it, in the caller's transaction.
 * A change that changes nothing costs nothing. Returns the revision that now holds.
 */
export async function setDesired(tx: Db, device: DeviceId, change: DesiredChange, now: number): Promise<number> {
  await tx.insert(desired).values({ device, rev: 0, models: [], updatedAt: now }).onConflictDoNothing();
  const [present] = await tx.select().from(desired).where(eq(desired.device, device)).for('update');
  if (present === undefined) throw new SerinError('INTERNAL', { detail: `no desired row of ${device}` });
  const next = {
    models: [...(change.models?.(present.models) ?? present.models)].sort((left, right) => left.model.localeCompare(right.model)),
    samplesPerWindow: change.samplesPerWindow ?? present.samplesPerWindow,
  };
  // Compared by value: the database does not keep the order of keys.
  const isSame = isDeepStrictEqual(next, { models: present.models, samplesPerWindow: present.samplesPerWindow });
  if (isSame && present.rev > 0) return present.rev;
  const rev = present.rev + 1;
  await tx
    .update(desired)
    .set({ ...next, rev, updatedAt: now })
    .where(eq(desired.device, device));
  await tx.insert(outbox).values({ kind: 'desired', subject: device, createdAt: now });
  return rev;
}

/** A version as a device is told of it. */
export async function desiredVersion(tx: Db, model: ModelName, version: number): Promise<DesiredModel> {
  const [row] = await tx
    .select()
    .from(versions)
    .where(and(eq(versions.model, model), eq(versions.version, version)));
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `${model} version ${version}` });
  return desiredModel.parse({ model, version, manifest: { sha256: row.manifest, size: row.manifestBytes }, bundleBytes: row.bundleBytes });
}

/** The list with one model in it, or without it. */
export function withModel(present: readonly DesiredModel[], model: string, wanted: DesiredModel | undefined): DesiredModel[] {
  const others = present.filter((entry) => entry.model !== model);
  return wanted === undefined ? others : [...others, wanted];
}

/** What a device that joins gets: the champion of every model. */
export async function initialDesired(tx: Db, device: DeviceId, { now, samplesPerWindow }: { now: number; samplesPerWindow: number }): Promise<void> {
  const champions = await tx.select().from(models).where(isNotNull(models.champion)).orderBy(asc(models.name));
  const wanted = await Promise.all(champions.map(({ name, champion }) => desiredVersion(tx, name as ModelName, champion ?? 0)));
  await setDesired(tx, device, { models: () => wanted, samplesPerWindow }, now);
}
