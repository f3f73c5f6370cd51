import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SerinError } from '../errors.ts';
import { sha256, sha256Bytes, toHex } from '../digest.ts';
import { chunkCount, chunkDigest, chunkLength, chunkList, chunkRoot, decodeChunk, emptyBitmap, encodeChunk, hasBit, missingBits, setBit } from './chunks.ts';

const blob = fc.uint8Array({ maxLength: 5000 });
const chunkSize = fc.integer({ min: 1, max: 700 });

describe('a blob cut in chunks', () => {
  test('lengths add up to the blob and none is empty', () => {
    fc.assert(
      fc.property(fc.nat(5_000_000), fc.integer({ min: 1024, max: 65_536 }), (size, length) => {
        const lengths = Array.from({ length: chunkCount(size, length) }, (_, index) => chunkLength(index, size, length));
        expect(lengths.reduce((sum, each) => sum + each, 0)).toBe(size);
        expect(lengths.every((each) => each > 0 && each <= length)).toBe(true);
      }),
    );
  });

  test('every chunk has its own digest in the list, and the root is the digest of the list', async () => {
    await fc.assert(
      fc.asyncProperty(blob, chunkSize, async (bytes, size) => {
        const list = await chunkList(bytes, size);
        expect(list.length).toBe(32 * chunkCount(bytes.length, size));
        for (let index = 0; index < chunkCount(bytes.length, size); index++) {
          expect(chunkDigest(list, index)).toBe(toHex(await sha256Bytes(bytes.subarray(index * size, (index + 1) * size))));
        }
        expect(await chunkRoot(list)).toBe(await sha256(list));
      }),
      { numRuns: 25 },
    );
  });

  test('one changed byte changes the root', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 2000 }),
        chunkSize,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (bytes, size, at, flip) => {
          const changed = bytes.slice();
          const place = at % bytes.length;
          changed[place] = (changed[place] ?? 0) ^ flip;
          expect(await chunkRoot(await chunkList(changed, size))).not.toBe(await chunkRoot(await chunkList(bytes, size)));
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('chunk frames', () => {
  test('what is framed comes out again, also from the middle of a larger buffer', () => {
    fc.assert(
      fc.property(fc.nat(4_294_967_295), blob, fc.nat(9), (index, payload, before) => {
        const frame = encodeChunk(index, payload);
        const buffer = new Uint8Array(before + frame.length + 3);
        buffer.set(frame, before);
        expect(decodeChunk(buffer.subarray(before, before + frame.length))).toEqual({ index, payload });
      }),
    );
  });

  test.each([[[]], [[1, 0, 0, 0, 0]], [[2, 0, 0, 0, 0, 0, 9]]])('%j is refused', (bytes) => {
    expect(() => decodeChunk(Uint8Array.from(bytes))).toThrow(SerinError);
  });
});

describe('a set of chunks', () => {
  test('holds exactly what was put in', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(fc.nat(299)), fc.nat(300), (bits, picks, limit) => {
        const present = new Set(picks.map((pick) => pick % bits));
        const bitmap = emptyBitmap(bits);
        for (const index of present) setBit(bitmap, index);
        const missing = Array.from({ length: bits }, (_, index) => index).filter((index) => !present.has(index));
        for (let index = 0; index < bits; index++) expect(hasBit(bitmap, index)).toBe(present.has(index));
        expect(missingBits(bitmap, bits, limit)).toEqual(missing.slice(0, limit));
      }),
    );
  });

  test('what lies beyond the set is absent', () => {
    expect(hasBit(emptyBitmap(3), 1000)).toBe(false);
  });
});
