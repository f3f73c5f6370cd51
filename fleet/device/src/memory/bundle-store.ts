import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { chunkCount, chunkLength, emptyBitmap, missingBits, setBit } from '@serin/protocol/bundle/chunks';
import type { BundleStore } from '../ports.ts';

interface Part {
  bytes: Uint8Array;
  bitmap: Uint8Array;
  chunkSize: number;
  isOpen: boolean;
}

/** What outlives a store over it: a device that starts again finds here what it had. */
export interface MemoryBlobs {
  blobs: Map<Digest, Uint8Array>;
  parts: Map<Digest, Part>;
}

export const emptyMemoryBlobs = (): MemoryBlobs => ({ blobs: new Map(), parts: new Map() });

export interface MemoryBundleStoreOptions {
  bytesMax?: number;
  kept?: MemoryBlobs;
}

export function createMemoryBundleStore({ bytesMax = 1024 * 1024 * 1024, kept = emptyMemoryBlobs() }: MemoryBundleStoreOptions = {}): BundleStore {
  const { blobs, parts } = kept;
  // Whoever had a part open before this store was made is gone.
  for (const part of parts.values()) part.isOpen = false;
  const usedBytes = (): number => [...blobs.values(), ...[...parts.values()].map(({ bytes }) => bytes)].reduce((sum, { length }) => sum + length, 0);

  function partOf(digest: Digest, sizeBytes: number, chunkSize: number): Part {
    const present = parts.get(digest);
    if (present?.isOpen === true) throw new SerinError('CONFLICT', { detail: `the part of ${digest} is open` });
    if (present?.bytes.length === sizeBytes && present.chunkSize === chunkSize) return present;
    parts.delete(digest);
    if (usedBytes() + sizeBytes > bytesMax) throw new SerinError('DISK_FULL', { detail: `${sizeBytes} bytes wanted, ${bytesMax - usedBytes()} left` });
    const part = { bytes: new Uint8Array(sizeBytes), bitmap: emptyBitmap(chunkCount(sizeBytes, chunkSize)), chunkSize, isOpen: false };
    parts.set(digest, part);
    return part;
  }

  return {
    has: async (digest) => blobs.has(digest),
    async read(digest) {
      const bytes = blobs.get(digest);
      if (bytes === undefined) throw new SerinError('BLOB_NOT_FOUND', { detail: digest });
      return bytes;
    },
    async openPart(digest, sizeBytes, chunkSize) {
      const part = partOf(digest, sizeBytes, chunkSize);
      part.isOpen = true;
      const { bytes, bitmap } = part;
      const chunks = chunkCount(sizeBytes, chunkSize);
      return {
        bitmap,
        async write(index, chunk) {
          if (index >= chunks || chunk.length !== chunkLength(index, sizeBytes, chunkSize))
            throw new SerinError('CHUNK_INVALID', { detail: `chunk ${index} of ${chunk.length} bytes` });
          bytes.set(chunk, index * chunkSize);
          setBit(bitmap, index);
        },
        async finish() {
          const isIntact = missingBits(bitmap, chunks, 1).length === 0 && (await sha256(bytes)) === digest;
          parts.delete(digest);
          if (!isIntact) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: digest });
          blobs.set(digest, bytes);
        },
        async close() {
          part.isOpen = false;
        },
      };
    },
    list: async () => [...new Set([...blobs.keys(), ...parts.keys()])],
    async remove(digest) {
      blobs.delete(digest);
      parts.delete(digest);
    },
    freeBytes: async () => Math.max(0, bytesMax - usedBytes()),
  };
}
