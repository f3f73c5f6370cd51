import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod/mini';
import type { Champion, PipelineRequest, PipelineResult } from '@serin/models/pipeline/run-pipeline';
import type { TrainedVersion } from '@serin/models/package/version';
import { dataSpec, inputFile } from '@serin/protocol/api/datasets';
import { parameterValue, runDetail } from '@serin/protocol/api/runs';
import { SerinError } from '@serin/protocol/errors';
import { modelName, versionNumber } from '@serin/protocol/ids';
import { metricName, pipelineFile, stageNames, type MetricName } from '@serin/protocol/pipeline';
import { writeFileDurably } from '@serin/node/files';
import { readResult, writeResult } from './folder.ts';

/** What the child of a pipeline, or of a trial, reads and leaves in the folder of its job. */
export const pipelineRequest = z.object({
  kind: z.enum(['pipeline', 'trial']),
  file: pipelineFile,
  /** Where each file lies. */
  inputs: z.record(z.string(), z.string()),
  dataset: z.optional(z.object({ name: modelName, version: versionNumber, spec: dataSpec, files: z.array(inputFile) })),
  cacheFolder: z.string(),
  cacheBytesMax: z.number(),
  champion: z.optional(z.object({ version: versionNumber, labels: z.array(z.string()), metrics: z.record(z.string(), z.number()) })),
  threads: z.int(),
  fresh: z.boolean(),
  parameters: z.optional(z.record(z.string(), parameterValue)),
  budget: z.optional(z.number()),
  until: z.optional(z.enum(stageNames)),
});
export type PipelineJobRequest = z.infer<typeof pipelineRequest>;

/** The part of a run that its child knows. */
export const runReport = z.pick(runDetail, {
  seed: true,
  code: true,
  data: true,
  parameters: true,
  environment: true,
  stages: true,
  metrics: true,
  baseline: true,
  weightDigest: true,
  gate: true,
  series: true,
  artifacts: true,
  importance: true,
  confusion: true,
  intervals: true,
  slices: true,
  assumptions: true,
});
export type RunReportPart = z.infer<typeof runReport>;
/** As it grows while the child works. */
export const runNews = z.partial(runReport);
export type RunNews = z.infer<typeof runNews>;

const championModel = 'champion.onnx';
const championPreprocessing = 'champion-preprocessing.json';
const reportFile = 'report.json';
const versionReportFile = 'version-report.json';
const runResult = z.object({ report: runReport, metric: z.nullable(z.number()), comparedBy: z.nullable(metricName) });

export interface RunResult {
  report: RunReportPart;
  metric: number | null;
  /** What trials are compared by, once the data is known. */
  comparedBy: MetricName | null;
  version: TrainedVersion | undefined;
  versionReport: Uint8Array | undefined;
}

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

export async function writePipelineRequest(folder: string, request: PipelineJobRequest, champion?: Pick<Champion, 'model' | 'preprocessing'>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await rm(path.join(folder, championPreprocessing), { force: true });
  if (champion !== undefined) {
    await writeFileDurably(path.join(folder, championModel), champion.model);
    if (champion.preprocessing !== undefined) await writeFileDurably(path.join(folder, championPreprocessing), champion.preprocessing);
  }
  await writeFileDurably(path.join(folder, 'request.json'), JSON.stringify(request));
}

/** The request with what lies beside it, as the library takes it. */
export async function openPipelineRequest(folder: string, request: PipelineJobRequest): Promise<PipelineRequest> {
  const { kind: _, inputs, champion, ...rest } = request;
  const preprocessing = path.join(folder, championPreprocessing);
  return {
    ...rest,
    inputs(name) {
      const file = inputs[name];
      if (file === undefined) throw new SerinError('NOT_FOUND', { detail: `the file ${name} of the pipeline` });
      return file;
    },
    ...(champion === undefined
      ? {}
      : {
          champion: {
            ...champion,
            model: new Uint8Array(await readFile(path.join(folder, championModel))),
            ...((await exists(preprocessing)) ? { preprocessing: new Uint8Array(await readFile(preprocessing)) } : {}),
          },
        }),
  };
}

/** The report comes last: with it the folder counts as finished. */
export async function writeRunResult(folder: string, result: PipelineResult): Promise<void> {
  if (result.version !== undefined) await writeResult(folder, result.version);
  if (result.versionReport !== undefined) await writeFileDurably(path.join(folder, versionReportFile), result.versionReport);
  const { report, metric = null, comparedBy = null } = result;
  // A figure that could not be measured is no figure.
  const metrics = Object.fromEntries(Object.entries(report.metrics).filter(([, value]) => Number.isFinite(value)));
  await writeFileDurably(path.join(folder, reportFile), JSON.stringify({ report: { ...report, metrics }, metric, comparedBy }));
}

export async function readRunResult(folder: string): Promise<RunResult | undefined> {
  const file = path.join(folder, reportFile);
  if (!(await exists(file))) return undefined;
  const parsed = runResult.safeParse(JSON.parse(await readFile(file, 'utf8')));
  if (!parsed.success) throw new SerinError('JOB_FAILED', { detail: `the report is malformed: ${z.prettifyError(parsed.error).slice(0, 400)}` });
  const versionReport = path.join(folder, versionReportFile);
  return {
    ...parsed.data,
    version: await readResult(folder),
    versionReport: (await exists(versionReport)) ? new Uint8Array(await readFile(versionReport)) : undefined,
  };
}
