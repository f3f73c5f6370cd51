import { afterAll, describe } from 'vitest';
import { bundleStoreContract } from '@serin/device/testing/contracts';
import { CacheBundleStore } from './cache-bundle-store.ts';

const names: string[] = [];

afterAll(async () => {
  for (const name of names) await caches.delete(name);
});

describe('bundles in the cache of a browser', () => {
  bundleStoreContract(async () => {
    const name = `contract ${names.length}`;
    names.push(name);
    return new CacheBundleStore(await caches.open(name), navigator.storage);
  });
});
