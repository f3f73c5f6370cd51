import { fork, type ChildProcess } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { seededRandom } from '@serin/inference/random';
import type { DataSpec } from '@serin/protocol/api/datasets';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { noProblems } from '../data/problems.ts';
import { collectRecords } from '../data/records/testing/collect.ts';
import {
  addVersion,
  listDatasets,
  listVersions,
  openDatasetStore,
  openVersion,
  removeUnreferenced,
  removeVersion,
  verifyStore,
  type DatasetStore,
  type NewFile,
} from './store.ts';
import { writeRound } from './testing/written-files.ts';
import { countRowDifferences, diffVersions } from './version-diff.ts';
import { checkedFiles, layOut, openVersionRecords } from './version-files.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'serin-datasets-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const table: DataSpec = { kind: 'table', label: 'y' };
let stores = 0;
async function freshStore(): Promise<DatasetStore> {
  stores += 1;
  return openDatasetStore(path.join(root, String(stores)), { now: () => 1000 });
}

async function put(files: Readonly<Record<string, string>>): Promise<NewFile[]> {
  const folder = await mkdtemp(path.join(root, 'files-'));
  const list: NewFile[] = [];
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name.replaceAll('/', '_'));
    await writeFile(file, content);
    list.push({ path: name, file });
  }
  return list;
}

const blobsOf = async ({ blobs }: DatasetStore): Promise<number> => {
  let count = 0;
  for await (const _ of blobs.list()) count += 1;
  return count;
};

test('versions are added to and replaced, and each stays what it was', async () => {
  const store = await freshStore();
  const first = await addVersion(store, { dataset: 'd', spec: table, files: await put({ 'a.csv': 'x,y\n1,2\n', 'b.csv': 'x,y\n3,4\n' }) });
  const second = await addVersion(store, {
    dataset: 'd',
    spec: table,
    files: await put({ 'c.csv': 'x,y\n5,6\n', 'copy of a.csv': 'x,y\n1,2\n' }),
    note: 'more',
  });
  const third = await addVersion(store, { dataset: 'd', spec: table, files: await put({ 'a.csv': 'x,y\n1,2\n' }), mode: 'replace' });
  expect([first, second, third].map(({ version: { version, parent, files }, unchanged }) => [version, parent, files, unchanged])).toEqual([
    [1, null, 2, false],
    [2, 1, 3, false],
    [3, null, 1, false],
  ]);
  expect(second.copies).toEqual([{ path: 'copy of a.csv', of: 'a.csv' }]);
  expect((await listVersions(store, 'd')).map(({ version, note }) => [version, note])).toEqual([
    [3, ''],
    [2, 'more'],
    [1, ''],
  ]);
  expect((await openVersion(store, 'd', 2)).entries.map((entry) => entry.path)).toEqual(['a.csv', 'b.csv', 'c.csv']);
  expect((await openVersion(store, 'd')).version).toBe(3);
  expect(await blobsOf(store)).toBe(3);
  expect(await listDatasets(store)).toEqual(['d']);
  expect(await verifyStore(store)).toMatchObject({ files: 3, faults: [] });
});

test('the same data again makes no version; another label or other columns of it do', async () => {
  const store = await freshStore();
  const files = await put({ 'a.csv': 'x,y\n1,2\n' });
  await addVersion(store, { dataset: 'd', spec: table, files });
  expect(await addVersion(store, { dataset: 'd', spec: table, files: await put({ 'renamed.csv': 'x,y\n1,2\n' }) })).toMatchObject({
    unchanged: true,
    version: { version: 1 },
  });
  expect(await addVersion(store, { dataset: 'd', spec: { ...table, label: 'x' }, files })).toMatchObject({ unchanged: false, version: { version: 2 } });
});

test('records come in the order of their content, whatever the files are called', async () => {
  const store = await freshStore();
  const contents = ['x,y\n1,2\n', 'x,y\n3,4\n', 'x,y\n5,6\n'];
  await addVersion(store, { dataset: 'd', spec: table, files: await put({ a: contents[0] ?? '', b: contents[1] ?? '', c: contents[2] ?? '' }) });
  await addVersion(store, { dataset: 'e', spec: table, files: await put({ z: contents[0] ?? '', b: contents[2] ?? '', c: contents[1] ?? '' }) });
  const problems = noProblems();
  const read = async (dataset: string) => (await collectRecords(openVersionRecords(store.blobs, await openVersion(store, dataset), { problems }))).records;
  expect(await read('d')).toEqual(await read('e'));
  expect(await read('d')).toHaveLength(3);
  expect((await openVersion(store, 'd')).version).toBe(1);
});

