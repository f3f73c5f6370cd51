import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { isErrorCode, SerinError } from '@serin/protocol/errors';
import type { ModelName } from '@serin/protocol/ids';
import { readResult, writeReady, writeRequest } from '../jobs/folder.ts';
import { startJobProcess } from '../jobs/process.ts';
import { usualRequest, type TrainingSettings } from './training.ts';
import { plainGate } from './version-job.ts';
import { publishVersion, type PublishContext, type VersionRow } from './publish.ts';

export interface PushRequest {
  model: ModelName;
  bytes: Uint8Array;
  labels: readonly string[];
  note: string;
  createdBy: string;
}

const packLimitMs = 60_000;
const heapMiB = 1024;

/** A user's ready model becomes a version. It is opened in a process of its own: a model is code, and may take its process down. */
export async function pushReadyModel(context: PublishContext, settings: TrainingSettings, dataDir: string, request: PushRequest): Promise<VersionRow> {
  const folder = path.join(dataDir, 'jobs', `push-${randomUUID()}`);
  try {
    await writeRequest(folder, { ...usualRequest(settings), kind: 'pack', seed: 1, labels: [...request.labels] });
    await writeReady(folder, request.bytes);
    const child = startJobProcess({ folder, heapMiB, onProgress: () => {}, onLine: () => {} });
    const limit = setTimeout(() => child.kill(), packLimitMs);
    const end = await child.ended;
    clearTimeout(limit);
    if (end.kind === 'crashed') throw new SerinError('MODEL_INVALID', { detail: `the process that opened it did not survive: ${end.detail}` });
    if (end.kind === 'failed') throw new SerinError(isErrorCode(end.code) ? end.code : 'MODEL_INVALID', { detail: end.detail, hint: end.hint });
    const version = await readResult(folder);
    if (version === undefined) throw new SerinError('MODEL_INVALID', { detail: 'the process that opened it left no result' });
    return await publishVersion(context, {
      ...version,
      model: request.model,
      gate: plainGate(version),
      origin: 'pushed',
      createdBy: request.createdBy,
      note: request.note,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
