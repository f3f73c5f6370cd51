import { z } from 'zod/mini';
import { digest, modelName } from '../ids.ts';
import { pipelineFile } from '../pipeline.ts';
import { report } from '../bundle/report.ts';
import { dataset, datasetName, datasetVersion, datasetVersionDetail, dataSpec, inputFile, inputFilesMax, source, sourceSettings } from './datasets.ts';
import { job } from './resources.ts';
import { environmentReport, pipeline, run, runComparison, runDetail } from './runs.ts';

/** Routes of data, runs and pipelines; part of the one table in `routes.ts`. */

const shortText = (most: number) => z.string().check(z.minLength(1), z.maxLength(most));
const queryWhole = (least: number, most: number) =>
  z.pipe(z.string().check(z.regex(/^\d{1,15}$/)), z.pipe(z.transform(Number), z.int().check(z.gte(least), z.lte(most))));
const limit = (usual: number) => z._default(queryWhole(1, 500), usual);
const byId = z.object({ id: shortText(64) });
const byName = z.object({ name: modelName });
const byVersion = z.object({ name: datasetName, version: queryWhole(1, 1_000_000_000) });
const bySha256 = z.object({ sha256: digest });
const decision = z.object({ note: z._default(z.string().check(z.maxLength(500)), '') });
const upload = z.object({ received: z.int(), complete: z.boolean() });

/** Files of this many bytes at most; they are sent in pieces, so none is ever whole in memory. */
export const uploadBytesMax = 64 * 2 ** 30;
export const uploadPieceBytesMax = 8 * 2 ** 20;

export const newSource = z.object({
  name: modelName,
  dataset: datasetName,
  settings: sourceSettings,
  spec: dataSpec,
  mode: z._default(z.enum(['append', 'replace']), 'append'),
  schedule: z._default(z.nullable(z.string().check(z.maxLength(100))), null),
  enabled: z._default(z.boolean(), true),
});

