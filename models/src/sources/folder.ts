import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';

import { hasCode, writeWhole } from '@serin/node/files';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';

import { openFolder, pathBelow, walkFiles } from '../data/folder.ts';
import { noProblems } from '../data/problems.ts';
import { openFile } from '../data/records/input.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { readFileList, type Listed } from './file-list.ts';
import { matchesGlob } from './glob.ts';
import { safeName, sourceFault, writeWholeFile, type SourceContext, type SourceReader } from './source.ts';

const markOf = ({ mtimeMs }: { readonly mtimeMs: number }): string => String(mtimeMs);

/** Undefined when it is gone, is no plain file, or is a link that leads out of the folder. */
async function look(root: string, name: string): Promise<{ readonly file: string; readonly bytes: number; readonly mtimeMs: number } | undefined> {
  try {
    const file = await realpath(path.join(root, name));
    const found = await stat(file);
    if (pathBelow(root, file) === undefined || !found.isFile()) return undefined;
    return { file, bytes: found.size, mtimeMs: found.mtimeMs };
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ELOOP')) return undefined;
    throw asSerinError(error);
  }
}

/** Files below a folder of this machine. */
export const readFolder: SourceReader<'folder'> = async (settings, cursor, context) => {
  const root = await openFolder(settings.path).catch((error: unknown) => {
    const isMissing = error instanceof SerinError && error.code === 'NOT_FOUND';
    const detail = isMissing ? `there is no folder ${settings.path}, or the server may not look into it` : asSerinError(error).message;
    throw sourceFault(detail, error, 'Check the path and who may read it');
  });
  const matches = matchesGlob(settings.pattern ?? '**');
  const list = async (): Promise<Listed[]> => {
    const listed: Listed[] = [];
    const problems = noProblems();
    for await (const name of walkFiles(root, '', problems)) {
      throwIfCancelled(context.signal);
      if (!matches(name)) continue;
      const found = await look(root, name);
      if (found === undefined) continue;
      const settled = context.now() - found.mtimeMs >= context.limits.settleMs;
      listed.push({ name, bytes: found.bytes, mark: markOf(found), time: Math.max(0, Math.round(found.mtimeMs)), settled });
      if (listed.length > context.limits.listedMax) break;
    }
    // A folder that cannot be read would look like one whose files are gone.
    const [unreadable] = problems.list.filter(({ detail }) => !detail.startsWith('links'));
    if (unreadable !== undefined) throw sourceFault(`${unreadable.file}: ${unreadable.detail}`);
    return listed;
  };
  return readFileList({ kind: 'folder', list, take: (listed) => copy(root, listed, context) }, cursor, context);
};

async function copy(root: string, { name }: Listed, context: SourceContext) {
  const before = await look(root, name);
  if (before === undefined) return undefined;
  if (before.bytes > context.limits.fileBytesMax) throw sourceFault(`${name} has ${before.bytes} bytes; at most ${context.limits.fileBytesMax} are read`);
  const { handle: input } = await openFile(before.file);
  try {
    const stored = await writeWholeFile(context, safeName(name), async (output) => {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const piece of input.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 })) {
        throwIfCancelled(context.signal);
        const part = piece as Buffer;
        context.count(part.length);
        hash.update(part);
        await writeWhole(output, part, bytes);
        bytes += part.length;
        if (bytes > context.limits.fileBytesMax) throw sourceFault(`${name} grew beyond ${context.limits.fileBytesMax} bytes while it was read`);
      }
      const after = await look(root, name);
      // Somebody is writing to it.
      if (after === undefined || after.mtimeMs !== before.mtimeMs || after.bytes !== bytes) throw new Unsettled();
      return { sha256: hash.digest('hex') as Digest, bytes, mark: markOf(before) };
    });
    return stored;
  } catch (error) {
    if (error instanceof Unsettled) return undefined;
    throw error;
  } finally {
    await input.close();
  }
}

class Unsettled extends Error {}
