import path from 'node:path';
import { and, eq, isNotNull } from 'drizzle-orm';
import { tellFailure, tellResult } from '@serin/models/search/asha';
import { repeatVerdict } from '@serin/models/runs/comparison';
import { SerinError } from '@serin/protocol/errors';
import { digest, modelName } from '@serin/protocol/ids';
import type { PipelineFile } from '@serin/protocol/pipeline';
import type { InputFile } from '@serin/protocol/api/datasets';
import { layOut } from '../blobs/lay-out.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { pipelineParams, trialParams } from '../jobs/params.ts';
import { findJob, type JobRow } from '../jobs/queue.ts';
import { readRunResult, runNews, writePipelineRequest, type PipelineJobRequest, type RunReportPart, type RunResult } from '../jobs/run-folder.ts';
import { gateError, plainGate } from '../models/version-job.ts';
import { findSameVersion, publishVersion, type PublishContext } from '../models/publish.ts';
import { datasetVersions } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { findDatasetVersion, type DatasetVersionRow } from '../views/data.ts';
import { findRunRow, viewRun, type RunRow } from '../views/runs.ts';
import { readChampionVersion } from './champion.ts';
import { isPartOf, namedPaths } from './pipelines.ts';
import { breakRun, endRun, growRun } from './record.ts';
import { keepReport } from './report.ts';
import { advanceSearch, cancelTrials, lockRun, startedSearch, withSearchStage } from './search.ts';

export interface PipelineJobContext extends PublishContext {
  cacheFolder: string;
  cacheBytesMax: number;
  threads: number;
  /** Trials of a search that are given out at once. */
  trialsAtOnce: number;
  /** The files of a version of a dataset. */
  filesOf(manifest: string): Promise<InputFile[]>;
}

interface Loaded {
  run: RunRow;
  file: PipelineFile;
}

async function loadRun(db: Db, id: string): Promise<Loaded> {
  const run = await findRunRow(db, id);
  if (run === undefined || run.file === null) throw new SerinError('NOT_FOUND', { detail: `the run ${id} of the job` });
  return { run, file: run.file };
}

/** Of the files of a run those below a folder it names, by their place in that. */
const filesOf = (named: string, inputs: readonly InputFile[]): InputFile[] =>
  inputs.flatMap((input) => (isPartOf(input.path, named) ? [{ ...input, path: path.relative(named, input.path) }] : []));

const acceptedMax = 100;

/** What a person has seen in the data of a version, or of one it adds to, and released: asking again would be asking twice. */
async function releasedKinds(db: Db, row: DatasetVersionRow): Promise<string[]> {
  const decided = await db
    .select({ version: datasetVersions.version, detail: datasetVersions.detail })
    .from(datasetVersions)
    .where(and(eq(datasetVersions.dataset, row.dataset), eq(datasetVersions.status, 'READY'), isNotNull(datasetVersions.decision)));
  const parents = new Map(
    (
      await db
        .select({ version: datasetVersions.version, parent: datasetVersions.parent })
        .from(datasetVersions)
        .where(eq(datasetVersions.dataset, row.dataset))
    ).map(({ version, parent }) => [version, parent]),
  );
  const line = new Set<number>();
  for (let version: number | null | undefined = row.version; typeof version === 'number' && !line.has(version); version = parents.get(version))
    line.add(version);
  return decided
    .filter(({ version }) => line.has(version))
    .flatMap(({ detail }) => detail.anomalies.flatMap(({ kind, severity }) => (severity === 'error' ? [kind] : [])));
}

/** What both a pipeline and its trials are told. */
async function requestOf(context: PipelineJobContext, folder: string, { run, file }: Loaded): Promise<Omit<PipelineJobRequest, 'kind' | 'fresh'>> {
  const { store, blobs, cacheFolder, cacheBytesMax, threads } = context;
  const inputs: Record<string, string> = {};
  for (const { path: name, sha256 } of run.inputs) inputs[name] = blobs.locate(digest.parse(sha256));
  for (const [index, named] of namedPaths(file).entries()) {
    const own = run.inputs.find(({ path: input }) => input === named);
    inputs[named] =
      own === undefined ? await layOut(blobs, path.join(folder, 'inputs', String(index)), filesOf(named, run.inputs)) : blobs.locate(digest.parse(own.sha256));
  }
  const request = { file, inputs, cacheFolder, cacheBytesMax, threads };
  if (!('dataset' in file.ingest)) return request;
  const { dataset, version } = file.ingest;
  const row = version === undefined ? undefined : await findDatasetVersion(store.db, dataset, version);
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `version ${version ?? '?'} of ${dataset}` });
  const files = await context.filesOf(row.manifest);
  for (const { path: name, sha256 } of files) inputs[name] = blobs.locate(digest.parse(sha256));
  const accept = [...new Set([...file.validate.accept, ...(await releasedKinds(store.db, row))])].slice(0, acceptedMax);
  return { ...request, file: { ...file, validate: { ...file.validate, accept } }, dataset: { name: dataset, version: row.version, spec: row.spec, files } };
}

