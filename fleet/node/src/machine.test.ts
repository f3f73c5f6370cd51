import { expect, test } from 'vitest';

import { folderAbove, installedVersion, processorFlags, tellingFlags } from './machine.ts';

test('of a processor, the flags that choose kernels are told, in order', () => {
  expect(tellingFlags('fpu avx2 AVX512_VNNI sse4.2 mmx amx_int8')).toEqual(['amx_int8', 'avx2', 'avx512_vnni', 'sse4_2']);
  expect(tellingFlags(processorFlags().join(' '))).toEqual(processorFlags());
});

test('a package has the version that is installed, one that is not there none', () => {
  expect(installedVersion('typescript', import.meta.url)).toMatch(/^\d+\.\d+\.\d+/);
  expect(installedVersion('there-is-no-such-package', import.meta.url)).toBe('unknown');
  expect(folderAbove(import.meta.dirname, 'package-lock.json')).toBeDefined();
  expect(folderAbove('/', 'there-is-no-such-file')).toBeUndefined();
});
