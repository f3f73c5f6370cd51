import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { isSafePath } from '@serin/models/datasets/manifest';
import { codeRevision, readEnvironment } from '@serin/models/runs/environment';
import { bestTrial } from '@serin/models/search/asha';
import type { InputFile } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { digest, type Digest } from '@serin/protocol/ids';
import { checkPipeline } from '@serin/protocol/pipeline-file';
import type { PipelineFile } from '@serin/protocol/pipeline';
import { recordAudit } from '../audit.ts';
import type { BlobStore } from '../blobs/disk.ts';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import { enqueueJob, type JobRow } from '../jobs/queue.ts';
import { datasets, models, pipelines, runs } from '../store/schema.ts';
import type { Db, Store } from '../store/store.ts';
import { findDatasetVersion } from '../views/data.ts';
import { findRunRow, type RunRow } from '../views/runs.ts';
import { insertRun, waitingStages } from './record.ts';

export interface PipelineContext {
  store: Store;
  blobs: BlobStore;
  changes: Changes;
  clock: Clock;
  /** Of one run. */
  threads: number;
}

export interface PipelineOrder {
  file: PipelineFile;
  inputs: readonly InputFile[];
  rollout: boolean;
  fresh: boolean;
}

const unfinishedMax = 500;

/** The paths a pipeline names: of a file, or of a folder that stands for all below it. */
export const namedPaths = ({ ingest, validate }: PipelineFile): string[] => [
  ...('files' in ingest ? ingest.files : []),
  ...(validate.schema === undefined ? [] : [validate.schema]),
];

export const isPartOf = (path: string, named: string): boolean => path === named || path.startsWith(`${named.replace(/\/+$/, '')}/`);

/** What was announced of what the pipeline names; what is wrong with that comes with all of it. */
function namedInputs(file: PipelineFile, inputs: readonly InputFile[]): InputFile[] {
  const named = namedPaths(file);
  const faults = named.filter((name) => !inputs.some(({ path }) => isPartOf(path, name))).map((name) => `  ${name}: no such file is among the inputs`);
  if (faults.length > 0) throw new SerinError('PIPELINE_INVALID', { detail: `${faults.length} file${faults.length === 1 ? '' : 's'}\n${faults.join('\n')}` });
  const used = inputs.filter(({ path }) => named.some((name) => isPartOf(path, name)));
  const wrong = used.filter(({ path }) => !isSafePath(path.replace(/^(\.\.?\/)+/, ''))).map(({ path }) => path);
  if (wrong.length > 0) throw new SerinError('BAD_REQUEST', { detail: `${wrong.slice(0, 12).join(', ')}: no path of a file` });
  return [...new Map(used.map((input) => [input.path, input])).values()];
}

/** The file with the version of its dataset written down: a run is of one version, whatever comes meanwhile. */
async function pinDataset(db: Db, file: PipelineFile): Promise<PipelineFile> {
  if (!('dataset' in file.ingest)) return file;
  const { dataset, version } = file.ingest;
  const [known] = await db.select().from(datasets).where(eq(datasets.name, dataset));
  if (known === undefined)
    throw new SerinError('PIPELINE_INVALID', { detail: `ingest.dataset: there is no dataset ${dataset}`, hint: 'Make it with `serin data push`' });
  const chosen = version ?? known.latest;
  if (chosen === null)
    throw new SerinError('PIPELINE_INVALID', { detail: `ingest.dataset: ${dataset} has no version that may be used`, hint: 'Release one, or push another' });
  const row = await findDatasetVersion(db, dataset, chosen);
  if (row?.status !== 'READY')
    throw new SerinError('PIPELINE_INVALID', { detail: `ingest.version: version ${chosen} of ${dataset} is ${row === undefined ? 'not there' : row.status}` });
  return { ...file, ingest: { ...file.ingest, version: chosen } };
}

export async function missingBlobs(blobs: BlobStore, inputs: readonly InputFile[]): Promise<Digest[]> {
  const missing = new Set<Digest>();
  const wrong: string[] = [];
  for (const { path, sha256, bytes } of inputs) {
    const size = await blobs.size(digest.parse(sha256));
    if (size === undefined) missing.add(digest.parse(sha256));
    else if (size !== bytes) wrong.push(`${path} has ${size} bytes, not ${bytes}`);
  }
  if (wrong.length > 0) throw new SerinError('BAD_REQUEST', { detail: wrong.slice(0, 12).join('; ') });
  return [...missing];
}

