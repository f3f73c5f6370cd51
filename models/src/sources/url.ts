import { rm } from 'node:fs/promises';
import path from 'node:path';

import { download, parseUrl, tellUrl } from './http.ts';
import { findShrinking, held, nothingNew, safeName, secretOf, sourceFault, writeWholeFile, type SourceCursor, type SourceReader } from './source.ts';

interface UrlCursor {
  readonly url: string;
  readonly etag?: string;
  readonly modified?: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Query strings may be secrets: what is kept of the address is enough to see that it is another one. */
function parseCursor(cursor: SourceCursor, url: URL): UrlCursor | undefined {
  if (cursor === null || cursor.kind !== 'url' || cursor.url !== tellUrl(url)) return undefined;
  return typeof cursor.sha256 === 'string' && typeof cursor.bytes === 'number' ? (cursor as unknown as UrlCursor) : undefined;
}

/** `Name: value`, or a value for `authorization`. */
function headerOf(secret: string): Readonly<Record<string, string>> {
  const [, name = 'authorization', value = secret] = /^([A-Za-z0-9-]+):\s*(.*)$/s.exec(secret) ?? [];
  if (/[\r\n\0]/.test(value)) throw sourceFault('the header secret has a line break in it');
  return { [name.toLowerCase()]: value };
}

class Unchanged extends Error {}

/** One file at one address. */
export const readUrl: SourceReader<'url'> = async (settings, cursor, context) => {
  const url = parseUrl(settings.url);
  const before = parseCursor(cursor, url);
  const own = settings.headerSecret === undefined ? {} : headerOf(secretOf(context, settings.headerSecret));
  const name = safeName(path.posix.basename(decodePath(url.pathname)) || 'index');
  const headers = {
    ...(before?.etag === undefined ? {} : { 'if-none-match': before.etag }),
    ...(before?.modified === undefined ? {} : { 'if-modified-since': before.modified }),
  };
  try {
    const stored = await writeWholeFile(context, name, async (handle) => {
      const got = await download({ url, headers, own, packed: !name.endsWith('.gz') }, handle, context);
      if (got.stored === undefined || got.stored.sha256 === before?.sha256) throw new Unchanged();
      return { ...got.stored, headers: got.headers };
    });
    const finding = findShrinking('bytes', before?.bytes, stored.bytes, context);
    if (finding !== undefined) {
      await rm(stored.file, { force: true });
      return held(finding, cursor);
    }
    const { etag, 'last-modified': modified } = stored.headers;
    const time = modified === undefined ? Number.NaN : Date.parse(modified);
    const { file, sha256, bytes } = stored;
    const next = { kind: 'url', url: tellUrl(url), ...(etag === undefined ? {} : { etag }), ...(modified === undefined ? {} : { modified }), sha256, bytes };
    if (bytes === 0) {
      await rm(file, { force: true });
      return nothingNew(next, `${name} is empty.`);
    }
    context.countFile();
    return {
      files: [{ name, file, sha256, bytes, ...(Number.isNaN(time) ? {} : { time }) }],
      cursor: next,
      findings: [],
      words: `${name}: ${bytes} bytes, ${before === undefined ? 'new' : 'changed'}.`,
    };
  } catch (error) {
    if (error instanceof Unchanged) return nothingNew(cursor, `${name} has not changed.`);
    throw error;
  }
};

function decodePath(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}
