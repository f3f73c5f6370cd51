import { expect, test } from 'vitest';
import { readCode, signInWords } from './sign-in.ts';

test('the code is read from a fragment, a pasted link or on its own', () => {
  expect(readCode('#Abc_123-xyz')).toBe('Abc_123-xyz');
  expect(readCode('  http://127.0.0.1:8080/signin#Abc_123-xyz\n')).toBe('Abc_123-xyz');
  expect(readCode('Abc_123-xyz')).toBe('Abc_123-xyz');
  for (const text of ['', '#', 'http://127.0.0.1:8080/signin', 'two words', '#abc']) expect(readCode(text)).toBeNull();
});

test('a used link is explained in words of its own, everything else in the catalogue’s', () => {
  const usual = { title: 'The control plane does not answer', hint: 'Check the address' };
  expect(signInWords('TOKEN_INVALID', usual).title).toContain('used');
  expect(signInWords('SERVER_UNREACHABLE', usual)).toEqual({ title: usual.title, hint: 'Check the address.' });
});
