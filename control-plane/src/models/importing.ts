import path from 'node:path';
import { eq } from 'drizzle-orm';
import { z } from 'zod/mini';
import { flatParameters } from '@serin/models/pipeline/engine-text';
import { inputFile, type InputFile } from '@serin/protocol/api/datasets';
import { digest, modelName, type Digest, type ModelName } from '@serin/protocol/ids';
import { importSpec, type ImportSpec } from '@serin/protocol/import-spec';
import { recordAudit } from '../audit.ts';
import { layOut } from '../blobs/lay-out.ts';
import { checkPaths } from '../datasets/versions.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { writeImportRequest, type ImportJobRequest } from '../jobs/import-folder.ts';
import { importParams } from '../jobs/params.ts';
import { enqueueJob, type JobRow } from '../jobs/queue.ts';
import { missingBlobs } from '../runs/pipelines.ts';
import { models } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { findVersion, manifestOf } from '../views/models.ts';
import type { PublishContext, VersionRow } from './publish.ts';
import { threadsOf, type TrainingSettings } from './training.ts';
import { createVersionJobs, recordVersionRun } from './version-job.ts';

/** Models that were made elsewhere, with what a person says of them and pictures to measure them on. */
export interface ImportOrder {
  model: ModelName;
  spec: ImportSpec;
  file: InputFile;
  pictures: readonly InputFile[];
  note: string;
}

const order = z.object({ spec: importSpec, file: inputFile, pictures: z.array(inputFile), note: z.string() });

/** Begins an import, or tells which files have to be sent first. */
export async function startImport(
  { store, blobs, changes, clock }: PublishContext,
  { model, ...rest }: ImportOrder,
  actor: string,
): Promise<{ missing: Digest[]; job?: JobRow }> {
  checkPaths(rest.pictures);
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
  const { store, blobs } = context;
  const threads = threadsOf(settings);

  async function orderOf(job: JobRow): Promise<z.infer<typeof order>> {
    const { request } = importParams.parse(job.params);
    return order.parse(JSON.parse(Buffer.from(await blobs.read(request)).toString('utf8')));
  }

  return createVersionJobs(context, {
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
      await recordVersionRun(context, job, threads, {
        seed: spec.seed,
        data: { dataset: null, version: null, digest: importParams.parse(job.params).request, rows: pictures.length },
        parameters: { model: file.sha256, ...flatParameters(spec) },
        champion: champion?.row.version ?? null,
      });
    },
    isGated: () => true,
    publishAs: async (job) => ({ origin: 'pushed', note: (await orderOf(job)).note }),
  });
}
