import { expect, test } from 'vitest';
import { digest } from '@serin/protocol/ids';
import { recallVariant, rememberVariant } from './chosen-variant.ts';
import { createMemoryDocumentStore } from './memory/document-store.ts';

const one = digest.parse('1'.repeat(64));
const report = { variant: 'u8s8', measured: [{ variant: 'u8s8', bytes: 2, p50Ms: 1 }] } as const;

test('what was measured is known again, of the same bundle on the same backend alone', async () => {
  const documents = createMemoryDocumentStore();
  expect(await recallVariant(documents, one, 'wasm 1')).toBeUndefined();
  await rememberVariant(documents, one, 'wasm 1', report);
  expect(await recallVariant(documents, one, 'wasm 1')).toMatchObject(report);
  expect(await recallVariant(documents, one, 'wasm 4')).toBeUndefined();
  expect(await recallVariant(documents, digest.parse('2'.repeat(64)), 'wasm 1')).toBeUndefined();
});

test('what cannot be read, or kept, is measured again', async () => {
  const documents = createMemoryDocumentStore();
  await documents.write('chosen', '{"variant":"int3"}');
  expect(await recallVariant(documents, one, 'wasm 1')).toBeUndefined();
  const full = { ...documents, write: () => Promise.reject(new Error('no room')) };
  await expect(rememberVariant(full, one, 'wasm 1', report)).resolves.toBeUndefined();
});
