import { expect, test } from 'vitest';
import { seededRandom, shuffle } from '@serin/inference/random';
import { missingBits } from '@serin/protocol/bundle/chunks';
import { sha256 } from '@serin/protocol/digest';
import type { BundleStore, DocumentStore, Spool } from '../ports.ts';
import { makeWindow } from './windows.ts';

/** What every adapter of a port must do, whatever it is made of. Each `make` gives an empty one. */

const chunkSize = 4096;
const chunkOf = (blob: Uint8Array, index: number): Uint8Array => blob.subarray(index * chunkSize, (index + 1) * chunkSize);

function randomBlob(seed: string, sizeBytes: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: sizeBytes }, () => random.integer(256));
}

export function bundleStoreContract(make: () => Promise<BundleStore>): void {
  test('chunks in any order, some twice, become a blob under its digest', async () => {
    const store = await make();
    const blob = randomBlob('any order', 5 * chunkSize + 17);
    const digest = await sha256(blob);
    const part = await store.openPart(digest, blob.length, chunkSize);
    for (const index of [...shuffle(seededRandom('order'), [0, 1, 2, 3, 4, 5]), 3, 0]) await part.write(index, chunkOf(blob, index));
    expect(await store.has(digest)).toBe(false);
    await part.finish();
    await part.close();
    expect(await store.has(digest)).toBe(true);
    expect(await store.list()).toContain(digest);
    expect(await sha256(await store.read(digest))).toBe(digest);
  });

  test('a part that was closed is resumed with the chunks it had', async () => {
    const store = await make();
    const blob = randomBlob('resumed', 3 * chunkSize);
    const digest = await sha256(blob);
    const first = await store.openPart(digest, blob.length, chunkSize);
    await first.write(1, chunkOf(blob, 1));
    await first.close();
    const second = await store.openPart(digest, blob.length, chunkSize);
    expect(missingBits(second.bitmap, 3, 9)).toEqual([0, 2]);
    await second.write(0, chunkOf(blob, 0));
    await second.write(2, chunkOf(blob, 2));
    await second.finish();
    expect(await store.has(digest)).toBe(true);
  });

  test('a part of another length or chunk size starts from nothing', async () => {
    const store = await make();
    const digest = await sha256(randomBlob('other', 10));
    const first = await store.openPart(digest, 2 * chunkSize, chunkSize);
    await first.write(0, new Uint8Array(chunkSize));
    await first.close();
    const second = await store.openPart(digest, 2 * chunkSize, chunkSize / 2);
    expect(missingBits(second.bitmap, 4, 9)).toEqual([0, 1, 2, 3]);
    await second.close();
  });

  test('what does not have the promised digest is not kept, and the next attempt starts from nothing', async () => {
    const store = await make();
    const blob = randomBlob('wrong', 2 * chunkSize);
    const digest = await sha256(blob);
    const part = await store.openPart(digest, blob.length, chunkSize);
    await part.write(0, chunkOf(blob, 1));
    await part.write(1, chunkOf(blob, 1));
    await expect(part.finish()).rejects.toMatchObject({ code: 'BUNDLE_DIGEST_MISMATCH' });
    await part.close();
    expect(await store.has(digest)).toBe(false);
    const again = await store.openPart(digest, blob.length, chunkSize);
    expect(missingBits(again.bitmap, 2, 9)).toEqual([0, 1]);
    await again.close();
  });

  test('a chunk of the wrong length is refused', async () => {
    const store = await make();
    const part = await store.openPart(await sha256(randomBlob('length', 100)), 100, chunkSize);
    await expect(part.write(0, new Uint8Array(99))).rejects.toMatchObject({ code: 'CHUNK_INVALID' });
    await expect(part.write(1, new Uint8Array(1))).rejects.toMatchObject({ code: 'CHUNK_INVALID' });
    expect(missingBits(part.bitmap, 1, 9)).toEqual([0]);
    await part.close();
  });

  test('what was removed is gone, part and whole, and removing it again does no harm', async () => {
    const store = await make();
    const blob = randomBlob('removed', 2 * chunkSize);
    const digest = await sha256(blob);
    const part = await store.openPart(digest, blob.length, chunkSize);
    await part.write(0, chunkOf(blob, 0));
    await part.close();
    await store.remove(digest);
    const again = await store.openPart(digest, blob.length, chunkSize);
    expect(missingBits(again.bitmap, 2, 9)).toEqual([0, 1]);
    await again.write(0, chunkOf(blob, 0));
    await again.write(1, chunkOf(blob, 1));
    await again.finish();
    await store.remove(digest);
    await store.remove(digest);
    expect([await store.has(digest), await store.list()]).toEqual([false, []]);
    await expect(store.read(digest)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
  });

  test('what is stored takes room', async () => {
    const store = await make();
    const before = await store.freeBytes();
    const blob = randomBlob('room', 64 * chunkSize);
    const part = await store.openPart(await sha256(blob), blob.length, chunkSize);
    for (let index = 0; index < 64; index++) await part.write(index, chunkOf(blob, index));
    await part.finish();
    expect(before).toBeGreaterThanOrEqual(blob.length);
    expect(await store.freeBytes()).toBeLessThanOrEqual(before);
  });
}

export function documentStoreContract(make: () => Promise<DocumentStore>): void {
  test('a document comes back as it was last written; one never written is undefined', async () => {
    const store = await make();
    expect(await store.read('journal')).toBeUndefined();
    await store.write('journal', '{"state":"IDLE"}');
    await store.write('slots', '');
    await store.write('journal', '{"state":"WARMUP","text":"\u00e9\u{1f529}"}');
    expect(await store.read('journal')).toBe('{"state":"WARMUP","text":"\u00e9\u{1f529}"}');
    expect(await store.read('slots')).toBe('');
  });

  test('of writes made at once the last one stays', async () => {
    const store = await make();
    await Promise.all(Array.from({ length: 8 }, (_, index) => store.write('desired', `revision ${index}`)));
    expect(await store.read('desired')).toBe('revision 7');
  });
}

/** `make` gives a spool with room for some ten windows at least, and for fewer than 500 of 500 labels. */
export function spoolContract(make: () => Promise<Spool>): void {
  const idsOf = async (spool: Spool): Promise<string[]> => (await spool.peek(10_000)).map(({ boot, seq }) => `${boot}/${seq}`);

  test('windows wait, oldest first, until each is acknowledged; looking takes none away', async () => {
    const spool = await make();
    for (let seq = 0; seq < 6; seq++) await spool.append(makeWindow('b', seq));
    expect((await spool.peek(3)).map(({ seq }) => seq)).toEqual([0, 1, 2]);
    expect(await spool.peek(1)).toEqual([makeWindow('b', 0)]);
    await spool.acknowledge([
      ['b', 4],
      ['b', 0],
      ['other', 1],
    ]);
    expect(await idsOf(spool)).toEqual(['b/1', 'b/2', 'b/3', 'b/5']);
    await spool.acknowledge([['b', 0]]);
    expect([spool.waiting(), spool.dropped()]).toEqual([4, 0]);
  });

  test('the same window twice waits once', async () => {
    const spool = await make();
    await spool.append(makeWindow('b', 1));
    await spool.append(makeWindow('b', 1));
    await spool.append(makeWindow('c', 1));
    expect(await idsOf(spool)).toEqual(['b/1', 'c/1']);
  });

  test('past its limit the oldest go first, every one counted, the newest kept', async () => {
    const spool = await make();
    for (let seq = 0; seq < 500; seq++) await spool.append(makeWindow('b', seq, 500));
    expect(spool.dropped()).toBeGreaterThan(0);
    expect(spool.dropped() + spool.waiting()).toBe(500);
    const ids = await idsOf(spool);
    expect(ids[0]).toBe(`b/${spool.dropped()}`);
    expect(ids.at(-1)).toBe('b/499');
  });
}
