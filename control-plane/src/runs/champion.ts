import type { Champion } from '@serin/models/pipeline/run-pipeline';
import { digest } from '@serin/protocol/ids';
import type { BlobStore } from '../blobs/disk.ts';
import type { Db } from '../store/store.ts';
import { findVersion, manifestOf } from '../views/models.ts';

const floatVariant = 'fp32';

/** The version that serves, as a run is compared with it; undefined for one that has no float variant. */
export async function readChampionVersion(db: Db, blobs: BlobStore, model: string, version: number | null): Promise<Champion | undefined> {
  const row = version === null ? undefined : await findVersion(db, model, version);
  if (row === undefined) return undefined;
  const { files, labels, metrics } = manifestOf(row);
  const graph = files.find(({ role, variant }) => role === 'model' && variant === floatVariant);
  if (graph === undefined) return undefined;
  const preprocessing = files.find(({ role }) => role === 'preprocessing');
  return {
    version: row.version,
    labels,
    metrics,
    model: await blobs.read(digest.parse(graph.sha256)),
    ...(preprocessing === undefined ? {} : { preprocessing: await blobs.read(digest.parse(preprocessing.sha256)) }),
  };
}
