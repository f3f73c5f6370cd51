import { randomBytes } from 'node:crypto';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { BundleStore } from '@serin/device/ports';
import { bundleStoreContract } from '@serin/device/testing/contracts';
import { seededRandom, shuffle } from '@serin/inference/random';
import { chunkCount, hasBit, missingBits } from '@serin/protocol/bundle/chunks';
import { sha256 } from '@serin/protocol/digest';
import { moduleUrl, runModule } from '../testing/child.ts';
import { emptyFolder } from '../testing/folder.ts';
import { openBundleStore } from './bundle-store.ts';

const chunkSize = 64 * 1024;
const open = (folder: string, bytesMax = 1 << 30): Promise<BundleStore> => openBundleStore({ folder, bytesMax, now: () => Date.now() });
const chunkOf = (blob: Uint8Array, index: number): Uint8Array => blob.subarray(index * chunkSize, (index + 1) * chunkSize);

bundleStoreContract(async () => open(await emptyFolder()));

test('a part is open only once', async () => {
  const store = await open(await emptyFolder());
  const digest = await sha256(randomBytes(100));
  const part = await store.openPart(digest, 100, chunkSize);
  await expect(store.openPart(digest, 100, chunkSize)).rejects.toMatchObject({ code: 'CONFLICT' });
  await part.close();
  await (await store.openPart(digest, 100, chunkSize)).close();
});

test('a closed part is resumed where it was, unless length or chunk size changed or its file was cut off', async () => {
  const folder = await emptyFolder();
  const blob = randomBytes(4 * chunkSize);
  const digest = await sha256(blob);
  const begin = async (): Promise<void> => {
    const part = await (await open(folder)).openPart(digest, blob.length, chunkSize);
    await part.write(2, chunkOf(blob, 2));
    await part.close();
  };
  const missing = async (sizeBytes = blob.length, size = chunkSize): Promise<number[]> => {
    const part = await (await open(folder)).openPart(digest, sizeBytes, size);
    await part.close();
    return missingBits(part.bitmap, chunkCount(sizeBytes, size), 99);
  };
  await begin();
  expect(await missing()).toEqual([0, 1, 3]);
  expect(await missing(blob.length, chunkSize / 2)).toHaveLength(8);
  await begin();
  expect(await missing(blob.length - 1)).toHaveLength(4);
  await begin();
  const file = path.join(folder, 'parts', `${digest}.part`);
  await truncate(file, 3 * chunkSize);
  expect(await missing()).toEqual([0, 1, 2, 3]);
});

test('what is free ends at the limit of the store, partial blobs counted', async () => {
  const store = await open(await emptyFolder(), 300_000);
  expect(await store.freeBytes()).toBe(300_000);
  const blob = randomBytes(100_000);
  const part = await store.openPart(await sha256(blob), blob.length, chunkSize);
  expect(await store.freeBytes()).toBeLessThanOrEqual(200_000);
  await part.close();
});

test('a download nobody went on with for a week is given up', async () => {
  const folder = await emptyFolder();
  const part = await (await open(folder)).openPart(await sha256(randomBytes(9)), 9, chunkSize);
  await part.close();
  await openBundleStore({ folder, bytesMax: 1 << 30, now: () => Date.now() + 6 * 24 * 3_600_000 });
  expect(await readdir(path.join(folder, 'parts'))).toHaveLength(2);
  await openBundleStore({ folder, bytesMax: 1 << 30, now: () => Date.now() + 8 * 24 * 3_600_000 });
  expect(await readdir(path.join(folder, 'parts'))).toEqual([]);
});

test('killed at any moment of a download, every chunk that counts as there is there, at most a megabyte is asked for again, and it completes', async () => {
  const folder = await emptyFolder();
  const random = seededRandom(23);
  const chunks = 160;
  const blob = randomBytes(chunks * chunkSize - 5);
  const digest = await sha256(blob);
  const source = path.join(folder, 'source');
  await writeFile(source, blob);
  const order = shuffle(
    random,
    Array.from({ length: chunks }, (_, index) => index),
  );
  const program = `import { readFileSync, writeSync } from 'node:fs';
    import { openBundleStore } from ${moduleUrl('./bundle-store.ts', import.meta.url)};
    import { hasBit } from '@serin/protocol/bundle/chunks';
    const [folder, digest] = process.argv.slice(-2);
    const blob = readFileSync(folder + '/source');
    const store = await openBundleStore({ folder, bytesMax: 1e9, now: Date.now });
    if (await store.has(digest)) { writeSync(1, 'finished\\n'); process.exit(); }
    const part = await store.openPart(digest, blob.length, ${chunkSize});
    for (const index of ${JSON.stringify(order)}) {
      if (hasBit(part.bitmap, index)) continue;
      await part.write(index, blob.subarray(index * ${chunkSize}, (index + 1) * ${chunkSize}));
      writeSync(1, index + '\\n');
    }
    await part.finish();
    writeSync(1, 'finished\\n');`;
  const written = new Set<number>();
  let isFinished = false;
  for (let round = 0; round < 5; round++) {
    const writer = runModule(program, [folder, digest]);
    const enough = 1 + random.integer(60);
    // On a quick disk less may be left to write than that.
    while (writer.lines.length < enough && !writer.lines.includes('finished')) await writer.line();
    await writer.kill();
    for (const line of writer.lines) if (line !== 'finished') written.add(Number(line));
    isFinished ||= writer.lines.includes('finished');
    if (await (await open(folder)).has(digest)) break;
    const part = await (await open(folder)).openPart(digest, blob.length, chunkSize);
    await part.close();
    const onDisk = await readFile(path.join(folder, 'parts', `${digest}.part`));
    for (let index = 0; index < chunks; index++) {
      if (hasBit(part.bitmap, index)) expect(Buffer.compare(chunkOf(onDisk, index), chunkOf(blob, index)) === 0, `chunk ${index}`).toBe(true);
    }
    const lost = [...written].filter((index) => !hasBit(part.bitmap, index));
    expect(lost.length).toBeLessThanOrEqual(16);
    for (const index of lost) written.delete(index);
  }
  const store = await open(folder);
  if (!(await store.has(digest))) {
    expect(isFinished).toBe(false);
    const part = await store.openPart(digest, blob.length, chunkSize);
    for (const index of missingBits(part.bitmap, chunks, chunks)) await part.write(index, chunkOf(blob, index));
    await part.finish();
  }
  expect(await sha256(await store.read(digest))).toBe(digest);
}, 60_000);
