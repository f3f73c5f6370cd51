import { and, eq, inArray, isNotNull } from 'drizzle-orm';
import type { DesiredModel } from '@serin/protocol/messages/desired';
import { SerinError } from '@serin/protocol/errors';
import { digest, modelName } from '@serin/protocol/ids';
import { desired, models, outbox, versions } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

export type DesiredRow = typeof desired.$inferSelect;

/** A version as a desired document names it. */
export function orderOf(row: typeof versions.$inferSelect): DesiredModel {
  return {
    model: modelName.parse(row.model),
    version: row.version,
    manifest: { sha256: digest.parse(row.manifest), size: row.manifestBytes },
    bundleBytes: row.bundleBytes,
  };
}

async function readDesired(tx: Db, device: string): Promise<DesiredRow | undefined> {
  // The row is locked: two use cases that want something of one device come one after the other.
  const [row] = await tx.select().from(desired).where(eq(desired.device, device)).for('update');
  return row;
}

/** Writes the intent and the order to publish it, in the caller's transaction. Returns the new revision. */
async function writeDesired(tx: Db, device: string, change: { models: DesiredModel[]; samplesPerWindow: number }, rev: number, now: number): Promise<number> {
  const values = { ...change, rev, updatedAt: now };
  await tx
    .insert(desired)
    .values({ device, ...values })
    .onConflictDoUpdate({ target: desired.device, set: values });
  await tx.insert(outbox).values({ kind: 'desired', subject: device, createdAt: now });
  return rev;
}

/** Orders one version of one model; the other models of the device stay as they are. */
export async function orderVersion(tx: Db, device: string, model: string, version: number, now: number): Promise<number> {
  const [row] = await tx
    .select()
    .from(versions)
    .where(and(eq(versions.model, model), eq(versions.version, version)));
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `${model} version ${version}` });
  const present = await readDesired(tx, device);
  const others = (present?.models ?? []).filter((entry) => entry.model !== model);
  const change = { models: [...others, orderOf(row)], samplesPerWindow: present?.samplesPerWindow ?? 0 };
  return writeDesired(tx, device, change, (present?.rev ?? 0) + 1, now);
}

/** Takes a model away again: for a device that ran nothing before. */
export async function withdrawModel(tx: Db, device: string, model: string, now: number): Promise<number> {
  const present = await readDesired(tx, device);
  const change = { models: (present?.models ?? []).filter((entry) => entry.model !== model), samplesPerWindow: present?.samplesPerWindow ?? 0 };
  return writeDesired(tx, device, change, (present?.rev ?? 0) + 1, now);
}

/** Asks devices for random frames along with their windows. Devices that already send as many are left alone. */
export async function orderSamples(tx: Db, device: string, samplesPerWindow: number, now: number): Promise<void> {
  const present = await readDesired(tx, device);
  if ((present?.samplesPerWindow ?? 0) === samplesPerWindow) return;
  await writeDesired(tx, device, { models: present?.models ?? [], samplesPerWindow }, (present?.rev ?? 0) + 1, now);
}

/** What a device gets when it joins: the version in service of every model. */
export async function initialDesired(tx: Db, device: string, samplesPerWindow: number, now: number): Promise<void> {
  const champions = await tx
    .select({ version: versions })
    .from(models)
    .innerJoin(versions, and(eq(versions.model, models.name), eq(versions.version, models.champion)))
    .where(isNotNull(models.champion));
  const present = await readDesired(tx, device);
  const change = { models: champions.map(({ version }) => orderOf(version)), samplesPerWindow };
  await writeDesired(tx, device, change, (present?.rev ?? 0) + 1, now);
}

/** Publishes every document again, as after the broker has forgotten them. */
export async function requeueDesired(tx: Db, now: number): Promise<void> {
  const rows = await tx.select({ device: desired.device }).from(desired);
  const queued = await tx
    .select({ subject: outbox.subject })
    .from(outbox)
    .where(
      inArray(
        outbox.subject,
        rows.map(({ device }) => device),
      ),
    );
  const waiting = new Set(queued.map(({ subject }) => subject));
  const missing = rows.filter(({ device }) => !waiting.has(device));
  if (missing.length > 0) await tx.insert(outbox).values(missing.map(({ device }) => ({ kind: 'desired' as const, subject: device, createdAt: now })));
}
