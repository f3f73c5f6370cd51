import { createMemoryBundleStore } from '@serin/device/memory/bundle-store';
import { createMemoryDocumentStore } from '@serin/device/memory/document-store';
import type { BundleStore, DocumentStore } from '@serin/device/ports';
import { CacheBundleStore } from './cache-bundle-store.ts';
import { CacheDocumentStore } from './cache-document-store.ts';

/** A cache for each model: one is swept without the other. */
const cacheName = (model: string): string => `serin-blobs-1 ${model}`;
const memoryBytesMax = 256 * 1024 * 1024;

export interface BlobStorage {
  store: BundleStore;
  documents: DocumentStore;
  storage: 'cache' | 'memory';
  /** Why the cache is not used, in words. */
  storageReason: string;
}

/** The browser's cache where it grants one; private windows and strict settings may not, and then memory serves. */
export async function openBlobStorage(model: string): Promise<BlobStorage> {
  try {
    const cache = await caches.open(cacheName(model));
    return { store: new CacheBundleStore(cache, navigator.storage), documents: new CacheDocumentStore(cache), storage: 'cache', storageReason: '' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'there is none';
    return {
      store: createMemoryBundleStore({ bytesMax: memoryBytesMax }),
      documents: createMemoryDocumentStore(),
      storage: 'memory',
      storageReason: `the browser grants no cache (${reason})`,
    };
  }
}

/** Versions that are not run any more make room. */
export async function sweep(store: BundleStore, kept: ReadonlySet<string>): Promise<void> {
  for (const digest of await store.list()) if (!kept.has(digest)) await store.remove(digest);
}
