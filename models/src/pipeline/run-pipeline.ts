import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';

import { SerinError } from '@serin/protocol/errors';
import type { ParameterValue } from '@serin/protocol/api/runs';
import { reportPath } from '@serin/protocol/bundle/report';
import type { Digest } from '@serin/protocol/ids';
import { pipelineFile, type PipelineFile, type StageName } from '@serin/protocol/pipeline';

import { addProblem, noProblems, refuseProblems } from '../data/problems.ts';
import { codeRevision, readEnvironment } from '../runs/environment.ts';
import { trialOf } from '../search/space.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { runStages, waitingStages, type EngineSettings, type Progressed } from './engine.ts';
import { flatParameters } from './engine-text.ts';
import { mainMetric } from './metrics.ts';
import { decodeJson, type DataFacts } from './part.ts';
import type { PipelineHooks, PipelineReport, PipelineRequest, PipelineResult } from './request.ts';
import type { InputDigest, Plan, ReportPart } from './stage.ts';
import { cacheBytesMaxDefault, openStageCache, sha256Of, type StageCache } from './stage-cache.ts';
import { readVersion } from './stages/package.ts';
import { stageTable } from './stages/table.ts';

export type { Champion, PipelineHooks, PipelineReport, PipelineRequest, PipelineResult } from './request.ts';

/** Runs a pipeline: what has not changed since it was last done is taken from the cache. */
export async function runPipeline(request: PipelineRequest, hooks: PipelineHooks = {}): Promise<PipelineResult> {
  throwIfCancelled(hooks.signal);
  const file = plannedFile(request);
  const cache = await openStageCache({
    folder: request.cacheFolder,
    bytesMax: request.cacheBytesMax ?? cacheBytesMaxDefault,
    now: () => Date.now(),
  });
  try {
    return await runWith(cache, file, request, hooks);
  } finally {
    await cache.close();
  }
}

/** The pipeline with what the request changes about it: the dataset's own columns, the parameters of a trial. */
function plannedFile({ file, dataset, parameters, budget = 1 }: PipelineRequest): PipelineFile {
  const known = 'files' in file.ingest || dataset === undefined ? file : { ...file, ingest: { ...file.ingest, spec: file.ingest.spec ?? dataset.spec } };
  if (parameters === undefined) return known;
  const changed = trialOf(known, parameters, budget);
  const parsed = pipelineFile.shape.train.safeParse(changed.train);
  if (!parsed.success)
    throw new SerinError('PIPELINE_INVALID', { detail: `the parameters ${JSON.stringify(parameters)} do not fit train`, cause: parsed.error });
  return changed;
}

async function runWith(cache: StageCache, file: PipelineFile, request: PipelineRequest, hooks: PipelineHooks): Promise<PipelineResult> {
  const until = request.until ?? 'package';
  const trial = request.parameters !== undefined && until !== 'package';
  const made: Progressed = { stages: waitingStages(stageTable, until), entries: new Map(), codeDigests: new Map(), log: [] };
  const base = reportBase(file, request);
  const report = (): PipelineReport => assemble(base, file, request, made);
  for (const stage of made.stages) hooks.onStage?.(stage);
  const tell: PipelineHooks = {
    ...hooks,
    onStage: (stage) => {
      hooks.onStage?.(stage);
      if (stage.state !== 'running') hooks.onReport?.(report());
    },
  };
  const plan = await planOf(file, request, trial, tell);
  const settings: EngineSettings = {
    stages: stageTable,
    cache,
    threads: request.threads,
    checkpointSeconds: request.checkpointSeconds ?? checkpointSecondsDefault,
    fresh: request.fresh ?? false,
    locate: request.inputs,
    hooks: tell,
    runTrial: (changed) => runTrial(plan, changed, settings),
  };
  await runStages(plan, until, settings, made);
  const packed = made.entries.get('package');
  const metric = made.entries.get('evaluate')?.record.facts['metric'];
  const split = made.entries.get('split');
  return {
    report: report(),
    ...(split === undefined ? {} : { comparedBy: mainMetric(file, decodeJson<DataFacts>(await split.read('facts.json'))) }),
    ...(packed === undefined ? {} : { versionReport: await packed.read(reportPath) }),
    ...(packed === undefined || packed.record.skipped ? {} : { version: await readVersion((name) => packed.read(name)) }),
    ...(trial && typeof metric === 'number' ? { metric } : {}),
  };
}

/** On the cache and with the data of the run around it; the metric on the validation part. */
async function runTrial(plan: Plan, file: PipelineFile, settings: EngineSettings): Promise<number> {
  const made: Progressed = { stages: waitingStages(stageTable, 'evaluate'), entries: new Map(), codeDigests: new Map(), log: [] };
  const { signal, now } = settings.hooks;
  await runStages({ ...plan, file, trial: true }, 'evaluate', { ...settings, fresh: false, hooks: { signal, now } }, made);
  return Number(made.entries.get('evaluate')?.record.facts['metric'] ?? Number.NaN);
}

