import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { sha256 } from '@serin/protocol/digest';
import type { Digest } from '@serin/protocol/ids';
import { blobFile, openDiskBlobs } from './disk.ts';

async function opened() {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-blobs-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return { folder, blobs: await openDiskBlobs(folder) };
}

test('any bytes come back by their digest, whole and in parts', async () => {
  const { blobs } = await opened();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.nat(5000), fc.nat(5000), async (bytes, offset, length) => {
      const digest = await blobs.put(bytes);
      expect(digest).toBe(await sha256(bytes));
      expect(await blobs.size(digest)).toBe(bytes.length);
      expect(Buffer.compare(await blobs.read(digest), bytes)).toBe(0);
      expect(Buffer.compare(await blobs.readRange(digest, offset, length), bytes.subarray(offset, offset + length))).toBe(0);
    }),
    { numRuns: 40 },
  );
});

test('the same bytes put many times at once make one file', async () => {
  const { folder, blobs } = await opened();
  const bytes = Buffer.from('same');
  const digests = await Promise.all(Array.from({ length: 10 }, () => blobs.put(bytes)));
  expect(new Set(digests).size).toBe(1);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  expect(files.map((entry) => entry.name)).toEqual([digests[0]]);
});

test('damage is noticed when read whole, and mended by putting the bytes again', async () => {
  const { folder, blobs } = await opened();
  const bytes = Buffer.from('precious');
  const digest = await blobs.put(bytes);
  await writeFile(blobFile(folder, digest), 'pretious');
  await expect(blobs.read(digest)).rejects.toMatchObject({ code: 'BUNDLE_DIGEST_MISMATCH' });
  await blobs.put(bytes);
  expect(Buffer.from(await blobs.read(digest)).toString()).toBe('precious');
});

test('what is not there is said so', async () => {
  const { blobs } = await opened();
  const digest = '0'.repeat(64) as Digest;
  expect(await blobs.has(digest)).toBe(false);
  expect(await blobs.size(digest)).toBeUndefined();
  await expect(blobs.read(digest)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
  await expect(blobs.readRange(digest, 0, 1)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
});

test('leftovers of a write that was cut off are removed at the next start', async () => {
  const { folder, blobs } = await opened();
  const digest = await blobs.put(Buffer.from('kept'));
  const leftover = path.join(path.dirname(blobFile(folder, digest)), `.${digest}.abc.tmp`);
  await writeFile(leftover, 'half');
  const again = await openDiskBlobs(folder);
  await expect(stat(leftover)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await again.has(digest)).toBe(true);
});
