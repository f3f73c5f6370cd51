import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

/** Windows cannot open a folder to sync it; its rename is ordered by the journal. */
const foldersSync = process.platform !== 'win32';
const temporarySuffix = '.tmp';

export async function syncFolder(folder: string): Promise<void> {
  if (foldersSync) await syncFile(folder);
}

export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Everything below a folder, and the folder. */
export async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(file);
    else if (entry.isFile()) await syncFile(file);
  }
  await syncFolder(folder);
}

/** Whole or not at all, also after a power loss: temporary file, fsync, rename, fsync of the folder. */
export async function writeFileDurably(file: string, bytes: Uint8Array | string, mode = 0o600): Promise<void> {
  const folder = path.dirname(file);
  const temporary = path.join(folder, `.${path.basename(file)}.${randomBytes(6).toString('hex')}${temporarySuffix}`);
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(bytes);
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
