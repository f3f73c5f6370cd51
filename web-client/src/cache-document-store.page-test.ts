import { afterAll, describe } from 'vitest';
import { documentStoreContract } from '@serin/device/testing/contracts';
import { CacheDocumentStore } from './cache-document-store.ts';

const names: string[] = [];

afterAll(async () => {
  for (const name of names) await caches.delete(name);
});

describe('documents in the cache of a browser', () => {
  documentStoreContract(async () => {
    const name = `documents ${names.length}`;
    names.push(name);
    return new CacheDocumentStore(await caches.open(name));
  });
});
