import { describe } from 'vitest';
import { bundleStoreContract, documentStoreContract, spoolContract } from '../testing/contracts.ts';
import { createMemoryBundleStore } from './bundle-store.ts';
import { createMemoryDocumentStore } from './document-store.ts';
import { createMemorySpool } from './spool.ts';

describe('bundles in memory', () => {
  bundleStoreContract(async () => createMemoryBundleStore());
});
describe('documents in memory', () => {
  documentStoreContract(async () => createMemoryDocumentStore());
});
describe('windows in memory', () => {
  spoolContract(async () => createMemorySpool({ bytesMax: 200 * 1024 }));
});
