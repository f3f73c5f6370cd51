import { and, asc, count, desc, eq, inArray, sql } from 'drizzle-orm';
import type { Dataset, DatasetVersion, DatasetVersionDetail, Source } from '@serin/protocol/api/datasets';
import { digest, modelName } from '@serin/protocol/ids';
import { datasets, datasetVersions, sources } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

export type DatasetVersionRow = typeof datasetVersions.$inferSelect;
export type SourceRow = typeof sources.$inferSelect;

/** A list leaves the detail of a version where it is: it may be megabytes. */
const listed = {
  dataset: datasetVersions.dataset,
  version: datasetVersions.version,
  kind: datasetVersions.kind,
  spec: datasetVersions.spec,
  digest: datasetVersions.digest,
  status: datasetVersions.status,
  parent: datasetVersions.parent,
  createdAt: datasetVersions.createdAt,
  createdBy: datasetVersions.createdBy,
  source: datasetVersions.source,
  note: datasetVersions.note,
  files: datasetVersions.files,
  bytes: datasetVersions.bytes,
  rows: datasetVersions.rows,
  splits: datasetVersions.splits,
  labels: datasetVersions.labels,
  errors: datasetVersions.errors,
  warnings: datasetVersions.warnings,
  decision: datasetVersions.decision,
};
type ListedRow = Pick<DatasetVersionRow, keyof typeof listed>;

export function viewDatasetVersion(row: ListedRow): DatasetVersion {
  const { dataset, version, kind, spec, status, parent, createdAt, createdBy, source, note, files, bytes, rows, splits, labels, errors, warnings, decision } =
    row;
  return {
    dataset: modelName.parse(dataset),
    version,
    kind,
    spec,
    digest: digest.parse(row.digest),
    status,
    parent,
    createdAt,
    createdBy,
    source,
    note,
    files,
    bytes,
    rows,
    splits,
    labels,
    errors,
    warnings,
    decision,
  };
}

export const viewDatasetVersionDetail = (row: DatasetVersionRow): DatasetVersionDetail => ({ ...viewDatasetVersion(row), ...row.detail });

export async function findDatasetVersion(db: Db, dataset: string, version: number): Promise<DatasetVersionRow | undefined> {
  const [row] = await db
    .select()
    .from(datasetVersions)
    .where(and(eq(datasetVersions.dataset, dataset), eq(datasetVersions.version, version)));
  return row;
}

export async function listDatasetVersions(db: Db, dataset: string, limit: number): Promise<DatasetVersion[]> {
  const rows = await db.select(listed).from(datasetVersions).where(eq(datasetVersions.dataset, dataset)).orderBy(desc(datasetVersions.version)).limit(limit);
  return rows.map(viewDatasetVersion);
}

/** All of them, or the ones of these names. */
export async function listDatasets(db: Db, names?: readonly string[]): Promise<Dataset[]> {
  const chosen = names === undefined ? undefined : inArray(datasets.name, [...names]);
  const rows = await db
    .select({ dataset: datasets, rows: datasetVersions.rows, bytes: datasetVersions.bytes })
    .from(datasets)
    .leftJoin(datasetVersions, and(eq(datasetVersions.dataset, datasets.name), eq(datasetVersions.version, datasets.latest)))
    .where(chosen)
    .orderBy(asc(datasets.name));
  const counts = await db
    .select({
      dataset: datasetVersions.dataset,
      versions: count(),
      quarantined: sql<string>`count(*) filter (where ${datasetVersions.status} = 'QUARANTINED')`,
    })
    .from(datasetVersions)
    .groupBy(datasetVersions.dataset);
  const feeding = await db.select({ dataset: sources.dataset, sources: count() }).from(sources).groupBy(sources.dataset);
  return rows.map(({ dataset, rows: records, bytes }) => {
    const counted = counts.find((entry) => entry.dataset === dataset.name);
    return {
      name: modelName.parse(dataset.name),
      kind: dataset.kind,
      createdAt: dataset.createdAt,
      latest: dataset.latest,
      rows: records ?? 0,
      bytes: bytes ?? 0,
      versions: counted?.versions ?? 0,
      quarantined: Number(counted?.quarantined ?? 0),
      sources: feeding.find((entry) => entry.dataset === dataset.name)?.sources ?? 0,
    };
  });
}

export async function findDataset(db: Db, name: string): Promise<Dataset | undefined> {
  const [found] = await listDatasets(db, [name]);
  return found;
}

export function viewSource(row: SourceRow): Source {
  const { settings, spec, mode, schedule, enabled, createdAt, createdBy, lastReadAt, nextReadAt, last } = row;
  return {
    name: modelName.parse(row.name),
    dataset: modelName.parse(row.dataset),
    settings,
    spec,
    mode,
    schedule,
    enabled,
    createdAt,
    createdBy,
    lastReadAt,
    nextReadAt,
    last,
  };
}

export async function listSources(db: Db): Promise<Source[]> {
  const rows = await db.select().from(sources).orderBy(asc(sources.name));
  return rows.map(viewSource);
}

export async function findSource(db: Db, name: string): Promise<SourceRow | undefined> {
  const [row] = await db.select().from(sources).where(eq(sources.name, name));
  return row;
}