const isFinished = async (folder: string): Promise<boolean> => (await readRunResult(folder).catch(() => undefined)) !== undefined;

async function requireResult(folder: string): Promise<RunResult> {
  const result = await readRunResult(folder);
  if (result === undefined) throw new SerinError('JOB_FAILED', { detail: 'the job left no result' });
  return result;
}

const logOf = async (tx: Db, job: JobRow): Promise<string[]> => (await findJob(tx, job.id))?.log ?? job.log;
const shownWith = (report: RunReportPart, run: RunRow): RunReportPart => ({ ...report, stages: withSearchStage(report.stages, run.search) });

/** Runs of pipelines: the file and its data go into the folder of the job, the report into the row, the version out. */
export function createPipelineJobs(context: PipelineJobContext): JobHandler {
  const { store, blobs, changes, clock } = context;
  const told = (run: string): void => changes.tell({ type: 'run', id: run });

  /** The stages before the search are done: from here on its trials work on what they cached. */
  async function beginSearch({ run, file }: Loaded, { report, comparedBy }: RunResult, wait: (tx: Db, message: string) => Promise<void>): Promise<void> {
    const step = await store.transaction(async (tx) => {
      const row = await lockRun(tx, run.id);
      const search = comparedBy === null ? undefined : startedSearch(file, comparedBy);
      if (row === undefined || search === undefined) throw new SerinError('CONFLICT', { detail: `the run ${run.id} is gone` });
      const stages = mergeStages(row, report.stages);
      await growRun(tx, row, { ...report, stages });
      await wait(tx, 'searching');
      return advanceSearch(tx, { ...row, stages }, row.search ?? search, context.trialsAtOnce, clock());
    });
    for (const id of step.jobs) changes.tell({ type: 'job', id });
  }

  return {
    async prepare(job, folder) {
      const { run: id, fresh, parameters } = pipelineParams.parse(job.params);
      const loaded = await loadRun(store.db, id);
      const champion = await readChampionVersion(store.db, blobs, loaded.run.model, loaded.run.champion);
      const isBefore = loaded.file.search !== undefined && parameters === undefined;
      const request: PipelineJobRequest = {
        ...(await requestOf(context, folder, loaded)),
        kind: 'pipeline',
        // What a search has cached is its own; doing everything again was done before it.
        fresh: fresh && (isBefore || loaded.file.search === undefined || loaded.run.repeats !== null),
        ...(parameters === undefined ? {} : { parameters }),
        ...(isBefore ? { until: 'split' as const } : {}),
        ...(champion === undefined ? {} : { champion: { version: champion.version, labels: [...champion.labels], metrics: { ...champion.metrics } } }),
      };
      await writePipelineRequest(folder, request, champion);
    },
    isFinished,
    async takeNews(job, body) {
      const news = runNews.safeParse(body);
      const row = await findRunRow(store.db, pipelineParams.parse(job.params).run);
      if (!news.success || row === undefined) return;
      const stages = news.data.stages === undefined ? {} : { stages: withSearchStage(mergeStages(row, news.data.stages), row.search) };
      await growRun(store.db, row, { ...news.data, ...stages });
      told(row.id);
    },
    async publish(job, folder, { finish, wait }) {
      const params = pipelineParams.parse(job.params);
      const loaded = await loadRun(store.db, params.run);
      const result = await requireResult(folder);
      const { run, file } = loaded;
      if (file.search !== undefined && params.parameters === undefined) return beginSearch(loaded, result, wait);
      const report = shownWith(result.report, run);
      const { metrics } = report;
      // Its place in the record is that of the stage that made it.
      await keepReport(blobs, result.versionReport);
      const end = async (tx: Db, row: Parameters<typeof endRun>[3], words: Parameters<typeof finish>[1]): Promise<void> => {
        await finish(tx, words);
        await endRun(tx, run, report, { ...row, log: await logOf(tx, job) }, clock());
      };
      if (run.repeats !== null) {
        const original = await findRunRow(store.db, run.repeats);
        const verdict = original === undefined ? null : repeatVerdict(viewRun(original), { ...viewRun(run), ...report });
        const message =
          verdict === null ? 'done; the run it repeats is gone' : verdict.identical ? 'identical' : `not the same: ${verdict.differences[0] ?? ''}`;
        await store.transaction((tx) => end(tx, { status: 'SUCCEEDED', verdict }, { status: 'SUCCEEDED', message, metrics }));
      } else if (result.version === undefined || report.gate?.passed === false) {
        const fault = new SerinError('JOB_FAILED', { detail: 'the run ended without a version' });
        const error = gateError(report.gate ?? { passed: true, checks: [] }, run.id) ?? { code: fault.code, detail: fault.detail ?? '', hint: fault.hint };
        await store.transaction((tx) => end(tx, { status: 'FAILED', error }, { status: 'FAILED', message: error.detail, metrics, error }));
      } else {
        const { version } = result;
        const same = await findSameVersion(store.db, run.model, version);
        const done = (row: { version: number }, message: string) => (tx: Db) =>
          end(tx, { status: 'SUCCEEDED', version: row.version }, { status: 'SUCCEEDED', message, version: row.version, metrics });
        if (same !== undefined) await store.transaction(done(same, `version ${same.version} is the same; none was made`));
        else
          await publishVersion(
            context,
            {
              ...version,
              model: modelName.parse(run.model),
              gate: plainGate(version),
              origin: 'trained',
              createdBy: job.createdBy,
              jobId: job.id,
              note: `run ${run.id}`,
            },
            (tx, row) => done(row, `version ${row.version} is published`)(tx),
          );
      }
      told(run.id);
    },
    async onEnd(tx, job, end) {
      const row = await lockRun(tx, pipelineParams.parse(job.params).run);
      if (row?.status !== 'RUNNING') return;
      await breakRun(tx, row, end, await logOf(tx, job), clock());
      await cancelTrials(tx, row, clock());
      told(row.id);
    },
  };
}

