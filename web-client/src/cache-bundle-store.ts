import { SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';
import { sha256 } from '@serin/protocol/digest';
import { chunkCount, chunkLength, emptyBitmap, missingBits, setBit } from '@serin/protocol/bundle/chunks';
import type { BlobPart, BundleStore } from '@serin/device/ports';

/** Keys of the Cache API are addresses; nothing is ever fetched from these. */
const root = '/serin-cache';
const blobKey = (digest: Digest): string => `${root}/blobs/${digest}`;
/** The shape is part of the key: chunks of another cut are not found. */
const chunkKey = (digest: Digest, sizeBytes: number, chunkSize: number, index: number): string => `${root}/parts/${digest}/${sizeBytes}/${chunkSize}/${index}`;

const octets = { headers: { 'content-type': 'application/octet-stream' } };

/** Verified blobs in the browser's Cache API, by digest; parts survive a reload chunk by chunk. */
export class CacheBundleStore implements BundleStore {
  readonly #cache: Cache;
  readonly #storage: Pick<StorageManager, 'estimate'>;

  constructor(cache: Cache, storage: Pick<StorageManager, 'estimate'>) {
    this.#cache = cache;
    this.#storage = storage;
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#cache.match(blobKey(digest))) !== undefined;
  }

  async read(digest: Digest): Promise<Uint8Array> {
    const bytes = await this.#bytesAt(blobKey(digest));
    if (bytes === undefined) throw new SerinError('BLOB_NOT_FOUND', { detail: digest });
    return bytes;
  }

  async openPart(digest: Digest, sizeBytes: number, chunkSize: number): Promise<BlobPart> {
    const chunks = chunkCount(sizeBytes, chunkSize);
    const keyOf = (index: number): string => chunkKey(digest, sizeBytes, chunkSize, index);
    const bitmap = emptyBitmap(chunks);
    for (let index = 0; index < chunks; index++) if ((await this.#cache.match(keyOf(index))) !== undefined) setBit(bitmap, index);
    return {
      bitmap,
      write: async (index, bytes) => {
        if (index >= chunks || bytes.length !== chunkLength(index, sizeBytes, chunkSize)) {
          throw new SerinError('CHUNK_INVALID', { detail: `chunk ${index} of ${bytes.length} bytes` });
        }
        await this.#put(keyOf(index), bytes);
        setBit(bitmap, index);
      },
      finish: async () => {
        const whole = new Uint8Array(sizeBytes);
        let isWhole = missingBits(bitmap, chunks, 1).length === 0;
        for (let index = 0; index < chunks && isWhole; index++) {
          const bytes = await this.#bytesAt(keyOf(index));
          // The browser may have made room meanwhile.
          isWhole = bytes?.length === chunkLength(index, sizeBytes, chunkSize);
          if (bytes !== undefined && isWhole) whole.set(bytes, index * chunkSize);
        }
        const isIntact = isWhole && (await sha256(whole)) === digest;
        if (isIntact) await this.#put(blobKey(digest), whole);
        await this.#removePart(digest);
        if (!isIntact) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: digest });
      },
      close: async () => {},
    };
  }

  async list(): Promise<Digest[]> {
    const digests = new Set<Digest>();
    for (const { url } of await this.#cache.keys()) {
      const [, kind, name] = new URL(url).pathname.slice(root.length).split('/');
      const parsed = digestSchema.safeParse(name);
      if (parsed.success && (kind === 'blobs' || kind === 'parts')) digests.add(parsed.data);
    }
    return [...digests];
  }

  async remove(digest: Digest): Promise<void> {
    await this.#cache.delete(blobKey(digest));
    await this.#removePart(digest);
  }

  async freeBytes(): Promise<number> {
    const { quota, usage } = await this.#storage.estimate();
    // A browser that does not say what it grants says so when it is full.
    return quota === undefined ? Infinity : Math.max(0, quota - (usage ?? 0));
  }

  async #removePart(digest: Digest): Promise<void> {
    const prefix = `${root}/parts/${digest}/`;
    for (const request of await this.#cache.keys()) if (new URL(request.url).pathname.startsWith(prefix)) await this.#cache.delete(request);
  }

  async #bytesAt(key: string): Promise<Uint8Array | undefined> {
    const response = await this.#cache.match(key);
    return response === undefined ? undefined : new Uint8Array(await response.arrayBuffer());
  }

  async #put(key: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#cache.put(key, new Response(bytes as Uint8Array<ArrayBuffer>, octets));
    } catch (cause) {
      if (cause instanceof DOMException && cause.name === 'QuotaExceededError') throw new SerinError('DISK_FULL', { cause });
      throw cause;
    }
  }
}