test('pictures have a side each, decided by their content, and are laid out as a folder', async () => {
  const store = await freshStore();
  const files = await put(Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`nut/${index}.png`, `picture ${index}`])));
  await addVersion(store, { dataset: 'd', spec: { kind: 'images' }, files: files.map((file) => ({ ...file, label: 'nut' })) });
  const manifest = await openVersion(store, 'd');
  expect(new Set(manifest.entries.map(({ split }) => split))).toEqual(new Set(['train', 'validation', 'test']));
  const folder = path.join(root, 'laid-out');
  await layOut(store.blobs, manifest, folder);
  expect((await readdir(path.join(folder, 'nut'))).length).toBe(40);
  expect(await readFile(path.join(folder, 'nut', '7.png'), 'utf8')).toBe('picture 7');
});

test('damage and loss are found: listed by the check, and refused by whoever reads', async () => {
  const store = await freshStore();
  await addVersion(store, { dataset: 'd', spec: table, files: await put({ 'a.csv': 'x,y\n1,2\n', 'b.csv': 'x,y\n3,4\n' }) });
  const { entries } = await openVersion(store, 'd');
  const [damaged, lost] = entries.map(({ sha256 }) => store.blobs.locate(sha256));
  await appendFile(damaged ?? '', '!');
  await rm(lost ?? '');
  expect((await verifyStore(store)).faults.map(({ kind, where }) => `${kind} ${where}`)).toEqual(['damaged d/1 a.csv', 'missing d/1 b.csv']);
  const readAll = async (): Promise<void> => {
    for await (const _ of checkedFiles(store.blobs, await openVersion(store, 'd')));
  };
  await expect(readAll()).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
  // Bringing the same files again repairs them.
  expect(await addVersion(store, { dataset: 'd', spec: table, files: await put({ 'a.csv': 'x,y\n1,2\n', 'b.csv': 'x,y\n3,4\n' }) })).toMatchObject({
    unchanged: true,
  });
  expect((await verifyStore(store)).faults).toEqual([]);
  await readAll();
  await appendFile(path.join(store.folder, 'versions', 'd', '000000001.jsonl'), 'x');
  expect((await verifyStore(store)).faults).toEqual([expect.objectContaining({ kind: 'manifest', where: 'd/1' })]);
  // And nothing is collected on a guess.
  await expect(removeUnreferenced(store)).rejects.toMatchObject({ code: 'DATASET_DAMAGED' });
  expect(await blobsOf(store)).toBe(2);
});

