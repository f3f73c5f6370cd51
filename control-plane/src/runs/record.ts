import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import type { RunStage } from '@serin/protocol/api/runs';
import { stageNames } from '@serin/protocol/pipeline';
import type { RunNews } from '../jobs/run-folder.ts';
import type { JobEnd } from '../jobs/queue.ts';
import { runs, type RunReport } from '../store/schema.ts';
import { storable } from '../store/storable.ts';
import type { Db } from '../store/store.ts';
import type { RunRow } from '../views/runs.ts';

/** The rows of runs: how they begin, grow and end. */

const emptyReport: RunReport = { series: [], artifacts: [], importance: null, confusion: null, intervals: {}, slices: [], assumptions: [] };

export const waitingStages = (): RunStage[] => stageNames.map((name) => ({ name, state: 'waiting', key: null, ms: null, words: '' }));

export type NewRun = Pick<RunRow, 'model' | 'pipeline' | 'createdBy' | 'createdAt' | 'seed' | 'code' | 'environment'> &
  Partial<Pick<RunRow, 'id' | 'jobId' | 'data' | 'parameters' | 'stages' | 'repeats' | 'file' | 'inputs' | 'champion' | 'search'>>;

export async function insertRun(tx: Db, run: NewRun): Promise<RunRow> {
  const [row] = await tx
    .insert(runs)
    .values({ id: randomUUID(), status: 'RUNNING', parameters: {}, stages: [], metrics: {}, report: emptyReport, log: [], inputs: [], ...storable(run) })
    .returning();
  if (row === undefined) throw new Error('an insert returned no row');
  return row;
}

/** The columns that what a child tells of its run goes into. */
function columnsOf(news: RunNews, before: RunReport): Partial<typeof runs.$inferInsert> {
  const { series, artifacts, importance, confusion, intervals, slices, assumptions, ...columns } = storable(news);
  const told = { series, artifacts, importance, confusion, intervals, slices, assumptions };
  const report = { ...before, ...Object.fromEntries(Object.entries(told).filter(([, part]) => part !== undefined)) } as RunReport;
  const known = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
  return { ...known, report };
}

/** News of a run that still runs; of one that has ended they change nothing. */
export async function growRun(tx: Db, row: RunRow, news: RunNews): Promise<void> {
  await tx
    .update(runs)
    .set(columnsOf(news, row.report))
    .where(and(eq(runs.id, row.id), eq(runs.status, 'RUNNING')));
}

export type RunEnd = Pick<RunRow, 'status'> & Partial<Pick<RunRow, 'version' | 'error' | 'verdict' | 'log'>>;

export async function endRun(tx: Db, row: RunRow, news: RunNews, end: RunEnd, now: number): Promise<void> {
  await tx
    .update(runs)
    .set({ ...columnsOf(news, row.report), ...storable(end), finishedAt: now })
    .where(and(eq(runs.id, row.id), eq(runs.status, 'RUNNING')));
}

/** What a run is left with whose job ended without a result: all it has told so far. */
export async function breakRun(tx: Db, row: RunRow, end: JobEnd, log: readonly string[], now: number): Promise<void> {
  const isCancelled = end.status === 'CANCELLED';
  const stages = row.stages.map((stage): RunStage => {
    if (stage.state === 'waiting') return { ...stage, state: 'skipped' };
    return stage.state === 'running' ? { ...stage, state: isCancelled ? 'skipped' : 'failed' } : stage;
  });
  await endRun(tx, row, { stages }, { status: isCancelled ? 'CANCELLED' : 'FAILED', error: end.error ?? null, log: [...log] }, now);
}

export async function findRunOfJob(tx: Db, jobId: string): Promise<RunRow | undefined> {
  const [row] = await tx.select().from(runs).where(eq(runs.jobId, jobId));
  return row;
}
