import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digest } from '@serin/protocol/ids';
import { createMemoryDocumentStore } from './memory/document-store.ts';
import { blobsInUse, commit, dropTrial, fallBack, setTrial, SlotBook, type Slot } from './slots.ts';

const slotOf = (version: number): Slot => {
  const manifest = digest.parse(version.toString(16).padStart(64, '0'));
  return { version, manifest, variant: 'fp32', blobs: [manifest] };
};

test('a commit keeps the version before; a second commit of the same changes nothing', () => {
  const once = commit(setTrial({ committed: slotOf(1) }, slotOf(2)), slotOf(2));
  expect(once).toEqual({ committed: slotOf(2), previous: slotOf(1) });
  expect(commit(once, slotOf(2))).toEqual(once);
});

test('a dropped trial leaves what was', () => {
  expect(dropTrial(setTrial({ committed: slotOf(1), previous: slotOf(3) }, slotOf(2)))).toEqual({ committed: slotOf(1), previous: slotOf(3) });
});

test('falling back goes to the version before, or to nothing', () => {
  expect(fallBack({ committed: slotOf(2), previous: slotOf(1) })).toEqual({ committed: slotOf(1) });
  expect(fallBack({ committed: slotOf(2) })).toEqual({});
});

test('every blob that a pointer needs is in use', () => {
  expect(blobsInUse({ committed: slotOf(1), trial: slotOf(2), previous: slotOf(3) })).toHaveLength(3);
});

test('pointers of several models, changed at once, are all there after a restart', async () => {
  const documents = createMemoryDocumentStore();
  const book = new SlotBook(documents);
  await book.open();
  await Promise.all(['picker', 'sorter', 'counter'].map((model, index) => book.update(model, (own) => commit(own, slotOf(index + 1)))));
  await book.update('sorter', () => ({}));
  const again = new SlotBook(documents);
  expect(await again.open()).toBe(true);
  expect(again.models().toSorted()).toEqual(['counter', 'picker']);
  expect(again.get('picker').committed?.version).toBe(1);
});

test('unreadable pointers are none, and said to be unreadable', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
      const documents = createMemoryDocumentStore();
      await documents.write('slots', text);
      const book = new SlotBook(documents);
      expect(await book.open()).toBe(false);
      expect(book.models()).toEqual([]);
    }),
  );
});
