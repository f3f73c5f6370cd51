import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

/** Windows cannot open a folder to sync it; its rename is ordered by the journal. */
const foldersSync = process.platform !== 'win32';
const temporarySuffix = '.tmp';

export async function syncFolder(folder: string): Promise<void> {
  if (!foldersSync) return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whole or not at all, also after a power loss: temporary file, fsync, rename, fsync of the folder. Only its owner may read it. */
export async function writeFileDurably(file: string, content: Uint8Array | string): Promise<void> {
  const folder = path.dirname(file);
  const temporary = path.join(folder, `.${path.basename(file)}.${randomBytes(6).toString('hex')}${temporarySuffix}`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** On a disk that fills up a write may be short without an error; the next one has it. */
export async function writeWhole(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
}

/** What a crash left of a write that never happened. Only for a folder that no other process writes to. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('.') && name.endsWith(temporarySuffix)) await rm(`${folder}${path.sep}${name}`, { force: true });
  }
}

export const hasCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException | null)?.code === code;
