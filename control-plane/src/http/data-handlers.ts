import { SerinError } from '@serin/protocol/errors';
import type { dataRoutes } from '@serin/protocol/api/data-routes';
import { compareRuns } from '@serin/models/runs/comparison';
import { checkPipeline } from '@serin/protocol/pipeline-file';
import { readSource, removeSource, setSource, type SourceContext } from '../datasets/sources.ts';
import { dropVersion, pushFiles, releaseVersion } from '../datasets/versions.ts';
import type { Uploads } from '../datasets/uploads.ts';
import { reportEnvironment } from '../runs/fleet-environment.ts';
import { repeatRun, startPipeline, type PipelineContext } from '../runs/pipelines.ts';
import { viewJob } from '../views/work.ts';
import { findDatasetVersion, listDatasets, listDatasetVersions, listSources, viewDatasetVersion, viewDatasetVersionDetail, viewSource } from '../views/data.ts';
import { findPipeline, findRunRow, listPipelines, listRuns, viewRun, viewRunDetail } from '../views/runs.ts';
import type { Handlers } from './routes.ts';
import { readRunReport, replyReport } from './version-report.ts';

export interface DataHandlerContext {
  uploads: Uploads;
  datasets: SourceContext;
  pipelines: PipelineContext;
}

export type DataHandlers = Pick<Handlers, keyof typeof dataRoutes>;

function found<Item>(item: Item | undefined, what: string): Item {
  if (item === undefined) throw new SerinError('NOT_FOUND', { detail: what });
  return item;
}

/** A body that the table refuses may still hold a pipeline that can be told what is wrong with it. */
export function explainPipeline(body: unknown): void {
  if (typeof body === 'object' && body !== null && 'file' in body) checkPipeline(body.file);
}

/** Data, runs and pipelines, route by route. */
export function createDataHandlers(context: DataHandlerContext): DataHandlers {
  const { uploads, datasets, pipelines } = context;
  const { clock, store } = pipelines;
  const { db } = store;
  const requireRun = async (id: string) => found(await findRunRow(db, id), `run ${id}`);
  const requireVersion = async (name: string, version: number) => found(await findDatasetVersion(db, name, version), `version ${version} of ${name}`);
  const showVersion = async (name: string, version: number) => viewDatasetVersion(await requireVersion(name, version));
  return {
    getUpload: ({ params }) => uploads.state(params.sha256),
    sendUpload: ({ params, query, bytes }) => uploads.add(params.sha256, { ...query, bytes: query.total === 0 ? new Uint8Array() : bytes() }),
    listDatasets: async () => ({ items: await listDatasets(db) }),
    listDatasetVersions: async ({ params, query }) => ({ items: await listDatasetVersions(db, params.name, query.limit) }),
    getDatasetVersion: async ({ params: { name, version } }) => viewDatasetVersionDetail(await requireVersion(name, version)),
    async addDatasetVersion({ params, body, actor }) {
      const { missing, job } = await pushFiles(datasets, { ...body, name: params.name }, actor);
      return { missing, job: job === undefined ? null : viewJob(job, clock()) };
    },
    async releaseDatasetVersion({ params: { name, version }, body, actor }) {
      await releaseVersion(datasets, name, version, body.note, actor);
      return showVersion(name, version);
    },
    async dropDatasetVersion({ params: { name, version }, body, actor }) {
      await dropVersion(datasets, name, version, body.note, actor);
      return showVersion(name, version);
    },
    listSources: async () => ({ items: await listSources(db) }),
    setSource: async ({ body, actor }) => viewSource(await setSource(datasets, body, actor)),
    readSource: async ({ params, query, actor }) => viewJob(await readSource(datasets, params.name, actor, query.accept === 'true'), clock()),
    async removeSource({ params, actor }) {
      await removeSource(datasets, params.name, actor);
      return {};
    },
    listPipelines: async () => ({ items: await listPipelines(db) }),
    async getPipeline({ params }) {
      const row = found(await findPipeline(db, params.name), `pipeline ${params.name}`);
      return { pipeline: found((await listPipelines(db, [row.name]))[0], `pipeline ${row.name}`), file: row.file };
    },
    async runPipeline({ body, actor }) {
      const { missing, begun } = await startPipeline(pipelines, body, actor);
      return begun === undefined ? { missing, run: null, job: null } : { missing, run: viewRun(begun.run), job: viewJob(begun.job, clock()) };
    },
    listRuns: async ({ query }) => ({ items: await listRuns(db, query) }),
    getRun: async ({ params }) => viewRunDetail(await requireRun(params.id)),
    async getRunReport({ params, query, http }) {
      const { row, report } = await readRunReport(db, pipelines.blobs, params.id);
      return replyReport(http, query.format, report, { run: row.id, version: row.version });
    },
    compareRuns: async ({ params }) => compareRuns(viewRun(await requireRun(params.id)), viewRun(await requireRun(params.other))),
    async repeatRun({ params, actor }) {
      const { run, job } = await repeatRun(pipelines, params.id, actor);
      return { run: viewRun(run), job: viewJob(job, clock()) };
    },
    getRunEnvironment: async ({ params }) => reportEnvironment(db, (await requireRun(params.id)).environment),
  };
}
