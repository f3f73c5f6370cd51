import { constants, createReadStream } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';

import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';

import type { RecordBatch } from '../data/records/batch.ts';
import { openRecords, type OpenRecordsOptions, type RecordFile } from '../data/records/open.ts';
import { digestOf, type BlobFolder } from './blob-folder.ts';
import { inReadingOrder, type Manifest } from './manifest.ts';

type Blobs = Pick<BlobFolder, 'locate' | 'has'>;

async function checkFile(file: string, sha256: Digest, name: string, signal: AbortSignal | undefined): Promise<void> {
  const found = await digestOf(createReadStream(file, { highWaterMark: 256 * 1024 }), signal);
  if (found.sha256 !== sha256) throw new SerinError('DATASET_DAMAGED', { detail: `${name} has other content than its version names` });
}

/** The files of a version where they lie, in reading order, each checked against its digest just before it is handed out. */
export async function* checkedFiles(blobs: Blobs, { entries }: Pick<Manifest, 'entries'>, signal?: AbortSignal): AsyncGenerator<RecordFile> {
  for (const { path: name, sha256 } of inReadingOrder(entries)) {
    if (!(await blobs.has(sha256))) throw new SerinError('DATASET_DAMAGED', { detail: `${name} is missing` });
    const file = blobs.locate(sha256);
    await checkFile(file, sha256, name, signal);
    yield { file, name };
  }
}

/** The records of a version of tables or of texts in lines. */
export function openVersionRecords(
  blobs: Blobs,
  manifest: Manifest,
  options: Omit<OpenRecordsOptions, 'format' | 'encoding' | 'delimiter'>,
): AsyncIterable<RecordBatch> {
  const { format, encoding, delimiter } = manifest.spec;
  if (format === 'folders') throw new SerinError('BAD_REQUEST', { detail: 'files of folders are laid out in a folder, not read as records' });
  return openRecords(checkedFiles(blobs, manifest, options.signal), { ...options, format, encoding, delimiter });
}

/** Puts the files of a version into a folder under their names, for readers of folders. Where the disk can, nothing is copied but references. */
export async function layOut(blobs: Blobs, { entries }: Pick<Manifest, 'entries'>, folder: string, signal?: AbortSignal): Promise<void> {
  for (const { path: name, sha256 } of entries) {
    const file = path.join(folder, ...name.split('/'));
    await mkdir(path.dirname(file), { recursive: true });
    if (!(await blobs.has(sha256))) throw new SerinError('DATASET_DAMAGED', { detail: `${name} is missing` });
    await copyFile(blobs.locate(sha256), file, constants.COPYFILE_FICLONE);
    await checkFile(file, sha256, name, signal);
  }
}
