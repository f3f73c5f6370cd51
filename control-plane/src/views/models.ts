import { and, asc, desc, eq, sql } from 'drizzle-orm';
import { manifest } from '@serin/protocol/bundle/manifest';
import type { Model, ModelVersion, Sample } from '@serin/protocol/api/resources';
import { deviceId, digest, modelName, type ModelName } from '@serin/protocol/ids';
import { isRight } from '@serin/inference/judgement';
import { models, samples, versions } from '../store/schema.ts';
import { selectRows, type Db } from '../store/store.ts';

type VersionRow = typeof versions.$inferSelect;

interface OnDevices {
  model: string;
  version: number;
  variant: string;
  /** That answer frames with it. */
  devices: number;
  /** Median of what they measured, those among them that run another variant. */
  p50Ms: number | null;
}

/** What devices run, and what they measured of the variants they tried, as they report it. */
async function variantsOnDevices(db: Db): Promise<OnDevices[]> {
  const rows = await selectRows<Omit<OnDevices, 'devices'> & { devices: string | number }>(
    db,
    sql`with active as (
          select entry->>'model' as model, entry->'active' as active from devices, jsonb_array_elements(reported->'models') as entry
          where devices.state = 'ACTIVE' and entry->'active' is not null),
        seen as (
          select model, (active->>'version')::int as version, active->>'variant' as variant, 1 as runs, null::float8 as p50 from active
          union all
          select model, (active->>'version')::int, one->>'variant', 0, (one->>'p50Ms')::float8
          from active, jsonb_array_elements(active->'measured') as one)
        select model, version, variant, sum(runs) as devices, percentile_cont(0.5) within group (order by p50) as "p50Ms" from seen group by 1, 2, 3`,
  );
  return rows.map((row) => ({ ...row, devices: Number(row.devices) }));
}

const devicesOf = (found: readonly OnDevices[]): number => found.reduce((sum, { devices }) => sum + devices, 0);

export async function listModels(db: Db): Promise<Model[]> {
  const rows = await db.select().from(models).orderBy(asc(models.name));
  const counts = await db
    .select({ model: versions.model, count: sql<string>`count(*)` })
    .from(versions)
    .groupBy(versions.model);
  const running = await variantsOnDevices(db);
  return rows.map((row) => ({
    name: modelName.parse(row.name),
    createdAt: row.createdAt,
    champion: row.champion,
    versions: Number(counts.find(({ model }) => model === row.name)?.count ?? 0),
    devices: devicesOf(running.filter(({ model }) => model === row.name)),
  }));
}

/** The manifest is our own, signed by us and kept as it was signed. */
export const manifestOf = (row: VersionRow) => manifest.parse(JSON.parse(row.document.payload));

export function viewVersion(row: VersionRow, onDevices: readonly OnDevices[] = []): ModelVersion {
  const { files, labels } = manifestOf(row);
  const variants = files.flatMap(({ role, variant, size }) => {
    if (role !== 'model' || variant === undefined) return [];
    const { devices = 0, p50Ms = null } = onDevices.find((found) => found.variant === variant) ?? {};
    return [{ name: variant, bytes: size, devices, p50Ms }];
  });
  return {
    model: modelName.parse(row.model),
    version: row.version,
    manifest: digest.parse(row.manifest),
    bytes: row.bundleBytes,
    createdAt: row.createdAt,
    createdBy: row.createdBy,
    origin: row.origin,
    note: row.note,
    jobId: row.jobId,
    metrics: row.metrics,
    gate: row.gate ?? null,
    variants,
    labels,
    hasReport: files.some(({ role }) => role === 'report'),
    signedBy: row.signedBy,
    devices: devicesOf(onDevices),
  };
}

export async function listVersions(db: Db, model: ModelName): Promise<ModelVersion[]> {
  const rows = await db.select().from(versions).where(eq(versions.model, model)).orderBy(desc(versions.version));
  const running = await variantsOnDevices(db);
  const onDevices = (row: VersionRow): OnDevices[] => running.filter((found) => found.model === row.model && found.version === row.version);
  return rows.map((row) => viewVersion(row, onDevices(row)));
}

export async function findVersion(db: Db, model: string, version: number): Promise<VersionRow | undefined> {
  const [row] = await db
    .select()
    .from(versions)
    .where(and(eq(versions.model, model), eq(versions.version, version)));
  return row;
}

export async function listSamples(db: Db, filter: { limit: number; model?: string | undefined; device?: string | undefined }): Promise<Sample[]> {
  const columns = {
    id: samples.id,
    device: samples.device,
    takenAt: samples.takenAt,
    model: samples.model,
    version: samples.version,
    width: samples.width,
    height: samples.height,
    predicted: samples.predicted,
    truth: samples.truth,
  };
  const rows = await db
    .select(columns)
    .from(samples)
    .where(
      and(
        filter.model === undefined ? undefined : eq(samples.model, filter.model),
        filter.device === undefined ? undefined : eq(samples.device, filter.device),
      ),
    )
    .orderBy(desc(samples.id))
    .limit(filter.limit);
  const labels = new Map<string, readonly string[]>();
  for (const { model, version } of rows) {
    const key = `${model} ${version}`;
    if (labels.has(key)) continue;
    const row = await findVersion(db, model, version);
    labels.set(key, row === undefined ? [] : manifestOf(row).labels);
  }
  return rows.map((row) => {
    const named = <Answer extends { label: number }>(answer: Answer) => ({
      ...answer,
      label: labels.get(`${row.model} ${row.version}`)?.[answer.label] ?? `class ${answer.label}`,
    });
    const { predicted, truth, width, height } = row;
    return {
      id: String(row.id),
      device: deviceId.parse(row.device),
      at: row.takenAt,
      version: row.version,
      width,
      height,
      predicted: 'objects' in predicted ? { objects: predicted.objects.map(named) } : named(predicted),
      truth: truth === null ? null : 'objects' in truth ? { ...truth, objects: truth.objects.map(named) } : named(truth),
      right: (truth === null ? undefined : isRight(predicted, truth)) ?? null,
    };
  });
}
