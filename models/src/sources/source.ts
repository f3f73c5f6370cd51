import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import type { SourceSettings } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import type { Random } from '@serin/inference/random';

import { throwIfCancelled } from '../train/cancellation.ts';
import type { AddressPolicy } from './addresses.ts';
import type { OpenSql } from './sql.ts';

export const sourceLimits = {
  /** Files of one read; more wait for the next. */
  filesMax: 10_000,
  /** Files that a source may list at all. */
  listedMax: 200_000,
  fileBytesMax: 64 * 2 ** 30,
  /** Of all files of one read. */
  readBytesMax: 256 * 2 ** 30,
  rowsMax: 100_000_000,
  /** Until a server begins to answer, and between two pieces of its answer. */
  stallMs: 30_000,
  /** Of one request, and of one query. */
  requestMs: 2 * 3_600_000,
  attemptsMax: 5,
  redirectsMax: 5,
  /** How long a file must have been left alone, unless it looks as it did at the last read. */
  settleMs: 5_000,
  /** A source with less than this share of what it had is held back. */
  shrunkShare: 0.5,
};
export type SourceLimits = typeof sourceLimits;

/** A file that a read brought, in the folder it was told to write to. */
export interface SourceFile {
  /** Its name in the source; the same file later has the same one. */
  readonly name: string;
  readonly file: string;
  readonly sha256: Digest;
  readonly bytes: number;
  readonly rows?: number;
  /** When it was written at the source. */
  readonly time?: number;
}

/** Why nothing is handed over although the source could be read. */
export interface SourceFinding {
  readonly kind: 'empty' | 'shrunk';
  readonly words: string;
}

/** What is remembered between reads: plain JSON, without secrets. Null before the first. */
export type SourceCursor = Readonly<Record<string, unknown>> | null;

export interface SourceReading {
  readonly files: readonly SourceFile[];
  /** To be kept once the files are: a read with the cursor of before brings them again. */
  readonly cursor: SourceCursor;
  readonly findings: readonly SourceFinding[];
  readonly words: string;
}

export interface SourceProgress {
  readonly files: number;
  readonly bytes: number;
}

export type SourceMode = 'append' | 'replace';

export interface ReadSourceOptions {
  /** Folder the files are written to. */
  readonly into: string;
  readonly secrets: (name: string) => string | undefined;
  readonly limits?: Partial<SourceLimits>;
  /** Which addresses may be asked; only public ones when left out. */
  readonly policy?: AddressPolicy;
  /** How a database is reached; sources of queries are refused without. */
  readonly sql?: OpenSql;
  /** Whether reads add up, so that what was taken may go, or each is all there is; the latter when left out. */
  readonly mode?: SourceMode;
  /** Findings that a person has seen and accepts. */
  readonly accept?: readonly SourceFinding['kind'][];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: SourceProgress) => void;
  readonly now?: () => number;
  readonly random?: Random;
  readonly pause?: (durationMs: number, signal: AbortSignal | undefined) => Promise<void>;
}

/** One read as its reader sees it. */
export interface SourceContext extends Required<Pick<ReadSourceOptions, 'into' | 'secrets' | 'policy' | 'mode' | 'accept' | 'now' | 'random' | 'pause'>> {
  readonly limits: SourceLimits;
  readonly signal: AbortSignal | undefined;
  readonly sql: OpenSql | undefined;
  /** Files that have their names already: they go when the read fails after all. */
  readonly made: Set<string>;
  /** Counts bytes against the limit of the read. */
  readonly count: (bytes: number) => void;
  readonly countFile: () => void;
}

export type SourceReader<Kind extends SourceSettings['kind']> = (
  settings: Extract<SourceSettings, { kind: Kind }>,
  cursor: SourceCursor,
  context: SourceContext,
) => Promise<SourceReading>;

export const sourceFault = (detail: string, cause?: unknown, hint?: string): SerinError =>
  new SerinError('SOURCE_FAILED', { detail, ...(cause === undefined ? {} : { cause }), ...(hint === undefined ? {} : { hint }) });

