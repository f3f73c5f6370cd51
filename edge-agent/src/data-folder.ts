import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { SerinError } from '@serin/protocol/errors';
import { hasCode, writeFileDurably } from '@serin/node/files';
import { lockFolder, type FolderLock } from '@serin/node/folder-lock';

/** Raised when an older agent could not read what this one writes. */
const format = 1;

/** The folder for this process alone, in a format it can read. */
export async function openDataFolder(folder: string): Promise<FolderLock> {
  const lock = await lockFolder(folder);
  try {
    await checkFormat(path.join(folder, 'format.json'));
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function checkFormat(file: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return writeFileDurably(file, JSON.stringify({ format }));
  }
  const found = Number(/"format":\s*(\d{1,9})/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(found)) throw new SerinError('START_FAILED', { detail: `${file} is unreadable`, hint: 'Restore it, or use another folder with --data' });
  if (found > format) throw new SerinError('DATA_NEWER', { detail: `format ${found}, this agent knows ${format}` });
}
