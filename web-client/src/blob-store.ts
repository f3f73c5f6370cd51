import type { BundleStore } from '@serin/device/ports';
import { CacheBundleStore } from './cache-bundle-store.ts';

const cacheName = 'serin-blobs-1';

export async function openBlobStore(): Promise<{ store: BundleStore; storage: 'cache' | 'memory'; storageReason: string }> {
  return { store: new CacheBundleStore(await caches.open(cacheName), navigator.storage), storage: 'cache', storageReason: '' };
}
