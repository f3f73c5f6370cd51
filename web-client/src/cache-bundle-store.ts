import { SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';
import { sha256 } from '@serin/protocol/digest';
import { chunkCount, chunkLength, emptyBitmap, hasBit, setBit } from '@serin/protocol/bundle/chunks';
import type { BlobPart, BundleStore } from '@serin/device/ports';

/** Keys of the Cache API are addresses; nothing is ever fetched from these. */
const blobKey = (digest: Digest): string => `/serin-cache/blobs/${digest}`;
const partFolder = (digest: Digest): string => `/serin-cache/parts/${digest}/`;

const octets = { headers: { 'content-type': 'application/octet-stream' } };

async function bytesOf(response: Response | undefined): Promise<Uint8Array | undefined> {
  return response === undefined ? undefined : new Uint8Array(await response.arrayBuffer());
}

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
    const bytes = await bytesOf(await this.#cache.match(blobKey(digest)));
    if (bytes === undefined) throw new SerinError('BLOB_NOT_FOUND', { detail: digest });
    return bytes;
  }

  async openPart(digest: Digest, sizeBytes: number, chunkSize: number): Promise<BlobPart> {
    const chunks = chunkCount(sizeBytes, chunkSize);
    const bitmap = emptyBitmap(chunks);
    const folder = partFolder(digest);
    for (let index = 0; index < chunks; index++) {
      if ((await this.#cache.match(`${folder}${index}`)) !== undefined) setBit(bitmap, index);
    }
    return {
      bitmap,
      write: async (index, bytes) => {
        await this.#put(`${folder}${index}`, bytes);
        setBit(bitmap, index);
      },
      finish: async () => {
        const whole = new Uint8Array(sizeBytes);
        for (let index = 0; index < chunks; index++) {
          const bytes = hasBit(bitmap, index) ? await bytesOf(await this.#cache.match(`${folder}${index}`)) : undefined;
          if (bytes?.length === chunkLength(index, sizeBytes, chunkSize)) whole.set(bytes, index * chunkSize);
        }
        const isIntact = (await sha256(whole)) === digest;
        if (isIntact) await this.#put(blobKey(digest), whole);
        for (let index = 0; index < chunks; index++) await this.#cache.delete(`${folder}${index}`);
        if (!isIntact) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: digest });
      },
      close: async () => {},
    };
  }

  async list(): Promise<Digest[]> {
    const digests: Digest[] = [];
    for (const { url } of await this.#cache.keys()) {
      const { pathname } = new URL(url);
      const parsed = digestSchema.safeParse(pathname.split('/').at(-1));
      if (parsed.success && pathname === blobKey(parsed.data)) digests.push(parsed.data);
    }
    return digests;
  }

  async remove(digest: Digest): Promise<void> {
    await this.#cache.delete(blobKey(digest));
  }

  async freeBytes(): Promise<number> {
    const { quota, usage } = await this.#storage.estimate();
    return Math.max(0, (quota ?? 0) - (usage ?? 0));
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
