import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SerinError } from '@serin/protocol/errors';
import type { TextRecord } from '@serin/inference/text/prepare';
import { syncFolder, syncTree } from '@serin/node/files';

import { jsonBytes } from '../package/version.ts';
import { packText } from './pack-text.ts';
import type { TrainedText } from './training.ts';

export interface VersionFolder {
  readonly trained: TrainedText;
  readonly labels: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  /** Where the texts come from, in words: whoever finds the folder reads it. */
  readonly origin: string;
  /** For golden vectors: short ones, for every device gets them. */
  readonly texts: readonly TextRecord[];
}

/** Writes everything a bundle is made of into a new folder: whole or not at all. */
export async function writeVersionFolder(folder: string, { trained, labels, metrics, origin, texts }: VersionFolder): Promise<readonly string[]> {
  const target = path.resolve(folder);
  await refuseTaken(target);
  const { files, ...described } = await packText(trained, texts);
  const { weightDigest, temperature } = trained;
  await mkdir(path.dirname(target), { recursive: true });
  const temporary = await mkdtemp(`${target}.`);
  try {
    for (const { path: name, bytes } of files) await writeFile(path.join(temporary, name), bytes);
    const listed = files.map(({ role, variant, path: name }) => ({ role, variant, path: name }));
    await writeFile(path.join(temporary, 'version.json'), jsonBytes({ ...described, labels, metrics, origin, weightDigest, temperature, files: listed }));
    await syncTree(temporary);
    await rename(temporary, target);
    await syncFolder(path.dirname(target));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  return [...files.map(({ path: name }) => name), 'version.json'];
}

async function refuseTaken(target: string): Promise<void> {
  const found = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new SerinError('BAD_REQUEST', { detail: `${target} cannot be written to`, cause: error });
  });
  if (found.length > 0) throw new SerinError('CONFLICT', { detail: `${target} is not empty`, hint: 'Name a new folder: a version is never written over' });
}