/** Names and digests of everything that is read. What is missing is told at once, all of it. */
async function planOf(file: PipelineFile, request: PipelineRequest, trial: boolean, hooks: PipelineHooks): Promise<Plan> {
  const { champion, dataset, inputs } = request;
  const problems = noProblems();
  const digest = async (path: string): Promise<InputDigest | undefined> => {
    try {
      return { path, ...(await hashFile(inputs(path), hooks.signal)) };
    } catch (error) {
      if (error instanceof SerinError) throw error;
      addProblem(problems, { kind: 'file-missing', file: path, detail: `it cannot be read (${String((error as { code?: unknown }).code ?? error)})` });
      return undefined;
    }
  };
  if ('dataset' in file.ingest && dataset === undefined) {
    throw new SerinError('PIPELINE_INVALID', {
      detail: `ingest.dataset: ${file.ingest.dataset} is a dataset of a server, and this run has none`,
      hint: 'Run it on the server, or name files',
    });
  }
  const paths = 'files' in file.ingest ? await expandFolders(file.ingest.files, inputs) : (dataset?.files ?? []).map(({ path }) => path);
  const digests: InputDigest[] = [];
  let done = 0;
  for (const path of paths) {
    const found = await digest(path);
    if (found !== undefined) digests.push(found);
    done += 1;
    hooks.onProgress?.({ stage: 'ingest', fraction: done / paths.length, message: `digest of ${path}`, rate: null, remainingSeconds: null });
  }
  const schema = file.validate.schema === undefined ? undefined : await digest(file.validate.schema);
  refuseProblems(problems);
  return { file, inputs: digests, schema, trial, champion: champion === undefined ? undefined : { ...champion, sha256: championDigest(champion) } };
}

const championDigest = ({ model, preprocessing }: NonNullable<PipelineRequest['champion']>): Digest =>
  sha256Of(`${sha256Of(model)} ${preprocessing === undefined ? 'none' : sha256Of(preprocessing)}`);

async function hashFile(file: string, signal: AbortSignal | undefined): Promise<{ sha256: Digest; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    throwIfCancelled(signal);
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { sha256: hash.digest('hex') as Digest, bytes };
}

type Base = Pick<PipelineReport, 'seed' | 'parameters' | 'environment'> & { readonly revision: string | null };

const reportBase = (file: PipelineFile, { threads, code }: PipelineRequest): Base => {
  const { description: _, seed, name: __, v: ___, $schema: ____, ...settings } = file;
  return {
    seed,
    parameters: flatParameters(settings) as Record<string, ParameterValue>,
    environment: readEnvironment(threads),
    revision: code === undefined ? codeRevision() : code.revision,
  };
};

const nothingYet: Required<ReportPart> = {
  metrics: {},
  baseline: null,
  weightDigest: null,
  gate: null,
  importance: null,
  confusion: null,
  intervals: {},
  slices: [],
  assumptions: [],
  trials: [],
};

const checkpointSecondsDefault = 10;
const artifactsMax = 64;
const seriesMax = 32;

function assemble({ seed, parameters, environment, revision }: Base, file: PipelineFile, { dataset }: PipelineRequest, made: Progressed): PipelineReport {
  const entries = [...made.entries];
  const parts = entries.map(([, { record }]) => record.report);
  const known: Required<ReportPart> = Object.assign({}, nothingYet, ...parts) as Required<ReportPart>;
  const codes = [...made.codeDigests].map(([name, digest]) => `${name} ${digest}`).join('\n');
  return {
    ...known,
    seed,
    parameters: { ...parameters, ...chosenParameters(made) },
    environment,
    code: { revision, digest: codes === '' ? null : sha256Of(codes) },
    data: dataOf(file, dataset, made),
    stages: [...made.stages],
    series: entries
      .flatMap(([, { record }]) =>
        Object.entries(record.series).map(([name, points]) => ({ name, points: points.map(([step, value]): [number, number] => [step, value]) })),
      )
      .slice(0, seriesMax),
    artifacts: entries
      .flatMap(([stage, { outputs }]) => outputs.map(({ name, bytes, sha256 }) => ({ name: `${stage}/${name}`, bytes, sha256 })))
      .slice(0, artifactsMax),
    log: [...made.log],
  };
}

/** Known as soon as the files are; how many rows they have only the pass over them tells. */
function dataOf({ ingest }: PipelineFile, dataset: PipelineRequest['dataset'], { entries }: Progressed): PipelineReport['data'] {
  const digest = entries.get('ingest')?.record.facts['digest'];
  if (digest === undefined) return null;
  const rows = entries.get('validate')?.record.facts['rows'];
  return {
    dataset: 'dataset' in ingest ? ingest.dataset : null,
    version: dataset?.version ?? null,
    digest: digest as Digest,
    rows: typeof rows === 'number' ? rows : null,
  };
}

/** What a search has found is what was trained with. */
function chosenParameters({ entries }: Progressed): Record<string, ParameterValue> {
  const found = entries.get('search' as StageName)?.record.facts['parameters'] as Record<string, ParameterValue> | undefined;
  return Object.fromEntries(Object.entries(found ?? {}).map(([name, value]) => [`train.${name}`, value]));
}

/** A folder stands for all files below it, hidden ones apart, in an order that is the same everywhere. */
async function expandFolders(paths: readonly string[], inputs: PipelineRequest['inputs']): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const facts = await stat(inputs(path)).catch(() => undefined);
    if (facts?.isDirectory() !== true) {
      found.push(path);
      continue;
    }
    const entries = await readdir(inputs(path), { recursive: true, withFileTypes: true });
    const base = inputs(path);
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(base.length).replaceAll('\\', '/').replace(/^\/+/, ''));
    found.push(
      ...files
        .filter((name) => !name.split('/').some((part) => part.startsWith('.')))
        .toSorted()
        .map((name) => `${path.replace(/\/+$/, '')}/${name}`),
    );
  }
  return [...new Set(found)];
}