test('what is collected is what no version names; a number is never given twice', async () => {
  const store = await freshStore();
  await addVersion(store, { dataset: 'd', spec: table, files: await put({ a: '1', b: '2' }) });
  await addVersion(store, { dataset: 'd', spec: table, files: await put({ b: '2', c: '3' }), mode: 'replace' });
  expect(await removeUnreferenced(store)).toEqual({ blobs: 0, bytes: 0 });
  await removeVersion(store, 'd', 2);
  expect(await removeUnreferenced(store)).toEqual({ blobs: 1, bytes: 1 });
  expect((await addVersion(store, { dataset: 'd', spec: table, files: await put({ d: '4' }) })).version).toMatchObject({ version: 3, parent: 1 });
  await expect(openVersion(store, 'd', 2)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect((await verifyStore(store)).faults).toEqual([]);
});

test('writers and the collector take turns: nothing that a version names is lost', async () => {
  const store = await freshStore();
  const work = path.join(root, 'turns');
  const adding = Array.from({ length: 6 }, async (_, round) =>
    addVersion(store, { dataset: `d${round % 2}`, spec: table, files: await writeRound(path.join(work, String(round)), round, 3) }),
  );
  const collecting = Array.from({ length: 6 }, () => removeUnreferenced(store));
  await Promise.all([...adding, ...collecting]);
  expect((await verifyStore(store)).faults).toEqual([]);
  expect((await listVersions(store, 'd0')).length + (await listVersions(store, 'd1')).length).toBe(6);
  expect(await blobsOf(store)).toBe(18);
});

test('a path that leads out, a missing file, no file and a cancelled run change nothing', async () => {
  const store = await freshStore();
  const [file] = await put({ a: '1' });
  const add = (files: NewFile[], signal?: AbortSignal) => addVersion(store, { dataset: 'd', spec: table, files, ...(signal === undefined ? {} : { signal }) });
  await expect(add([{ path: '../a', file: file?.file ?? '' }])).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  await expect(add([{ path: 'a', file: path.join(root, 'nowhere') }])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(add([])).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  const controller = new AbortController();
  controller.abort();
  await expect(add(await put({ a: '1' }), controller.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(await listVersions(store, 'd')).toEqual([]);
  expect(await readdir(path.join(store.folder, 'incoming'))).toEqual([]);
});

test('a difference counts the rows that came, went and changed', async () => {
  const store = await freshStore();
  const spec: DataSpec = { kind: 'table', label: 'y', id: 'id' };
  await addVersion(store, { dataset: 'd', spec, files: await put({ 'a.csv': 'id,x,y\n1,a,0\n2,b,1\n3,c,0\n', 'same.csv': 'id,x,y\n9,z,0\n' }) });
  await addVersion(store, { dataset: 'd', spec, files: await put({ 'a.csv': 'id,y,x\n1,0,a\n2,1,B\n4,0,d\n5,0,e\n' }) });
  const diff = await diffVersions(store, 'd', 1, 2);
  expect(diff).toMatchObject({ unchanged: 1, sameData: false, rows: { added: 2, removed: 1, changed: 1 } });
  expect(diff.changed.map(({ to }) => to.path)).toEqual(['a.csv']);
  expect(countRowDifferences(new Map([[1, [5, 5, 6]]]), new Map([[1, [5, 7, 6, 8]]]))).toEqual({ added: 1, removed: 0, changed: 1 });
});

const program = fileURLToPath(new URL('../../dist/datasets/testing/killed-writer.js', import.meta.url));

/** Runs the writer, killed from here once it has told of so many things, or by itself at a step; the versions it said were there. */
function runWriter(folder: string, work: string, { killAfter = Infinity, dieAt = 0 }): Promise<{ readonly committed: number[]; readonly killed: boolean }> {
  const child: ChildProcess = fork(program, [folder, work, String(dieAt)], { execArgv: [] });
  const committed: number[] = [];
  let told = 0;
  return new Promise((resolve, reject) => {
    child.on('message', (message: { committed?: number }) => {
      if (message.committed !== undefined) committed.push(message.committed);
      told += 1;
      if (told === killAfter) child.kill('SIGKILL');
    });
    child.once('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve({ committed, killed: signal === 'SIGKILL' });
      else reject(new Error(`the writer ended with ${code ?? signal}`));
    });
  });
}

/** Every version is whole, none is missing, and each that was promised is there; how many there are. */
async function checkVersions(store: DatasetStore, promised: ReadonlySet<number>): Promise<number> {
  const versions = (await listVersions(store, 'd')).map(({ version }) => version).reverse();
  expect(versions).toEqual(Array.from({ length: versions.length }, (_, index) => index + 1));
  expect(versions).toEqual(expect.arrayContaining([...promised]));
  expect((await verifyStore(store)).faults).toEqual([]);
  return versions.length;
}

test('a writer that is killed at any moment leaves the old state or the new one', async () => {
  const folder = path.join(root, 'killed');
  const work = path.join(root, 'killed-work');
  const random = seededRandom(11);
  const store = await openDatasetStore(folder, { now: () => 0 });
  const promised = new Set<number>();
  for (let round = 0; round < 8; round += 1) {
    const { committed } = await runWriter(folder, work, { killAfter: 1 + random.integer(24) });
    for (const version of committed) promised.add(version);
    await checkVersions(store, promised);
  }
  const last = await openVersion(store, 'd');
  expect(last.version).toBeGreaterThan(3);
  const expected = new Set<string>();
  for (let version = 1; version <= last.version; version += 1)
    for (const { path: name } of await writeRound(path.join(work, 'check'), version)) expected.add(name);
  expect(new Set(last.entries.map((entry) => entry.path))).toEqual(expected);
  // What was half-written goes with the next one who may write, and every blob left is named by a version.
  await removeUnreferenced(store);
  expect(await readdir(path.join(folder, 'incoming'))).toEqual([]);
  expect(await blobsOf(store)).toBe(last.entries.length);
});

test('a writer that dies before any one of its operations on files leaves the old state or the new one', async () => {
  const folder = path.join(root, 'stepped');
  const store = await openDatasetStore(folder);
  const { committed } = await runWriter(folder, path.join(root, 'stepped-work'), { dieAt: 1_000_000 });
  const promised = new Set(committed);
  let steps = 1;
  for (; steps < 200; steps += 1) {
    // What the run before has written of the same files would be steps less.
    await removeUnreferenced(store);
    const before = await checkVersions(store, promised);
    const run = await runWriter(folder, path.join(root, 'stepped-work'), { dieAt: steps });
    for (const version of run.committed) promised.add(version);
    const after = await checkVersions(store, promised);
    expect(after - before).toBeLessThanOrEqual(1);
    if (!run.killed) break;
  }
  expect(steps).toBeGreaterThan(15);
  expect(steps).toBeLessThan(200);
});

test('a version of a name that is no name is refused before anything is made of it', async () => {
  const store = await freshStore();
  await expect(openVersion(store, '../d')).rejects.toMatchObject({ code: 'BAD_REQUEST' });
});
