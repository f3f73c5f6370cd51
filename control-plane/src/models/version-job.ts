import type { GateCheck } from '@serin/models/evaluate/gate-check';
import type { TrainedVersion } from '@serin/models/package/version';
import { codeRevision, readEnvironment } from '@serin/models/runs/environment';
import { SerinError } from '@serin/protocol/errors';
import { modelName } from '@serin/protocol/ids';
import { readResult } from '../jobs/folder.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { findJob, type JobEnd, type JobRow } from '../jobs/queue.ts';
import type { RunNews } from '../jobs/run-folder.ts';
import { breakRun, endRun, findRunOfJob, insertRun, type NewRun, type RunEnd } from '../runs/record.ts';
import { keepReport, reportFileOf } from '../runs/report.ts';
import type { Db } from '../store/store.ts';
import { publishVersion, type NewVersion, type PublishContext } from './publish.ts';

/** Jobs whose child leaves one version in its folder, with a run that records how it came to be. */
export interface VersionJob {
  prepare: JobHandler['prepare'];
  /** Whether its gate decides about it; a version that is spoiled on purpose has none. */
  isGated(job: JobRow): boolean;
  publishAs(job: JobRow): Promise<Pick<NewVersion, 'origin' | 'note'>>;
}

/** The record of a job that makes a version; another attempt goes on with the same one. */
export async function recordVersionRun(
  { store, clock }: PublishContext,
  job: JobRow,
  threads: number,
  run: Pick<NewRun, 'seed' | 'data' | 'parameters' | 'champion'>,
): Promise<void> {
  if ((await findRunOfJob(store.db, job.id)) !== undefined) return;
  await insertRun(store.db, {
    ...run,
    model: job.model,
    pipeline: null,
    jobId: job.id,
    createdAt: clock(),
    createdBy: job.createdBy,
    code: { revision: codeRevision(), digest: null },
    environment: readEnvironment(threads),
  });
}

export function createVersionJobs(context: PublishContext, { prepare, isGated, publishAs }: VersionJob): JobHandler {
  const { store, blobs, changes, clock } = context;

  async function end(tx: Db, job: JobRow, news: RunNews, ended: RunEnd): Promise<void> {
    const run = await findRunOfJob(tx, job.id);
    if (run === undefined) return;
    const log = (await findJob(tx, job.id))?.log ?? job.log;
    await endRun(tx, run, news, { ...ended, log }, clock());
    changes.tell({ type: 'run', id: run.id });
  }

  return {
    prepare,
    isFinished: async (folder) => (await readResult(folder).catch(() => undefined)) !== undefined,
    async publish(job, folder, { finish }) {
      const version = await readResult(folder);
      if (version === undefined) throw new SerinError('JOB_FAILED', { detail: 'the job left no result' });
      const { metrics, weightDigest } = version;
      const news = { metrics, weightDigest, gate: plainGate(version), artifacts: await keepReport(blobs, reportFileOf(version)) };
      const error = isGated(job) ? gateError(version.gate, (await findRunOfJob(store.db, job.id))?.id) : undefined;
      if (error !== undefined) {
        await store.transaction(async (tx) => {
          await finish(tx, { status: 'FAILED', message: error.detail, metrics, error });
          await end(tx, job, news, { status: 'FAILED', error });
        });
        return;
      }
      await publishVersion(
        context,
        { ...version, ...(await publishAs(job)), model: modelName.parse(job.model), gate: plainGate(version), createdBy: job.createdBy, jobId: job.id },
        async (tx, row) => {
          await finish(tx, { status: 'SUCCEEDED', message: `version ${row.version} is published`, version: row.version, metrics });
          await end(tx, job, news, { status: 'SUCCEEDED', version: row.version });
        },
      );
    },
    async onEnd(tx, job, ended) {
      const run = await findRunOfJob(tx, job.id);
      if (run === undefined) return;
      await breakRun(tx, run, ended, (await findJob(tx, job.id))?.log ?? job.log, clock());
      changes.tell({ type: 'run', id: run.id });
    },
  };
}

/** The end of a job whose version did not pass, with where the whole report is. */
export function gateError({ passed: all, checks }: { passed: boolean; checks: readonly GateCheck[] }, run?: string): JobEnd['error'] {
  if (all) return undefined;
  const failed = checks.filter(({ passed, variant }) => !passed && variant === undefined);
  const { hint } = new SerinError('GATE_FAILED');
  return {
    code: 'GATE_FAILED',
    detail: failed.map(({ words }) => words).join('; '),
    hint: run === undefined ? hint : `${hint}; all of it: serin run report ${run}`,
  };
}

export const plainGate = ({ gate }: TrainedVersion) => ({ passed: gate.passed, checks: gate.checks.map((check) => ({ ...check })) });
