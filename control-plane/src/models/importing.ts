import path from 'node:path';
import { eq } from 'drizzle-orm';
import { z } from 'zod/mini';
import { flatParameters } from '@serin/models/pipeline/engine-text';
import { isSafePath } from '@serin/models/datasets/manifest';
import { codeRevision, readEnvironment } from '@serin/models/runs/environment';
import { inputFile, type InputFile } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { digest, modelName, type Digest, type ModelName } from '@serin/protocol/ids';
import { importSpec, type ImportSpec } from '@serin/protocol/import-spec';
import { recordAudit } from '../audit.ts';
import { layOut } from '../blobs/lay-out.ts';
import { readResult } from '../jobs/folder.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { writeImportRequest, type ImportJobRequest } from '../jobs/import-folder.ts';
import { importParams } from '../jobs/params.ts';
import { enqueueJob, findJob, type JobRow } from '../jobs/queue.ts';
import type { RunNews } from '../jobs/run-folder.ts';
import { missingBlobs } from '../runs/pipelines.ts';
import { breakRun, endRun, findRunOfJob, insertRun, type RunEnd } from '../runs/record.ts';
import { keepReport, reportFileOf } from '../runs/report.ts';
import { models } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { findVersion, manifestOf } from '../views/models.ts';
import { publishVersion, type PublishContext, type VersionRow } from './publish.ts';
import { gateError, plainGate, threadsOf, type TrainingSettings } from './training.ts';

/** Models that were made elsewhere, with what a person says of them and pictures to measure them on. */
export interface ImportOrder {
  model: ModelName;
  spec: ImportSpec;
  file: InputFile;
  pictures: readonly InputFile[];
  note: string;
}

const order = z.object({ spec: importSpec, file: inputFile, pictures: z.array(inputFile), note: z.string() });

function checkPictures(pictures: readonly InputFile[]): void {
  const seen = new Set<string>();
  const wrong = pictures.flatMap(({ path: name }) => {
    const fault = !isSafePath(name) ? `${name} is no path below a folder` : seen.has(name) ? `${name} is there twice` : undefined;
    seen.add(name);
    return fault ?? [];
  });
  if (wrong.length > 0) throw new SerinError('BAD_REQUEST', { detail: wrong.slice(0, 12).join('; ') });
}

/** Begins an import, or tells which files have to be sent first. */
export async function startImport(
  { store, blobs, changes, clock }: PublishContext,
  { model, ...rest }: ImportOrder,
  actor: string,
): Promise<{ missing: Digest[]; job?: JobRow }> {
  checkPictures(rest.pictures);
  const missing = await missingBlobs(blobs, [rest.file, ...rest.pictures]);
  if (missing.length > 0) return { missing };
  const request = await blobs.put(Buffer.from(JSON.stringify(rest)));
  const job = await store.transaction(async (tx) => {
    const row = await enqueueJob(tx, { kind: 'import', model, params: { request }, createdBy: actor }, clock());
    await recordAudit(tx, {
      at: clock(),
      actor,
      action: 'model.import',
      subject: model,
      words: `pushed ${rest.file.path} with ${rest.pictures.length} pictures`,
    });
    return row;
  });
  changes.tell({ type: 'job', id: job.id });
  return { missing, job };
}

const floatVariant = 'fp32';

async function serving(db: Db, model: string): Promise<{ row: VersionRow; model: Digest } | undefined> {
  const [known] = await db.select({ champion: models.champion }).from(models).where(eq(models.name, model));
  const row = known?.champion == null ? undefined : await findVersion(db, model, known.champion);
  const file = row === undefined ? undefined : manifestOf(row).files.find(({ role, variant }) => role === 'model' && variant === floatVariant);
  return row === undefined || file === undefined ? undefined : { row, model: digest.parse(file.sha256) };
}

export function createImportJobs(context: PublishContext, settings: TrainingSettings): JobHandler {
  const { store, blobs, changes, clock } = context;
  const threads = threadsOf(settings);

  async function orderOf(job: JobRow): Promise<z.infer<typeof order>> {
    const { request } = importParams.parse(job.params);
    return order.parse(JSON.parse(Buffer.from(await blobs.read(request)).toString('utf8')));
  }

  async function endImport(tx: Db, job: JobRow, news: RunNews, end: RunEnd): Promise<void> {
    const run = await findRunOfJob(tx, job.id);
    if (run === undefined) return;
    const log = (await findJob(tx, job.id))?.log ?? job.log;
    await endRun(tx, run, news, { ...end, log }, clock());
    changes.tell({ type: 'run', id: run.id });
  }

  return {
    async prepare(job, folder) {
      const { spec, file, pictures } = await orderOf(job);
      const champion = await serving(store.db, job.model);
      const request: ImportJobRequest = {
        kind: 'import',
        name: modelName.parse(job.model),
        spec,
        model: blobs.locate(digest.parse(file.sha256)),
        pictures: pictures.length === 0 ? null : await layOut(blobs, path.join(folder, 'pictures'), pictures),
        champion:
          champion === undefined ? null : { version: champion.row.version, labels: manifestOf(champion.row).labels, model: blobs.locate(champion.model) },
        framesPerWindow: settings.framesPerWindow,
        threads,
      };
      await writeImportRequest(folder, request);
      if ((await findRunOfJob(store.db, job.id)) !== undefined) return;
      await insertRun(store.db, {
        model: job.model,
        pipeline: null,
        jobId: job.id,
        createdAt: clock(),
        createdBy: job.createdBy,
        seed: spec.seed,
        code: { revision: codeRevision(), digest: null },
        environment: readEnvironment(threads),
        data: { dataset: null, version: null, digest: importParams.parse(job.params).request, rows: pictures.length },
        parameters: { model: file.sha256, ...flatParameters(spec) },
        champion: champion?.row.version ?? null,
      });
    },
    isFinished: async (folder) => (await readResult(folder).catch(() => undefined)) !== undefined,
    async publish(job, folder, { finish }) {
      const version = await readResult(folder);
      if (version === undefined) throw new SerinError('JOB_FAILED', { detail: 'the job left no result' });
      const { metrics, weightDigest } = version;
      const news = { metrics, weightDigest, gate: plainGate(version), artifacts: await keepReport(blobs, reportFileOf(version)) };
      const error = gateError(version.gate, (await findRunOfJob(store.db, job.id))?.id);
      if (error !== undefined) {
        await store.transaction(async (tx) => {
          await finish(tx, { status: 'FAILED', message: error.detail, metrics, error });
          await endImport(tx, job, news, { status: 'FAILED', error });
        });
        return;
      }
      const { note } = await orderOf(job);
      await publishVersion(
        context,
        { ...version, model: modelName.parse(job.model), gate: plainGate(version), origin: 'pushed', createdBy: job.createdBy, jobId: job.id, note },
        async (tx, row) => {
          await finish(tx, { status: 'SUCCEEDED', message: `version ${row.version} is published`, version: row.version, metrics });
          await endImport(tx, job, news, { status: 'SUCCEEDED', version: row.version });
        },
      );
    },
    async onEnd(tx, job, end) {
      const run = await findRunOfJob(tx, job.id);
      if (run === undefined) return;
      await breakRun(tx, run, end, (await findJob(tx, job.id))?.log ?? job.log, clock());
      changes.tell({ type: 'run', id: run.id });
    },
  };
}
