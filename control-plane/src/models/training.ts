import { availableParallelism } from 'node:os';
import { eq } from 'drizzle-orm';
import { z } from 'zod/mini';
import { designLight } from '@serin/inference/bin-scene/parameters';
import type { TrainedVersion } from '@serin/models/package/version';
import { SerinError } from '@serin/protocol/errors';
import { digest } from '@serin/protocol/ids';
import type { BundlePart } from '@serin/protocol/bundle/manifest';
import type { BlobStore } from '../blobs/disk.ts';
import { digestOfInputs, writeChampion, writeInput, writeRequest, writeSamples, type JobRequest } from '../jobs/folder.ts';
import { jobParams } from '../jobs/params.ts';
import type { JobHandler } from '../jobs/handler.ts';
import type { JobRow } from '../jobs/queue.ts';
import { models } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { findVersion, manifestOf } from '../views/models.ts';
import { labelledSamples } from './labelled.ts';
import type { PublishContext } from './publish.ts';
import { createVersionJobs, recordVersionRun } from './version-job.ts';

export interface TrainingSettings {
  /** Frames of a reference window; live windows are merged to as many. */
  framesPerWindow: number;
  /** 0: one less than there are cores. */
  threads: number;
}

/** Training begins with a network that knows the parts already, so that a few hundred frames suffice; another light takes some more. */
const baseFrames = 400;
const epochs = 1;
const retrainEpochs = 2;

export const threadsOf = ({ threads }: Pick<TrainingSettings, 'threads'>): number => (threads === 0 ? Math.max(1, availableParallelism() - 1) : threads);

export const usualRequest = ({ framesPerWindow, threads }: TrainingSettings): Omit<JobRequest, 'kind' | 'seed'> => ({
  baseFrames,
  epochs,
  light: designLight,
  framesPerWindow,
  threads: threadsOf({ threads }),
  labels: [],
});

async function championOf(db: Db, model: string) {
  const [row] = await db.select({ champion: models.champion }).from(models).where(eq(models.name, model));
  return row === undefined || row.champion === null ? undefined : findVersion(db, model, row.champion);
}

/** A version as it was before it was signed, out of its blobs. */
export async function readPublished(db: Db, blobs: BlobStore, model: string, version: number): Promise<TrainedVersion> {
  const row = await findVersion(db, model, version);
  if (row === undefined) throw new SerinError('NOT_FOUND', { detail: `${model} version ${version}` });
  const { files, task, labels, inputs, outputs, metrics, decision } = manifestOf(row);
  const parts: BundlePart[] = [];
  for (const { role, variant, path, sha256 } of files) {
    parts.push({ role, ...(variant === undefined ? {} : { variant }), path, bytes: await blobs.read(sha256) });
  }
  return {
    files: parts,
    task,
    labels,
    inputs,
    outputs,
    metrics,
    ...(decision === undefined ? {} : { decision }),
    gate: row.gate ?? { passed: true, checks: [] },
    weightDigest: '',
    parameters: 0,
  };
}

/** Training of the bin picker's detector: what goes into a job's folder, and what becomes of its result. */
export function createTraining(context: PublishContext, settings: TrainingSettings): JobHandler {
  const { store, blobs } = context;

  return createVersionJobs(context, {
    async prepare(job, folder) {
      const params = jobParams.parse(job.params);
      const usual = { ...usualRequest(settings), kind: trainingKind.parse(job.kind), model: job.model, seed: params.seed };
      const request = job.kind === 'retrain' ? { ...usual, epochs: retrainEpochs } : usual;
      await writeRequest(folder, request);
      const champion = await championOf(store.db, job.model);
      if (job.kind === 'spoil') {
        if (champion === undefined) throw new SerinError('NOT_FOUND', { detail: `${job.model} has no version in service to spoil` });
        await writeInput(folder, await readPublished(store.db, blobs, job.model, champion.version));
        return;
      }
      let written = 0;
      if (job.kind === 'retrain') {
        written = await writeSamples(folder, labelledSamples(store.db, job.model, params.since ?? 0));
        if (written === 0) throw new SerinError('TRAINING_DATA_INSUFFICIENT', { detail: 'no labelled frames have come from devices' });
      }
      const models = champion === undefined ? [] : manifestOf(champion).files.filter(({ role }) => role === 'model');
      // What most devices run; a version whose 8 bits lost too much has float alone.
      const file = models.find(({ variant }) => variant === 'u8s8') ?? models.find(({ variant }) => variant === 'fp32');
      if (file !== undefined) await writeChampion(folder, await blobs.read(digest.parse(file.sha256)));
      const { seed, baseFrames: base, epochs: rounds, light, framesPerWindow, threads } = request;
      await recordVersionRun(context, job, threads, {
        seed,
        // Rendered frames follow from the parameters and the seed; the others are what devices sent.
        data: { dataset: null, version: null, digest: await digestOfInputs(folder), rows: base + written },
        parameters: {
          'train.baseFrames': base,
          'train.epochs': rounds,
          'train.framesPerWindow': framesPerWindow,
          'light.level': light.level,
          'light.warmth': light.warmth,
          'light.noise': light.noise,
        },
        champion: champion?.version ?? null,
      });
    },
    isGated: ({ kind }) => kind !== 'spoil',
    publishAs: async (job) => ({ origin: originOf(job) }),
  });
}

const trainingKind = z.enum(['train', 'retrain', 'spoil']);
const origins = { train: 'trained', retrain: 'retrained', spoil: 'demo-spoiled' } as const;
const originOf = ({ kind }: JobRow) => origins[trainingKind.parse(kind)];
