import { sha256 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { chunkCount, chunkLength, emptyBitmap, missingBits, setBit } from '@serin/protocol/bundle/chunks';
import type { BundleStore } from '../ports.ts';

interface Part {
  bytes: Uint8Array;
  bitmap: Uint8Array;
}

export interface MemoryBlobs {
  blobs: Map<Digest, Uint8Array>;
  parts: Map<string, Part>;
}

export const emptyMemoryBlobs = (): MemoryBlobs => ({ blobs: new Map(), parts: new Map() });

/** Blobs in memory; several devices of one process may share them, since a digest names the same bytes for all. */
export function createMemoryBundleStore({ blobs, parts }: MemoryBlobs = emptyMemoryBlobs(), bytesMax = 1024 * 1024 * 1024): BundleStore {
  const usedBytes = (): number => [...blobs.values(), ...[...parts.values()].map(({ bytes }) => bytes)].reduce((sum, { length }) => sum + length, 0);
  return {
    has: (digest) => Promise.resolve(blobs.has(digest)),
    read(digest) {
      const bytes = blobs.get(digest);
      return bytes === undefined ? Promise.reject(new SerinError('BLOB_NOT_FOUND', { detail: digest })) : Promise.resolve(bytes);
    },
    openPart(digest, sizeBytes, chunkSize) {
      const key = `${digest}/${sizeBytes}/${chunkSize}`;
      const chunks = chunkCount(sizeBytes, chunkSize);
      let part = parts.get(key);
      if (part === undefined) {
        if (usedBytes() + sizeBytes > bytesMax) return Promise.reject(new SerinError('DISK_FULL', { detail: `${sizeBytes} bytes wanted` }));
        part = { bytes: new Uint8Array(sizeBytes), bitmap: emptyBitmap(chunks) };
        parts.set(key, part);
      }
      const { bytes, bitmap } = part;
      return Promise.resolve({
        bitmap,
        write(index, chunk) {
          if (chunk.length !== chunkLength(index, sizeBytes, chunkSize))
            return Promise.reject(new SerinError('CHUNK_INVALID', { detail: `chunk ${index} has ${chunk.length} bytes` }));
          bytes.set(chunk, index * chunkSize);
          setBit(bitmap, index);
          return Promise.resolve();
        },
        async finish() {
          const isWhole = missingBits(bitmap, chunks, 1).length === 0 && (await sha256(bytes)) === digest;
          parts.delete(key);
          if (!isWhole) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: digest });
          blobs.set(digest, bytes);
        },
        close: () => Promise.resolve(),
      });
    },
    list: () => Promise.resolve([...new Set([...blobs.keys(), ...[...parts.keys()].map((key) => key.slice(0, 64) as Digest)])]),
    remove(digest) {
      blobs.delete(digest);
      for (const key of parts.keys()) if (key.startsWith(digest)) parts.delete(key);
      return Promise.resolve();
    },
    freeBytes: () => Promise.resolve(Math.max(0, bytesMax - usedBytes())),
  };
}
