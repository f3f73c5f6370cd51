import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { DocumentStore } from '@serin/device/ports';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { hasCode, removeLeftovers, writeFileDurably } from '@serin/node/files';

const safeName = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** One file per document; a write is there whole or not at all, and stays. */
export async function openDocumentStore(folder: string): Promise<DocumentStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeLeftovers(folder);
  const fileOf = (name: string): string => {
    if (!safeName.test(name)) throw new SerinError('INTERNAL', { detail: `"${name}" is no document name` });
    return path.join(folder, name);
  };
  let writes: Promise<unknown> = Promise.resolve();
  return {
    async read(name) {
      try {
        return await readFile(fileOf(name), 'utf8');
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return undefined;
        throw error;
      }
    },
    async write(name, text) {
      const file = fileOf(name);
      // One after the other: of two writes to a document the later one stays.
      const turn = writes.then(() => writeFileDurably(file, text));
      writes = turn.catch(() => undefined);
      await turn.catch((error: unknown) => {
        throw asSerinError(error);
      });
    },
  };
}