interface Begun {
  run: RunRow;
  job: JobRow;
}

/** The row of the run and its job, together. */
async function begin(
  context: PipelineContext,
  tx: Db,
  run: Pick<RunRow, 'file' | 'inputs' | 'repeats' | 'champion'> & { file: PipelineFile },
  actor: string,
  params: object,
): Promise<Begun> {
  const now = context.clock();
  const busy = await tx.$count(runs, eq(runs.status, 'RUNNING'));
  if (busy >= unfinishedMax)
    throw new SerinError('TOO_MANY_REQUESTS', { detail: `${busy} runs are waiting or under way`, hint: 'Wait until some have ended, or cancel them' });
  const id = randomUUID();
  const { name, seed, ingest } = run.file;
  const job = await enqueueJob(tx, { kind: 'pipeline', model: name, params: { ...params, seed, run: id }, createdBy: actor }, now);
  const row = await insertRun(tx, {
    ...run,
    id,
    model: name,
    pipeline: name,
    jobId: job.id,
    createdAt: now,
    createdBy: actor,
    seed,
    code: { revision: codeRevision(), digest: null },
    environment: readEnvironment(context.threads),
    stages: waitingStages(),
  });
  const of = 'dataset' in ingest ? ` on ${ingest.dataset} version ${ingest.version ?? '?'}` : '';
  const words = run.repeats === null ? `ran the pipeline ${name}${of}` : `repeated the run ${run.repeats} of ${name}`;
  await recordAudit(tx, { at: now, actor, action: run.repeats === null ? 'pipeline.run' : 'run.repeat', subject: id, words });
  return { run: row, job };
}

function tellBegun({ changes }: PipelineContext, { run, job }: Begun): Begun {
  changes.tell({ type: 'run', id: run.id });
  changes.tell({ type: 'job', id: job.id });
  return { run, job };
}

/** Begins a run, or tells which files have to be sent first. */
export async function startPipeline(context: PipelineContext, order: PipelineOrder, actor: string): Promise<{ missing: Digest[]; begun?: Begun }> {
  const { store, blobs } = context;
  const file = checkPipeline(order.file);
  const inputs = namedInputs(file, order.inputs);
  const pinned = await pinDataset(store.db, file);
  const missing = await missingBlobs(blobs, inputs);
  if (missing.length > 0) return { missing };
  const begun = await store.transaction(async (tx) => {
    const now = context.clock();
    await tx
      .insert(pipelines)
      .values({ name: file.name, file, createdAt: now, updatedAt: now })
      .onConflictDoUpdate({ target: pipelines.name, set: { file, updatedAt: now } });
    const [model] = await tx.select({ champion: models.champion }).from(models).where(eq(models.name, file.name));
    const run = { file: pinned, inputs, repeats: null, champion: model?.champion ?? null };
    return begin(context, tx, run, actor, { rollout: order.rollout, fresh: order.fresh });
  });
  return { missing, begun: tellBegun(context, begun) };
}

/** The same again, every stage of it; nothing is published, for the version is there already. */
export async function repeatRun(context: PipelineContext, id: string, actor: string): Promise<Begun> {
  const { store, blobs } = context;
  const original = await findRunRow(store.db, id);
  if (original === undefined) throw new SerinError('NOT_FOUND', { detail: `run ${id}` });
  const { file, inputs, champion, status } = original;
  if (file === null) throw new SerinError('CONFLICT', { detail: 'the run is no run of a pipeline', hint: 'Only runs of pipelines can be repeated' });
  if (status === 'RUNNING') throw new SerinError('CONFLICT', { detail: 'the run has not ended' });
  const missing = await missingBlobs(blobs, inputs);
  if (missing.length > 0) throw new SerinError('DATASET_DAMAGED', { detail: `${missing.length} of ${inputs.length} files of the run are missing` });
  // What a search found is part of what was done; searching again would only find it again.
  const best = original.search === null ? undefined : bestTrial(original.search)?.parameters;
  const begun = await store.transaction((tx) =>
    begin(context, tx, { file, inputs, repeats: id, champion }, actor, { rollout: false, fresh: true, ...(best === undefined ? {} : { parameters: best }) }),
  );
  return tellBegun(context, begun);
}
