import type { TrainedVersion } from '@serin/models/package/version';
import type { RunDetail } from '@serin/protocol/api/runs';
import { reportPath } from '@serin/protocol/bundle/report';
import type { BlobStore } from '../blobs/disk.ts';

export const reportFileOf = ({ files }: Pick<TrainedVersion, 'files'>): Uint8Array | undefined => files.find(({ role }) => role === 'report')?.bytes;

/** What was measured outlives the job, whether a version comes of it or not: its place in the record of the run. */
export async function keepReport(blobs: BlobStore, bytes: Uint8Array | undefined): Promise<RunDetail['artifacts']> {
  return bytes === undefined ? [] : [{ name: reportPath, bytes: bytes.length, sha256: await blobs.put(bytes) }];
}
