import { readFile } from 'node:fs/promises';
import { importModel } from '@serin/models/import/import-model';
import type { TrainedVersion } from '@serin/models/package/version';
import type { ImportJobRequest } from './import-folder.ts';
import type { ChildTold } from './pipeline-child.ts';

const bytesOf = async (file: string): Promise<Uint8Array> => new Uint8Array(await readFile(file));

/** Makes a version of a model that was made elsewhere. */
export async function runImportJob(request: ImportJobRequest, told: ChildTold, signal: AbortSignal): Promise<TrainedVersion> {
  const { name, spec, model, pictures, champion, framesPerWindow, threads } = request;
  return importModel(
    {
      name,
      spec,
      model: await bytesOf(model),
      folder: pictures ?? undefined,
      ...(champion === null ? {} : { champion: { ...champion, model: await bytesOf(champion.model) } }),
      framesPerWindow,
    },
    { threads, signal, onProgress: told.progress, onNote: told.note },
  );
}