export function secretOf({ secrets }: Pick<SourceContext, 'secrets'>, name: string): string {
  const value = secrets(name);
  if (value === undefined || value === '') throw sourceFault(`the variable ${name} is not set`, undefined, 'Set it in the environment of the server');
  return value;
}

const inHex = (letter: string): string => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** A name from elsewhere as a path that stays below a folder, on any system; different names stay different. */
export function safeName(name: string): string {
  const parts = name.split('/').map((part) => {
    // oxlint-disable-next-line no-control-regex
    const plain = part.replaceAll(/[\\:%\u0000-\u001f]/g, inHex);
    return plain === '' ? '%' : /^\.+$/.test(plain) ? plain.replaceAll('.', inHex) : plain;
  });
  const path = parts.join('/');
  return path.length <= 1000 ? path : `${path.slice(0, 900)}-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

/** Writes a file beside its place and gives it its name once it is whole and on the disk. */
export async function writeWholeFile<Result>(
  { into, made }: Pick<SourceContext, 'into' | 'made'>,
  name: string,
  write: (handle: FileHandle) => Promise<Result>,
): Promise<Result & { file: string }> {
  const file = path.join(into, ...name.split('/'));
  const temporary = path.join(into, `.part-${randomBytes(8).toString('hex')}`);
  await mkdir(into, { recursive: true });
  try {
    const handle = await open(temporary, 'wx+', 0o600);
    let result: Result;
    try {
      result = await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await mkdir(path.dirname(file), { recursive: true });
    made.add(file);
    await rename(temporary, file);
    return { ...result, file };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A first read that brings nothing, or what is less than it was: nothing at all, or a small share. Undefined where all is well or a person accepts it. */
export function findShrinking(
  what: string,
  before: number | undefined,
  now: number,
  { limits, mode, accept }: Pick<SourceContext, 'limits' | 'mode' | 'accept'>,
): SourceFinding | undefined {
  // Where reads add up, less than before is what is left once something was taken.
  if (mode === 'append' && before !== undefined) return undefined;
  if (now === 0) {
    const had = before === undefined || before === 0 ? '' : `; it had ${before} ${what}`;
    return accept.includes('empty')
      ? undefined
      : { kind: 'empty', words: `The source has no ${what}${had}. Nothing was taken; if that is as it should be, accept it in a read by hand.` };
  }
  if (before === undefined || now >= before * limits.shrunkShare || accept.includes('shrunk')) return undefined;
  const percent = Math.round((100 * now) / before);
  return {
    kind: 'shrunk',
    words: `The source has ${now} ${what}, ${percent} % of the ${before} it had; at least ${Math.round(limits.shrunkShare * 100)} % are expected. Nothing was taken; if that is as it should be, accept it in a read by hand.`,
  };
}

export function held(finding: SourceFinding, cursor: SourceCursor): SourceReading {
  return { files: [], cursor, findings: [finding], words: finding.words };
}

export const nothingNew = (cursor: SourceCursor, words = 'Nothing new.'): SourceReading => ({ files: [], cursor, findings: [], words });

/** Tries again what may go through later, with waits that grow and are spread. */
export async function withRetries<Result>(context: SourceContext, work: (attempt: number) => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    throwIfCancelled(context.signal);
    try {
      return await work(attempt);
    } catch (error) {
      throwIfCancelled(context.signal);
      if (!(error instanceof PassingFault)) throw error;
      if (attempt >= context.limits.attemptsMax) throw sourceFault(`${error.message}, ${attempt} time${attempt === 1 ? '' : 's'} in a row`, error.cause);
      const ceiling = Math.min(60_000, 500 * 2 ** (attempt - 1));
      const wait = Math.max(context.random.between(ceiling / 2, ceiling), Math.min(error.retryAfterMs ?? 0, 120_000));
      await context.pause(Math.round(wait), context.signal);
    }
  }
}

/** A fault that may be gone at the next attempt. */
export class PassingFault extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(message: string, cause?: unknown, retryAfterMs?: number) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}
