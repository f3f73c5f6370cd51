import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { chunkBytes } from '@serin/protocol/limits';
import { chunkCount, chunkDigest, chunkLength, missingBits } from '@serin/protocol/bundle/chunks';
import type { BundleFile } from '@serin/protocol/bundle/manifest';
import type { BlobPart, BlobSource, BundleStore } from '../ports.ts';

export interface FetchParts {
  store: BundleStore;
  source: BlobSource;
  signal: AbortSignal;
  /** Told every payload that arrived, wanted or not; throws when the budget is spent. */
  spend: (bytes: number) => void;
  /** Told how many bytes of the bundle are here, in steps. */
  progress: (bytes: number) => void;
}

/** How often the same wrong bytes are taken for a fault of the way they came, before they are taken for the blob itself. */
const wrongBytesMax = 3;

interface Blob {
  digest: Digest;
  sizeBytes: number;
  chunkSize: number;
}

/** Chunks until none is missing; `check` says whether one is what it should be. */
async function fetchMissing(part: BlobPart, blob: Blob, parts: FetchParts, check: (index: number, bytes: Uint8Array) => Promise<boolean>): Promise<void> {
  const { source, signal, spend, progress } = parts;
  const chunks = chunkCount(blob.sizeBytes, blob.chunkSize);
  const wrong = new Map<number, number>();
  let arrived = 0;
  const sink = async (index: number, bytes: Uint8Array): Promise<void> => {
    arrived++;
    spend(bytes.length);
    if (index >= chunks || bytes.length !== chunkLength(index, blob.sizeBytes, blob.chunkSize) || !(await check(index, bytes))) {
      const count = (wrong.get(index) ?? 0) + 1;
      wrong.set(index, count);
      if (count >= wrongBytesMax) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: `blob ${blob.digest}, chunk ${index + 1} of ${chunks}` });
      return;
    }
    await part.write(index, bytes);
    progress(bytes.length);
  };
  for (;;) {
    const missing = missingBits(part.bitmap, chunks, chunks);
    if (missing.length === 0) return;
    const before = arrived;
    await source.fetchChunks(blob, missing, sink, signal);
    signal.throwIfAborted();
    if (arrived === before) throw new SerinError('TRANSFER_STALLED', { detail: `nothing of blob ${blob.digest} came` });
  }
}

async function fetchInto(blob: Blob, parts: FetchParts, check: (index: number, bytes: Uint8Array) => Promise<boolean>): Promise<void> {
  const part = await parts.store.openPart(blob.digest, blob.sizeBytes, blob.chunkSize);
  try {
    await fetchMissing(part, blob, parts, check);
    await part.finish();
  } catch (error) {
    await part.close();
    throw error;
  }
}

/** A small blob that is its own proof: a manifest, a keyset, a chunk list. */
export async function fetchWhole(digest: Digest, sizeBytes: number, parts: FetchParts): Promise<void> {
  if (await parts.store.has(digest)) return;
  for (let tries = 1; ; tries++) {
    try {
      return await fetchInto({ digest, sizeBytes, chunkSize: chunkBytes }, parts, () => Promise.resolve(true));
    } catch (error) {
      if (!(error instanceof SerinError && error.code === 'BUNDLE_DIGEST_MISMATCH') || tries >= wrongBytesMax) throw error;
    }
  }
}

/** The chunk list first, so that every chunk is checked as it arrives; then what is missing of the file. */
export async function fetchFile(file: BundleFile, parts: FetchParts): Promise<void> {
  if (await parts.store.has(file.sha256)) return;
  await fetchWhole(file.chunkRoot, chunkCount(file.size, file.chunkSize) * 32, { ...parts, progress: () => {} });
  const list = await parts.store.read(file.chunkRoot);
  const blob = { digest: file.sha256, sizeBytes: file.size, chunkSize: file.chunkSize };
  await fetchInto(blob, parts, async (index, bytes) => (await sha256(bytes)) === chunkDigest(list, index));
}
