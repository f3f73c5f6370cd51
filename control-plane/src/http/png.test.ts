import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRange } from './blob-routes.ts';
import { checksum, encodePng } from './png.ts';

test('the checksum is the one of the standard', () => {
  expect(checksum(Buffer.from('123456789'))).toBe(0xcbf43926);
});

test('any picture comes back out of its file', () => {
  const pictures = fc.record({
    width: fc.integer({ min: 1, max: 12 }),
    height: fc.integer({ min: 1, max: 12 }),
    channels: fc.constantFrom(1, 3, 4),
    seed: fc.nat(255),
  });
  fc.assert(
    fc.property(pictures, ({ width, height, channels, seed }) => {
      const pixels = Uint8Array.from({ length: width * height * channels }, (_, index) => (index * 7 + seed) % 256);
      const file = Buffer.from(encodePng(pixels, width, height, channels));
      expect([file.readUInt32BE(16), file.readUInt32BE(20), file[24]]).toEqual([width, height, 8]);
      const dataBytes = file.readUInt32BE(33);
      expect(file.subarray(37, 41).toString()).toBe('IDAT');
      expect(file.readUInt32BE(41 + dataBytes)).toBe(checksum(file.subarray(37, 41 + dataBytes)));
      const rows = inflateSync(file.subarray(41, 41 + dataBytes));
      const stride = width * channels;
      for (let row = 0; row < height; row++) {
        expect(rows[row * (stride + 1)]).toBe(0);
        expect(Buffer.compare(rows.subarray(row * (stride + 1) + 1, (row + 1) * (stride + 1)), pixels.subarray(row * stride, (row + 1) * stride))).toBe(0);
      }
    }),
  );
});

test('pixels that do not fill the picture are refused', () => {
  expect(() => encodePng(new Uint8Array(5), 2, 2, 1)).toThrow(RangeError);
  expect(() => encodePng(new Uint8Array(8), 2, 2, 2)).toThrow(RangeError);
});

test('a range lies inside the blob, whatever is asked', () => {
  const ask = fc.oneof(
    fc.string(),
    fc.tuple(fc.option(fc.nat(50)), fc.option(fc.nat(50))).map(([from, to]) => `bytes=${from ?? ''}-${to ?? ''}`),
  );
  fc.assert(
    fc.property(ask, fc.nat(40), (header, size) => {
      const range = parseRange(header, size);
      if (typeof range === 'string') return;
      expect(range.from).toBeGreaterThanOrEqual(0);
      expect(range.from).toBeLessThan(range.to);
      expect(range.to).toBeLessThanOrEqual(size);
    }),
  );
  expect(parseRange('bytes=0-0', 10)).toEqual({ from: 0, to: 1 });
  expect(parseRange('bytes=-3', 10)).toEqual({ from: 7, to: 10 });
  expect(parseRange('bytes=5-', 10)).toEqual({ from: 5, to: 10 });
  expect(parseRange('bytes=10-', 10)).toBe('refused');
  expect(parseRange('bytes=0-1,3-4', 10)).toBe('whole');
});
