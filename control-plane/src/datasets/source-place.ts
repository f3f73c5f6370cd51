import { realpath } from 'node:fs/promises';
import path from 'node:path';
import type { SourceSettings } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';

/** Default deny: a source reads only what the one who started the server has opened. */
export async function checkPlace(settings: SourceSettings, sourceFolders: readonly string[]): Promise<void> {
  if (settings.kind !== 'folder') return;
  if (!path.isAbsolute(settings.path)) throw new SerinError('BAD_REQUEST', { detail: `${settings.path} is not an absolute path of the server` });
  const place = await realpath(settings.path).catch(() => path.resolve(settings.path));
  const roots = await Promise.all(sourceFolders.map((root) => realpath(root).catch(() => root)));
  if (roots.some((root) => place === root || place.startsWith(`${root}${path.sep}`))) return;
  throw new SerinError('FORBIDDEN', {
    detail: roots.length === 0 ? 'this server reads no folders' : `${settings.path} is not below a folder that this server reads`,
    hint: 'Name the folder with --source-folders where the server is started',
  });
}
