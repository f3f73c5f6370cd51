import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';

import { writeWhole } from '@serin/node/files';
import type { Digest } from '@serin/protocol/ids';

import type { Cell } from '../data/records/batch.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import {
  findShrinking,
  held,
  nothingNew,
  secretOf,
  sourceFault,
  withRetries,
  writeWholeFile,
  type SourceContext,
  type SourceCursor,
  type SourceReader,
} from './source.ts';

/** Some rows of the answer to a query. */
export interface SqlRows {
  readonly names: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface SqlQuery {
  readonly text: string;
  /** Of `$1`. */
  readonly values: readonly (string | null)[];
  readonly rowsAtOnce: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** A database that is only read: its adapter lives where its driver does. */
export interface SqlClient {
  /** Runs one query in a transaction that may change nothing. The first rows come before the last are known. */
  read(query: SqlQuery): AsyncIterable<SqlRows>;
  close(): Promise<void>;
}

/** Connects; what may go through later is thrown as PassingFault. */
export type OpenSql = (url: string, options: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined }) => Promise<SqlClient>;

const rowsAtOnce = 1000;

/** Whole numbers by value, other texts by their letters: times as ISO 8601 sort so. */
export function isLater(one: string, other: string): boolean {
  const whole = /^-?\d{1,100}$/;
  if (whole.test(one) && whole.test(other)) return BigInt(one) > BigInt(other);
  const [left, right] = [Number(one), Number(other)];
  if (one.trim() !== '' && other.trim() !== '' && Number.isFinite(left) && Number.isFinite(right)) return left > right;
  return one > other;
}

interface SqlCursor {
  readonly since: string | null;
  readonly sha256: string | undefined;
  readonly rows: number | undefined;
}

/** Another query is another source. */
function parseCursor(cursor: SourceCursor, query: string): SqlCursor {
  if (cursor === null || cursor.kind !== 'sql' || cursor.query !== query) return { since: null, sha256: undefined, rows: undefined };
  const { since, sha256, rows } = cursor;
  return {
    since: typeof since === 'string' ? since : null,
    sha256: typeof sha256 === 'string' ? sha256 : undefined,
    rows: typeof rows === 'number' ? rows : undefined,
  };
}

interface Written {
  readonly sha256: Digest;
  readonly bytes: number;
  readonly rows: number;
  readonly since: string | null;
}

/** The rows of one query, as a file of JSON lines. */
export const readSql: SourceReader<'sql'> = async (settings, cursor, context) => {
  const { query, cursorColumn } = settings;
  if (context.sql === undefined) throw sourceFault('no database can be reached from here');
  const incremental = cursorColumn !== undefined;
  const mark = createHash('sha256')
    .update(`${query}\n${cursorColumn ?? ''}`)
    .digest('hex')
    .slice(0, 16);
  const before = parseCursor(cursor, mark);
  const { sql } = context;
  const client = await withRetries(context, () => sql(secretOf(context, settings.urlSecret), { timeoutMs: context.limits.stallMs, signal: context.signal }));
  // Each read of an incremental source is a file of its own.
  const name = incremental ? `rows-${new Date(context.now()).toISOString().replaceAll(/[:.]/g, '-')}.jsonl` : 'rows.jsonl';
  try {
    const stored = await writeWholeFile(context, name, async (handle) => {
      const hash = createHash('sha256');
      let written: Written = { sha256: '' as Digest, bytes: 0, rows: 0, since: before.since };
      for await (const page of client.read({
        text: query,
        values: incremental ? [before.since] : [],
        rowsAtOnce,
        timeoutMs: context.limits.requestMs,
        signal: context.signal,
      })) {
        throwIfCancelled(context.signal);
        const bytes = Buffer.from(linesOf(page));
        const since = incremental ? laterOf(page, cursorColumn, written.since) : null;
        context.count(bytes.length);
        if (written.rows + page.rows.length > context.limits.rowsMax) throw sourceFault(`the query has more than ${context.limits.rowsMax} rows`);
        if (written.bytes + bytes.length > context.limits.fileBytesMax)
          throw sourceFault(`the rows of the query have more than ${context.limits.fileBytesMax} bytes`);
        await writeWhole(handle, bytes, written.bytes);
        hash.update(bytes);
        written = { ...written, bytes: written.bytes + bytes.length, rows: written.rows + page.rows.length, since };
      }
      return { ...written, sha256: hash.digest('hex') as Digest };
    });
    return await judge(stored, { name, mark, incremental, before, cursor }, context);
  } finally {
    await client.close();
  }
};

interface Asked {
  readonly name: string;
  readonly mark: string;
  readonly incremental: boolean;
  readonly before: SqlCursor;
  readonly cursor: SourceCursor;
}

async function judge(stored: Written & { readonly file: string }, { name, mark, incremental, before, cursor }: Asked, context: SourceContext) {
  const { file, sha256, bytes, rows, since } = stored;
  const unchanged = incremental ? rows === 0 && before.since !== null : rows > 0 && sha256 === before.sha256;
  const finding = unchanged ? undefined : findShrinking('rows', incremental ? undefined : before.rows, rows, context);
  if (unchanged || finding !== undefined || rows === 0) {
    await rm(file, { force: true });
    return finding === undefined ? nothingNew(cursor, unchanged && !incremental ? `The same ${rows} rows as before.` : 'No new rows.') : held(finding, cursor);
  }
  context.countFile();
  const next = incremental ? { kind: 'sql', query: mark, since } : { kind: 'sql', query: mark, sha256, rows };
  return {
    files: [{ name, file, sha256, bytes, rows }],
    cursor: next,
    findings: [],
    words: `${rows} row${rows === 1 ? '' : 's'}${incremental && before.since !== null ? ' since the last read' : ''}.`,
  };
}

function linesOf({ names, rows }: SqlRows): string {
  if (new Set(names).size !== names.length) throw sourceFault('the query gives two columns the same name', undefined, 'Name them with "as"');
  return rows.map((row) => `${JSON.stringify(Object.fromEntries(names.map((column, place) => [column, row[place] ?? null])))}\n`).join('');
}

function laterOf({ names, rows }: SqlRows, column: string, since: string | null): string | null {
  const place = names.indexOf(column);
  if (place === -1) throw sourceFault(`the query gives no column ${column}; it gives ${names.slice(0, 12).join(', ')}`);
  let latest = since;
  for (const row of rows) {
    const value = row[place];
    if (value !== null && value !== undefined && (latest === null || isLater(String(value), latest))) latest = String(value);
  }
  return latest;
}
