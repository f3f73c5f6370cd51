import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { chunkCount, chunkDigest, missingBits } from '@serin/protocol/bundle/chunks';
import type { BundleFile } from '@serin/protocol/bundle/manifest';
import type { BlobSource, BundleStore } from '@serin/device/ports';

export interface DownloadOptions {
  store: BundleStore;
  source: BlobSource;
  signal: AbortSignal;
  onBytes: (count: number) => void;
}

/** A blob that is its own proof: too small for a chunk list, or the chunk list itself. */
async function downloadWhole(
  digest: Digest,
  sizeBytes: number,
  chunkSize: number,
  options: DownloadOptions,
  check?: (index: number, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const { store, source, signal, onBytes } = options;
  const part = await store.openPart(digest, sizeBytes, chunkSize);
  const missing = missingBits(part.bitmap, chunkCount(sizeBytes, chunkSize), Number.POSITIVE_INFINITY);
  const sink = async (index: number, bytes: Uint8Array): Promise<void> => {
    await check?.(index, bytes);
    await part.write(index, bytes);
    onBytes(bytes.length);
  };
  try {
    if (missing.length > 0) await source.fetchChunks({ digest, sizeBytes, chunkSize }, missing, sink, signal);
    await part.finish();
  } catch (error) {
    await part.close();
    throw error;
  }
}

/** Fetches a file unless the store has it: its chunk list first, so that a damaged chunk is refused as it arrives. */
export async function downloadFile(file: BundleFile, options: DownloadOptions): Promise<void> {
  const { store } = options;
  if (await store.has(file.sha256)) return;
  const chunks = chunkCount(file.size, file.chunkSize);
  if (!(await store.has(file.chunkRoot))) await downloadWhole(file.chunkRoot, chunks * 32, file.chunkSize, { ...options, onBytes: () => {} });
  const list = await store.read(file.chunkRoot);
  await downloadWhole(file.sha256, file.size, file.chunkSize, options, async (index, bytes) => {
    if ((await sha256(bytes)) !== chunkDigest(list, index))
      throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: `${file.path}, chunk ${index + 1} of ${chunks}` });
  });
}

/** The stored bytes, checked again: a cache is not trusted for having been right once. */
export async function readVerified(file: BundleFile, store: BundleStore): Promise<Uint8Array> {
  const bytes = await store.read(file.sha256);
  if ((await sha256(bytes)) === file.sha256) return bytes;
  await store.remove(file.sha256);
  throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: file.path });
}
