import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { documentStoreContract } from '@serin/device/testing/contracts';
import { moduleUrl, runModule } from '../testing/child.ts';
import { emptyFolder } from '../testing/folder.ts';
import { openDocumentStore } from './document-store.ts';

documentStoreContract(async () => openDocumentStore(await emptyFolder()));

test('a document is there for the next process', async () => {
  const folder = await emptyFolder();
  await (await openDocumentStore(folder)).write('journal', 'two: ü');
  expect(await (await openDocumentStore(folder)).read('journal')).toBe('two: ü');
});

test('a name that would leave the folder is refused', async () => {
  const store = await openDocumentStore(await emptyFolder());
  for (const name of ['../x', 'a/b', '', '.hidden', 'A']) await expect(store.write(name, 'x')).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('killed while it writes, a document is the old one or the new one, and nothing is left lying about', async () => {
  const folder = await emptyFolder();
  const program = `import { writeSync } from 'node:fs';
    import { openDocumentStore } from ${moduleUrl('./document-store.ts', import.meta.url)};
    const store = await openDocumentStore(process.argv.at(-1));
    for (let count = 0; ; count++) { await store.write('journal', JSON.stringify(Array(2000).fill(count))); writeSync(1, count + '\\n'); }`;
  for (let round = 0; round < 3; round++) {
    const writer = runModule(program, [folder]);
    while (writer.lines.length < 10 + round * 7) await writer.line();
    await writer.kill();
    const last = Number(writer.lines.at(-1));
    const store = await openDocumentStore(folder);
    const found = JSON.parse((await store.read('journal')) ?? '') as number[];
    expect(found).toEqual(Array(2000).fill(found[0]));
    expect([last, last + 1]).toContain(found[0]);
    expect(await readdir(folder)).toEqual(['journal']);
  }
});

test('a half-written file of an earlier process is removed and never read', async () => {
  const folder = await emptyFolder();
  await writeFile(path.join(folder, '.journal.0123456789ab.tmp'), 'half');
  const store = await openDocumentStore(folder);
  expect(await store.read('journal')).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
});
