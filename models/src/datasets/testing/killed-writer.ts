import files, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { addVersion, listVersions, openDatasetStore, removeUnreferenced } from '../store.ts';
import { writeRound } from './written-files.ts';

/**
 * A program that adds version after version to the store it is given and tells of every step: one to be killed. Given a number, it adds
 * one version and kills itself just before so many operations on files.
 */
const [folder = '', work = '', given = '0'] = process.argv.slice(2);
let stepsLeft = Infinity;

type Operation = (...parameters: unknown[]) => unknown;

function watch(owner: object, names: readonly string[]): void {
  const operations = owner as Record<string, Operation>;
  for (const name of names) {
    const original = operations[name] as Operation;
    operations[name] = function watched(this: unknown, ...parameters: unknown[]): unknown {
      stepsLeft -= 1;
      if (stepsLeft === 0) process.kill(process.pid, 'SIGKILL');
      return original.apply(this, parameters);
    };
  }
}

const handle: FileHandle = await files.open(fileURLToPath(import.meta.url));
watch(Object.getPrototypeOf(handle) as object, ['write', 'writeFile', 'sync', 'close']);
watch(files, ['open', 'rename', 'mkdir', 'rm', 'writeFile']);
syncBuiltinESMExports();
await handle.close();

const store = await openDatasetStore(folder);
do {
  const version = ((await listVersions(store, 'd'))[0]?.version ?? 0) + 1;
  const round = await writeRound(path.join(work, String(version)), version, given === '0' ? 6 : 1);
  process.send?.({ began: version });
  stepsLeft = given === '0' ? Infinity : Number(given);
  const added = await addVersion(store, {
    dataset: 'd',
    spec: { kind: 'table', label: 'label' },
    files: round,
    onProgress: (progress) => process.send?.({ progress }),
  });
  stepsLeft = Infinity;
  process.send?.({ committed: added.version.version });
  if (version % 3 === 0) process.send?.({ removed: await removeUnreferenced(store) });
} while (given === '0');
process.disconnect?.();
