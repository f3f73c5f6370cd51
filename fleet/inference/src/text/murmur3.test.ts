import fc from 'fast-check';
import { expect, test } from 'vitest';

import { extendHash, finishHash, hashText } from './murmur3.ts';

/** Of the reference implementation (and the first of Appleby's own verification). */
test.each([
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['test', 0, 0xba6bd213],
  ['test', 0x9747b28c, 0x704b81dc],
  ['Hello, world!', 0, 0xc0363e43],
  ['Hello, world!', 0x9747b28c, 0x24884cba],
  ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
  ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ['aaaa', 0x9747b28c, 0x5a97808a],
  ['aaa', 0x9747b28c, 0x283e0130],
  ['aa', 0x9747b28c, 0x5d211726],
  ['a', 0x9747b28c, 0x7fa09ea6],
  ['ππππππππ', 0x9747b28c, 0xd58063c1],
])('the hash of "%s" from %i is that of the reference', (text, seed, expected) => {
  expect(hashText(text, seed)).toBe(expected);
});

test('half a surrogate pair hashes as the replacement character', () => {
  expect(hashText('a\ud800', 7)).toBe(hashText('a\ufffd', 7));
});

test('a run of words hashes as the bytes of their hashes', () => {
  // Hashes whose bytes are ASCII can be written as a text.
  const word = fc.array(fc.integer({ min: 0, max: 127 }), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), fc.nat(), (words, seed) => {
      const text = String.fromCharCode(...words.flat());
      const run = words.reduce((hash, [a = 0, b = 0, c = 0, d = 0]) => extendHash(hash, a | (b << 8) | (c << 16) | (d << 24)), seed | 0);
      expect(finishHash(run, words.length)).toBe(hashText(text, seed));
    }),
  );
});
