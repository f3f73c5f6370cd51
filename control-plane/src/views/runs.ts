import { and, asc, count, desc, eq, getTableColumns, inArray, sql } from 'drizzle-orm';
import { trialRecords } from '@serin/models/search/asha';
import { modelName } from '@serin/protocol/ids';
import type { Pipeline, Run, RunDetail } from '@serin/protocol/api/runs';
import { pipelines, runs } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

export type RunRow = typeof runs.$inferSelect;
export type PipelineRow = typeof pipelines.$inferSelect;

/** A list leaves reports, logs and files where they are. */
const { report: _report, log: _log, file: _file, inputs: _inputs, search: _search, ...listed } = getTableColumns(runs);
type ListedRow = Pick<RunRow, keyof typeof listed>;

export function viewRun(row: ListedRow): Run {
  const { id, status, jobId, createdAt, createdBy, finishedAt, seed, code, data, parameters, environment, stages, metrics } = row;
  const { baseline, weightDigest, gate, version, error, repeats, verdict } = row;
  return {
    id,
    model: modelName.parse(row.model),
    pipeline: row.pipeline === null ? null : modelName.parse(row.pipeline),
    status,
    jobId,
    createdAt,
    createdBy,
    finishedAt,
    seed,
    code,
    data,
    parameters,
    environment,
    stages,
    metrics,
    baseline,
    weightDigest,
    gate,
    version,
    error,
    repeats,
    verdict,
  };
}

export function viewRunDetail(row: RunRow): RunDetail {
  return { ...viewRun(row), ...row.report, trials: row.search === null ? [] : trialRecords(row.search), log: row.log };
}

export async function findRunRow(db: Db, id: string): Promise<RunRow | undefined> {
  const [row] = await db.select().from(runs).where(eq(runs.id, id));
  return row;
}

export async function findRun(db: Db, id: string): Promise<Run | undefined> {
  const [row] = await db.select(listed).from(runs).where(eq(runs.id, id));
  return row === undefined ? undefined : viewRun(row);
}

export async function listRuns(db: Db, filter: { limit: number; model?: string | undefined; pipeline?: string | undefined }): Promise<Run[]> {
  const rows = await db
    .select(listed)
    .from(runs)
    .where(
      and(
        filter.model === undefined ? undefined : eq(runs.model, filter.model),
        filter.pipeline === undefined ? undefined : eq(runs.pipeline, filter.pipeline),
      ),
    )
    .orderBy(desc(runs.createdAt), desc(runs.id))
    .limit(filter.limit);
  return rows.map(viewRun);
}

export async function listPipelines(db: Db, names?: readonly string[]): Promise<Pipeline[]> {
  const rows = await db
    .select()
    .from(pipelines)
    .where(names === undefined ? undefined : inArray(pipelines.name, [...names]))
    .orderBy(asc(pipelines.name));
  const counts = await db.select({ pipeline: runs.pipeline, runs: count() }).from(runs).groupBy(runs.pipeline);
  const newest = await db
    .selectDistinctOn([runs.pipeline], {
      pipeline: runs.pipeline,
      id: runs.id,
      status: runs.status,
      at: runs.createdAt,
      metrics: runs.metrics,
      stages: runs.stages,
    })
    .from(runs)
    .where(sql`${runs.pipeline} is not null`)
    .orderBy(runs.pipeline, desc(runs.createdAt), desc(runs.id));
  return rows.map((row) => {
    const last = newest.find(({ pipeline }) => pipeline === row.name);
    return {
      name: modelName.parse(row.name),
      description: row.file.description,
      trainer: row.file.train.kind,
      createdAt: row.createdAt,
      updatedAt: row.updatedAt,
      runs: counts.find(({ pipeline }) => pipeline === row.name)?.runs ?? 0,
      last:
        last === undefined
          ? null
          : {
              id: last.id,
              status: last.status,
              at: last.at,
              metrics: last.metrics,
              cachedStages: last.stages.filter(({ state }) => state === 'cached').length,
              stages: last.stages.filter(({ state }) => state !== 'skipped').length,
            },
    };
  });
}

export async function findPipeline(db: Db, name: string): Promise<PipelineRow | undefined> {
  const [row] = await db.select().from(pipelines).where(eq(pipelines.name, name));
  return row;
}
