import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect, test } from 'vitest';

import { codeDigest } from './code-digest.ts';
import { workshop } from './testing/data.ts';

async function program(over: Record<string, string> = {}): Promise<string> {
  const folder = await workshop();
  const files: Record<string, string> = {
    'src/main.ts':
      "import { a } from './a.ts';\nimport type { T } from './types.ts';\nimport lodash from 'far/deep/file';\nimport { b } from '@serin/own/b';\nimport fs from 'node:fs';\nnew URL('./worker.js', import.meta.url);\nconst later = () => import('./later.ts');\n",
    'src/a.ts': "export {\n  a,\n} from './deep/a.ts';\n",
    'src/deep/a.ts': 'export const a = 1;\n',
    'src/types.ts': 'export type T = 1;\n',
    'src/worker.ts': 'export {};\n',
    'src/later.ts': 'export {};\n',
    'node_modules/far/package.json': '{ "version": "1.0.0" }',
    'node_modules/far/deep/file.js': '1',
    'node_modules/@serin/own/package.json': '{ "version": "1.0.0" }',
    'node_modules/@serin/own/src/b.ts': 'export const b = 1;\n',
    ...over,
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return codeDigest([pathToFileURL(path.join(folder, 'src/main.ts'))]);
}

test('the digest is of the code, wherever it is installed', async () => {
  expect(await program()).toBe(await program());
});

test.each([
  ['the module itself', 'src/main.ts', 'export {};\n'],
  ['what it imports through another', 'src/deep/a.ts', 'export const a = 2;\n'],
  ['a package of ours', 'node_modules/@serin/own/src/b.ts', 'export const b = 2;\n'],
  ['the version of another package', 'node_modules/far/package.json', '{ "version": "1.0.1" }'],
  ['a thread it starts', 'src/worker.ts', 'export const more = 1;\n'],
])('it changes with %s', async (_, file, text) => {
  expect(await program({ [file]: text })).not.toBe(await program());
});

test.each([
  ['types, which vanish', 'src/types.ts', 'export type T = 2;\n'],
  ['what is loaded on demand, which is named by who asks', 'src/later.ts', 'export const later = 1;\n'],
  ['the insides of a package of that version', 'node_modules/far/deep/file.js', '2'],
])('it does not change with %s', async (_, file, text) => {
  expect(await program({ [file]: text })).toBe(await program());
});

test('an import that is not there is told', async () => {
  await expect(program({ 'src/a.ts': "import './gone.ts';\n" })).rejects.toMatchObject({
    code: 'START_FAILED',
    detail: expect.stringContaining('./gone.ts') as string,
  });
});
