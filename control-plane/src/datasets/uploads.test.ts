import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { uploadBytesMax } from '@serin/protocol/api/data-routes';
import { digest as digestSchema } from '@serin/protocol/ids';
import { openDiskBlobs } from '../blobs/disk.ts';
import { createLog } from '../log.ts';
import { createUploads } from './uploads.ts';

const digestOf = (bytes: Uint8Array) => digestSchema.parse(createHash('sha256').update(bytes).digest('hex'));
const idleMs = 3_600_000;

async function opened(options: { filesMax?: number } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-uploads-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const blobs = await openDiskBlobs(path.join(folder, 'blobs'));
  let now = Date.now();
  const open = async () => {
    const uploads = createUploads({ folder: path.join(folder, 'uploads'), blobs, clock: () => now, log: createLog('silent'), idleMs, ...options });
    await uploads.start(new AbortController().signal);
    onTestFinished(() => uploads.stop(0));
    return uploads;
  };
  return { folder, blobs, open, later: (ms: number) => void (now += ms), parts: () => readdir(path.join(folder, 'uploads')) };
}

test('a file in any pieces, sent again, out of turn or over restarts, comes out as it went in', async () => {
  const { blobs, open, parts } = await opened();
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 1500 }),
      sizes,
      fc.infiniteStream(fc.constantFrom('go', 'again', 'restart')),
      async (bytes, steps, events) => {
        const digest = digestOf(bytes);
        let uploads = await open();
        const total = bytes.length;
        let { received, complete } = await uploads.state(digest);
        for (let turn = 0; !complete; turn++) {
          const [event] = events.take(1);
          if (event === 'restart') uploads = await open();
          const offset = event === 'again' && received > 0 ? 0 : received;
          ({ received, complete } = await uploads.add(digest, { offset, total, bytes: bytes.subarray(offset, offset + (steps[turn % steps.length] ?? 1)) }));
        }
        expect(received).toBe(total);
        expect(Buffer.compare(await blobs.read(digest), bytes)).toBe(0);
      },
    ),
    { numRuns: 30 },
  );
  expect(await parts()).toEqual([]);
});

test('bytes that are not what was announced are refused whole, and sending anew works', async () => {
  const { blobs, open, parts } = await opened();
  const uploads = await open();
  const digest = digestOf(Buffer.from('right'));
  await uploads.add(digest, { offset: 0, total: 5, bytes: Buffer.from('wr') });
  await expect(uploads.add(digest, { offset: 2, total: 5, bytes: Buffer.from('ong') })).rejects.toMatchObject({ code: 'UPLOAD_MISMATCH' });
  expect(await blobs.has(digest)).toBe(false);
  expect(await parts()).toEqual([]);
  expect(await uploads.add(digest, { offset: 0, total: 5, bytes: Buffer.from('right') })).toEqual({ received: 5, complete: true });
});

test('a part that was damaged on the disk while the server was away is noticed', async () => {
  const { folder, open } = await opened();
  const bytes = Buffer.from('abcdef');
  const digest = digestOf(bytes);
  await (await open()).add(digest, { offset: 0, total: 6, bytes: bytes.subarray(0, 2) });
  await appendFile(path.join(folder, 'uploads', `${digest}.part`), 'X');
  const uploads = await open();
  expect(await uploads.state(digest)).toEqual({ received: 3, complete: false });
  await expect(uploads.add(digest, { offset: 3, total: 6, bytes: bytes.subarray(3) })).rejects.toMatchObject({ code: 'UPLOAD_MISMATCH' });
});

test('what is there already is not taken again', async () => {
  const { blobs, open, parts } = await opened();
  const digest = await blobs.put(Buffer.from('known'));
  const uploads = await open();
  expect(await uploads.state(digest)).toEqual({ received: 5, complete: true });
  expect(await uploads.add(digest, { offset: 0, total: 5, bytes: Buffer.from('know') })).toEqual({ received: 5, complete: true });
  expect(await parts()).toEqual([]);
});

test('pieces beyond the file, files beyond the limit and too many files at once are refused', async () => {
  const { open } = await opened({ filesMax: 1 });
  const uploads = await open();
  const [one, other] = [digestOf(Buffer.from('1')), digestOf(Buffer.from('2'))];
  await expect(uploads.add(one, { offset: 0, total: 3, bytes: Buffer.from('four') })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  await expect(uploads.add(one, { offset: 0, total: uploadBytesMax + 1, bytes: Buffer.from('1') })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  await uploads.add(one, { offset: 0, total: 2, bytes: Buffer.from('1') });
  await expect(uploads.add(other, { offset: 0, total: 2, bytes: Buffer.from('2') })).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' });
});

test('a file nobody goes on with is forgotten, one that still comes is not', async () => {
  const { open, later, parts } = await opened();
  const uploads = await open();
  const digest = digestOf(Buffer.from('12'));
  await uploads.add(digest, { offset: 0, total: 2, bytes: Buffer.from('1') });
  await uploads.sweep();
  expect(await parts()).toHaveLength(1);
  later(idleMs + 60_000);
  await uploads.sweep();
  expect(await parts()).toEqual([]);
});
