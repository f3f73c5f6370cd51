import { expect, test } from 'vitest';
import { createTarget } from './target.ts';

test.each([
  [['avx2', 'avx512_vnni'], true],
  [['avx2', 'avx_vnni', 'fma'], true],
  [['asimd', 'asimddp'], true],
  [['dotprod', 'neon'], true],
  [['avx2', 'avx512f'], false],
  [['asimd', 'asimdhp'], false],
  [[], false],
])('a processor with %j sums products of bytes at once: %s', (flags, expected) => {
  expect(createTarget(flags)).toEqual({ runtime: 'cpu', architecture: process.arch, hasByteProducts: expected });
});
