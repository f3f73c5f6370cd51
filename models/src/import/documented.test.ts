import { readFileSync } from 'node:fs';
import { quantiseSettings } from '@serin/protocol/pipeline';
import { readImportSpec } from '@serin/protocol/import-spec';
import { expect, test } from 'vitest';

const blocks = (page: string): string[] =>
  [...readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8').matchAll(/```json\n([^`]+)```/g)].map(([, block = '']) => block);

test('specs and settings on the pages are ones that are taken', () => {
  const specs = blocks('import.md').map(readImportSpec);
  expect(specs.map(({ answer }) => answer?.kind)).toEqual(['classes', 'boxes']);
  expect(blocks('quantisation.md').map((block) => quantiseSettings.parse(JSON.parse(block)).variants)).toEqual([['u8s8', 'u8u8']]);
});
