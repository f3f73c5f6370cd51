import { expect, test } from 'vitest';

import { decodeText, decodeWestern } from './encoding.ts';

test('byte order marks say how bytes become text, and other bytes are no text', () => {
  expect(decodeText(Buffer.from('\ufefffile'))).toBe('file');
  expect(decodeText(Buffer.from('\ufeffä', 'utf16le'))).toBe('ä');
  expect(decodeText(Buffer.from('\ufeffä', 'utf16le').swap16())).toBe('ä');
  expect(decodeText(Buffer.from([0x66, 0xe4, 0x66]))).toBeUndefined();
});

test('Windows-1252 has letters where Latin-1 has control characters', () => {
  expect(decodeWestern(Buffer.from([0x80, 0x93, 0xe9, 0x94, 0x81, 0x9f]))).toBe('€“é”\u0081Ÿ');
});
