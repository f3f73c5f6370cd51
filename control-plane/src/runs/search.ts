import { and, eq, inArray, sql } from 'drizzle-orm';
import { betterOf } from '@serin/models/pipeline/metrics';
import { bestTrial, isFinished, nextTrials, startSearch, tellFailure, type SearchState, type SearchTask } from '@serin/models/search/asha';
import { hasBudget } from '@serin/models/search/space';
import type { Run, RunStage } from '@serin/protocol/api/runs';
import { SerinError } from '@serin/protocol/errors';
import type { MetricName, PipelineFile } from '@serin/protocol/pipeline';
import { cancelJob, enqueueJob, findJob, type JobEnd } from '../jobs/queue.ts';
import { jobs, runs } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import type { RunRow } from '../views/runs.ts';
import { breakRun } from './record.ts';

/**
 * A search in rows: its state is a column of its run, each of its trials a job. Whoever ends a trial decides in the same
 * transaction what is tried next, so nothing waits for a service, and any number of workers and servers may take part.
 */

export function startedSearch(file: PipelineFile, metric: MetricName): SearchState | undefined {
  if (file.search === undefined) return undefined;
  return startSearch({ settings: file.search, seed: file.seed, better: betterOf(metric), rungs: hasBudget(file.train.kind) });
}

/** The row of the run, held until the transaction ends: trials that end at once decide one after the other. */
export async function lockRun(tx: Db, id: string): Promise<RunRow | undefined> {
  const [row] = await tx.select().from(runs).where(eq(runs.id, id)).for('update');
  return row;
}

const runningTrials = ({ trials }: SearchState): number => trials.filter(({ state }) => state === 'running').length;

async function enqueueTrials(tx: Db, run: RunRow, tasks: readonly SearchTask[], now: number): Promise<string[]> {
  const ids: string[] = [];
  for (const { id: trial, rung, budget, parameters } of tasks) {
    const job = await enqueueJob(
      tx,
      { kind: 'trial', model: run.model, params: { run: run.id, trial, rung, budget, parameters }, createdBy: run.createdBy },
      now,
    );
    ids.push(job.id);
  }
  return ids;
}

export interface SearchStep {
  jobs: string[];
}

/** Gives out what can be tried now; when nothing is left, the pipeline goes on with the best, or fails when there is none. */
export async function advanceSearch(tx: Db, run: RunRow, state: SearchState, atOnce: number, now: number): Promise<SearchStep> {
  const { state: next, tasks } = nextTrials(state, Math.max(0, atOnce - runningTrials(state)));
  const begun = await enqueueTrials(tx, run, tasks, now);
  await tx
    .update(runs)
    .set({ search: next, stages: withSearchStage(run.stages, next) })
    .where(eq(runs.id, run.id));
  if (run.jobId === null) return { jobs: begun };
  if (isFinished(next)) await endSearch(tx, { ...run, search: next }, run.jobId, next, now);
  else
    await tx
      .update(jobs)
      .set({ stage: 'search', message: searchWords(next) })
      .where(and(eq(jobs.id, run.jobId), eq(jobs.status, 'QUEUED')));
  return { jobs: [...begun, run.jobId] };
}

async function endSearch(tx: Db, run: RunRow, jobId: string, state: SearchState, now: number): Promise<void> {
  const waiting = and(eq(jobs.id, jobId), eq(jobs.status, 'QUEUED'));
  const best = bestTrial(state);
  if (best !== undefined) {
    const parameters = JSON.stringify({ parameters: best.parameters });
    await tx
      .update(jobs)
      .set({ params: sql`${jobs.params} || ${parameters}::jsonb`, notBefore: now, message: searchWords(state) })
      .where(waiting);
    return;
  }
  const detail = `none of ${state.trials.length} trials could be trained`;
  const { code, hint } = new SerinError('JOB_FAILED', { hint: 'The logs of the trials say why; look at the space of the search' });
  const end: JobEnd = { status: 'FAILED', message: detail, error: { code, detail, hint } };
  await tx
    .update(jobs)
    .set({ ...end, stage: 'ended', finishedAt: now })
    .where(waiting);
  await breakRun(tx, { ...run, stages: withSearchStage(run.stages, state) }, end, (await findJob(tx, jobId))?.log ?? [], now);
}

function searchWords(state: SearchState): string {
  const { trials, settings } = state;
  const ended = trials.filter((trial) => trial.state !== 'running').length;
  const failed = trials.filter((trial) => trial.state === 'failed').length;
  const best = bestTrial(state);
  const value = best?.results.findLast((result) => result !== null);
  const words = best === undefined || value === undefined || value === null ? '' : `; best ${value.toPrecision(4)} with ${parameterWords(best.parameters)}`;
  return `${ended} of ${settings.trials} trials${failed === 0 ? '' : `, ${failed} failed`}${words}`;
}

const parameterWords = (parameters: Readonly<Run['parameters']>): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');

/** A run that searches shows it as a stage; the child knows nothing of it. */
export function withSearchStage(stages: readonly RunStage[], state: SearchState | null): RunStage[] {
  if (state === null) return [...stages];
  const ended = isFinished(state);
  const standing: RunStage['state'] = !ended ? 'running' : bestTrial(state) === undefined ? 'failed' : 'done';
  return stages.map((stage) => (stage.name === 'search' ? { ...stage, state: standing, words: searchWords(state).slice(0, 1000) } : stage));
}

/** Nobody waits for them any more. */
export async function cancelTrials(tx: Db, run: RunRow, now: number): Promise<void> {
  const live = await tx
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(eq(jobs.kind, 'trial'), inArray(jobs.status, ['QUEUED', 'RUNNING']), sql`${jobs.params}->>'run' = ${run.id}`));
  for (const { id } of live) await cancelJob(tx, id, now);
  if (run.search === null) return;
  const given = run.search.trials.filter(({ state }) => state === 'running');
  const search = given.reduce((state, { id, rung }) => tellFailure(state, id, rung, 'failed').state, run.search);
  await tx.update(runs).set({ search }).where(eq(runs.id, run.id));
}
