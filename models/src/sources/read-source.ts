import { rm } from 'node:fs/promises';

import { seededRandom } from '@serin/inference/random';
import { sourceSettings, type SourceSettings } from '@serin/protocol/api/datasets';
import { asSerinError, SerinError } from '@serin/protocol/errors';

import { publicOnly } from './addresses.ts';
import { readFolder } from './folder.ts';
import { readS3 } from './s3.ts';
import { sourceFault, sourceLimits, type ReadSourceOptions, type SourceContext, type SourceCursor, type SourceReading } from './source.ts';
import { readSql } from './sql.ts';
import { readUrl } from './url.ts';

function pauseFor(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, durationMs);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done, { once: true });
  });
}

function read(settings: SourceSettings, cursor: SourceCursor, context: SourceContext): Promise<SourceReading> {
  switch (settings.kind) {
    case 'folder':
      return readFolder(settings, cursor, context);
    case 'url':
      return readUrl(settings, cursor, context);
    case 's3':
      return readS3(settings, cursor, context);
    case 'sql':
      return readSql(settings, cursor, context);
  }
}

/** Addresses of databases have theirs within. */
function passwordsOf(secret: string): string[] {
  try {
    const { password } = new URL(secret);
    return [password, decodeURIComponent(password)];
  } catch {
    return [];
  }
}

/** No secret in what is told, whoever put it there: drivers repeat what they were given. */
function withoutSecrets(error: SerinError, secrets: ReadonlySet<string>): SerinError {
  const hide = (text: string): string => [...secrets].reduce((told, secret) => told.replaceAll(secret, '***'), text);
  const { cause } = error;
  const told = error.detail === undefined ? {} : { detail: hide(error.detail) };
  const clean = cause instanceof Error && hide(`${cause.message}${cause.stack ?? ''}`) === `${cause.message}${cause.stack ?? ''}`;
  return new SerinError(error.code, { ...told, hint: hide(error.hint), ...(clean ? { cause: new Error(cause.message) } : {}) });
}

/**
 * Brings what is new at a source since the cursor, as files in a folder. Whatever goes wrong, nothing of this read stays in the folder
 * and the cursor of before is as good as it was.
 */
export async function readSource(settings: SourceSettings, cursor: SourceCursor, options: ReadSourceOptions): Promise<SourceReading> {
  const { into, policy = publicOnly, mode = 'replace', accept = [], signal, sql, onProgress, now = Date.now, pause = pauseFor } = options;
  const limits = { ...sourceLimits, ...options.limits };
  const used = new Set<string>();
  let [bytes, files] = [0, 0];
  const context: SourceContext = {
    into,
    limits,
    policy,
    mode,
    accept,
    signal,
    sql,
    now,
    pause,
    made: new Set(),
    random: options.random ?? seededRandom(`source/${now()}`),
    secrets: (name) => {
      const secret = options.secrets(name);
      // Short ones would blot out half of every sentence.
      for (const part of secret === undefined ? [] : [secret, ...passwordsOf(secret)]) if (part.length >= 4) used.add(part);
      return secret;
    },
    count: (more) => {
      bytes += more;
      if (bytes > limits.readBytesMax) throw sourceFault(`the source sent more than ${limits.readBytesMax} bytes`);
      onProgress?.({ files, bytes });
    },
    countFile: () => {
      files += 1;
      onProgress?.({ files, bytes });
    },
  };
  const parsed = sourceSettings.safeParse(settings);
  if (!parsed.success) throw sourceFault(`the settings: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`);
  try {
    return await read(parsed.data, cursor, context);
  } catch (error) {
    for (const file of context.made) await rm(file, { force: true });
    throw withoutSecrets(asSerinError(error, 'SOURCE_FAILED'), used);
  }
}