export const dataRoutes = {
  getUpload: {
    method: 'GET',
    path: '/api/uploads/:sha256',
    access: 'operator',
    summary: 'How much of a file has come, so that sending goes on where it broke off',
    params: bySha256,
    reply: upload,
  },
  /** The body is a piece of the file (application/octet-stream), at `offset`. The whole must have the digest of the path. */
  sendUpload: {
    method: 'POST',
    path: '/api/uploads/:sha256',
    access: 'operator',
    summary: 'Send a piece of a file',
    params: bySha256,
    query: z.object({ offset: queryWhole(0, uploadBytesMax), total: queryWhole(0, uploadBytesMax) }),
    reply: upload,
  },
  listDatasets: { method: 'GET', path: '/api/datasets', access: 'viewer', summary: 'Datasets', reply: z.object({ items: z.array(dataset) }) },
  listDatasetVersions: {
    method: 'GET',
    path: '/api/datasets/:name/versions',
    access: 'viewer',
    summary: 'Versions of a dataset, newest first',
    params: byName,
    query: z.object({ limit: limit(100) }),
    reply: z.object({ items: z.array(datasetVersion) }),
  },
  getDatasetVersion: {
    method: 'GET',
    path: '/api/datasets/:name/versions/:version',
    access: 'viewer',
    summary: 'One version with its columns and anomalies',
    params: byVersion,
    reply: datasetVersionDetail,
  },
  /** Which of the files are not on the server yet: send these first, then ask again. */
  addDatasetVersion: {
    method: 'POST',
    path: '/api/datasets/:name/versions',
    access: 'operator',
    summary: 'Make a version of files: checked first, and quarantined when something is wrong',
    params: byName,
    body: z.object({
      files: z.array(inputFile).check(z.minLength(1), z.maxLength(inputFilesMax)),
      spec: dataSpec,
      mode: z._default(z.enum(['append', 'replace']), 'replace'),
      note: z._default(z.string().check(z.maxLength(500)), ''),
    }),
    reply: z.object({ missing: z.array(digest), job: z.nullable(job) }),
  },
  releaseDatasetVersion: {
    method: 'POST',
    path: '/api/datasets/:name/versions/:version/release',
    access: 'operator',
    summary: 'Use a quarantined batch all the same',
    params: byVersion,
    body: decision,
    reply: datasetVersion,
  },
  dropDatasetVersion: {
    method: 'POST',
    path: '/api/datasets/:name/versions/:version/drop',
    access: 'operator',
    summary: 'Drop a quarantined batch',
    params: byVersion,
    body: decision,
    reply: datasetVersion,
  },
  listSources: {
    method: 'GET',
    path: '/api/sources',
    access: 'viewer',
    summary: 'Where data comes from by itself',
    reply: z.object({ items: z.array(source) }),
  },
  /** Makes a source or changes the one of that name. */
  setSource: { method: 'POST', path: '/api/sources', access: 'admin', summary: 'Declare a source', body: newSource, reply: source },
  readSource: {
    method: 'POST',
    path: '/api/sources/:name/read',
    access: 'operator',
    summary: 'Read a source now; with accept also where it shrank or has nothing',
    params: byName,
    query: z.object({ accept: z.optional(z.enum(['true', 'false'])) }),
    reply: job,
  },
  removeSource: {
    method: 'DELETE',
    path: '/api/sources/:name',
    access: 'admin',
    summary: 'Forget a source; what it brought stays',
    params: byName,
    reply: z.object({}),
  },
  listPipelines: {
    method: 'GET',
    path: '/api/pipelines',
    access: 'viewer',
    summary: 'Pipelines and how their last run went',
    reply: z.object({ items: z.array(pipeline) }),
  },
  getPipeline: {
    method: 'GET',
    path: '/api/pipelines/:name',
    access: 'viewer',
    summary: 'A pipeline as it was last run',
    params: byName,
    reply: z.object({ pipeline, file: pipelineFile }),
  },
  /** Which of its files are not on the server yet: send these first, then ask again. */
  runPipeline: {
    method: 'POST',
    path: '/api/pipelines',
    access: 'operator',
    summary: 'Run a pipeline: what has not changed is not done again',
    body: z.object({
      file: pipelineFile,
      /** The files it names, where it names any, and its schema. */
      inputs: z._default(z.array(inputFile).check(z.maxLength(inputFilesMax + 1)), []),
      rollout: z._default(z.boolean(), false),
      /** Do every stage again, whatever is cached. */
      fresh: z._default(z.boolean(), false),
    }),
    reply: z.object({ missing: z.array(digest), run: z.nullable(run), job: z.nullable(job) }),
  },
  listRuns: {
    method: 'GET',
    path: '/api/runs',
    access: 'viewer',
    summary: 'Runs, newest first',
    query: z.object({ limit: limit(50), model: z.optional(modelName), pipeline: z.optional(modelName) }),
    reply: z.object({ items: z.array(run) }),
  },
  getRun: { method: 'GET', path: '/api/runs/:id', access: 'viewer', summary: 'One run, whole', params: byId, reply: runDetail },
  /** The page itself with `format=html`, or where a browser asks for one. */
  getRunReport: {
    method: 'GET',
    path: '/api/runs/:id/report',
    access: 'viewer',
    summary: 'What was measured before the gate judged, whether it passed or not; with format=html as a page',
    params: byId,
    query: z.object({ format: z.optional(z.enum(['json', 'html'])) }),
    reply: report,
  },
  compareRuns: {
    method: 'GET',
    path: '/api/runs/:id/against/:other',
    access: 'viewer',
    summary: 'In what two runs differ',
    params: z.object({ id: shortText(64), other: shortText(64) }),
    reply: runComparison,
  },
  repeatRun: {
    method: 'POST',
    path: '/api/runs/:id/repeat',
    access: 'operator',
    summary: 'Do a run again, every stage of it, and say whether the same comes out',
    params: byId,
    reply: z.object({ run, job }),
  },
  getRunEnvironment: {
    method: 'GET',
    path: '/api/runs/:id/environment',
    access: 'viewer',
    summary: 'Where a run ran, beside what the fleet runs',
    params: byId,
    reply: environmentReport,
  },
} as const;