/** Stages a child has not come to are as they were. */
function mergeStages(row: RunRow, stages: RunRow['stages']): RunRow['stages'] {
  return row.stages.map((known) => stages.find(({ name }) => name === known.name) ?? known);
}

/** Trials of a search: each trains with its parameters, and whoever ends one decides what is tried next. */
export function createTrialJobs(context: PipelineJobContext): JobHandler {
  const { store, changes, clock, trialsAtOnce } = context;
  const tellAll = (run: string, jobIds: readonly string[]): void => {
    for (const id of jobIds) changes.tell({ type: 'job', id });
    changes.tell({ type: 'run', id: run });
  };
  return {
    async prepare(job, folder) {
      const { run: id, budget, parameters } = trialParams.parse(job.params);
      const loaded = await loadRun(store.db, id);
      await writePipelineRequest(folder, { ...(await requestOf(context, folder, loaded)), kind: 'trial', fresh: false, parameters, budget, until: 'evaluate' });
    },
    isFinished,
    async publish(job, folder, { finish }) {
      const { run: id, trial, rung } = trialParams.parse(job.params);
      const { metric } = await requireResult(folder);
      const step = await store.transaction(async (tx) => {
        const run = await lockRun(tx, id);
        const metrics: Record<string, number> = metric === null ? {} : { metric };
        await finish(tx, { status: 'SUCCEEDED', message: metric === null ? 'no figure' : `metric ${metric.toPrecision(6)}`, metrics });
        if (run?.status !== 'RUNNING' || run.search === null) return { jobs: [] };
        return advanceSearch(tx, run, tellResult(run.search, trial, rung, metric ?? Number.NaN), trialsAtOnce, clock());
      });
      tellAll(id, step.jobs);
    },
    async onEnd(tx, job) {
      const { run: id, trial, rung } = trialParams.parse(job.params);
      const run = await lockRun(tx, id);
      if (run?.status !== 'RUNNING' || run.search === null) return;
      const step = await advanceSearch(tx, run, tellFailure(run.search, trial, rung, 'failed').state, trialsAtOnce, clock());
      tellAll(id, step.jobs);
    },
  };
}
