import { Client, type CustomTypesConfig, type QueryArrayConfig, type QueryArrayResult } from 'pg';
import { SerinError } from '@serin/protocol/errors';
import type { Cell } from '@serin/models/data/records/batch';
import { PassingFault, sourceFault } from '@serin/models/sources/source';
import type { OpenSql, SqlClient, SqlQuery, SqlRows } from '@serin/models/sources/sql';
import { isConnectionLoss } from '../store/faults.ts';

const whole = (text: string): Cell => (Number.isSafeInteger(Number(text)) ? Number(text) : text);

/** Numbers and truths as such; all else as the server writes it, so that a time keeps its microseconds. */
const parsers: Readonly<Record<number, (text: string) => Cell>> = {
  16: (text) => text === 't',
  20: whole,
  21: whole,
  23: whole,
  26: whole,
  700: Number,
  701: Number,
  1700: (text) => (/^-?\d+$/.test(text) ? whole(text) : Number(text)),
};
const types = { getTypeParser: (oid: number) => parsers[oid] ?? ((text: string): Cell => text) } as unknown as CustomTypesConfig;

/** One statement a call, whatever is written in it: only then does the transaction around it hold. */
interface ExtendedQuery extends QueryArrayConfig {
  readonly queryMode: 'extended';
}

const run = (client: Client, text: string, values: readonly (string | null)[] = []): Promise<QueryArrayResult<Cell[]>> =>
  client.query<Cell[]>({ text, values: [...values], rowMode: 'array', queryMode: 'extended', types } as ExtendedQuery);

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Ends what the server does for the connection; closing alone would let it go on. */
async function cancelQuery(url: string, client: Client): Promise<void> {
  const other = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  other.on('error', () => {});
  try {
    await other.connect();
    await other.query('select pg_cancel_backend($1)', [(client as Client & { processID?: number }).processID]);
  } catch {
    // The statement timeout ends it.
  } finally {
    await other.end().catch(() => {});
  }
}

/** PostgreSQL as a source: a cursor in a transaction that may change nothing. */
export const openSqlClient: OpenSql = async (url, { timeoutMs, signal }) => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: timeoutMs, application_name: 'serin source', keepAlive: true });
  // A connection that the server ends fails its query; without a listener it would end this process.
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    if (isConnectionLoss(error) || /timeout/i.test(wordsOf(error))) throw new PassingFault(`the database does not answer (${wordsOf(error)})`, error);
    throw sourceFault(`the database refused: ${wordsOf(error)}`, undefined, 'Check the address, the name and the password in the secret');
  }
  if (signal?.aborted === true) {
    await client.end();
    throw new SerinError('CANCELLED', { cause: signal.reason });
  }
  return {
    read: (query) => readRows(client, url, query),
    close: () => client.end().catch(() => {}),
  } satisfies SqlClient;
};

async function* readRows(client: Client, url: string, { text, values, rowsAtOnce, timeoutMs, signal }: SqlQuery): AsyncGenerator<SqlRows> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  const cancel = (): void => void cancelQuery(url, client);
  stop.addEventListener('abort', cancel, { once: true });
  const limitMs = Math.max(1, Math.round(timeoutMs));
  try {
    await run(client, 'begin transaction read only');
    await run(client, `set local statement_timeout = ${limitMs}`);
    for (const setting of ["timezone = 'UTC'", "datestyle = 'ISO'", "intervalstyle = 'iso_8601'", 'extra_float_digits = 1'])
      await run(client, `set local ${setting}`);
    await run(client, `declare serin_source no scroll cursor without hold for ${text.replace(/;\s*$/, '')}`, values);
    for (;;) {
      if (stop.aborted) throw new Error('stopped');
      const { fields, rows } = await run(client, `fetch forward ${rowsAtOnce} from serin_source`);
      yield { names: fields.map(({ name }) => name), rows };
      if (rows.length < rowsAtOnce) break;
    }
    await run(client, 'rollback');
  } catch (error) {
    if (signal?.aborted === true) throw new SerinError('CANCELLED', { cause: signal.reason });
    if (deadline.aborted || (error as { code?: unknown }).code === '57014') throw sourceFault(`the query took longer than ${timeoutMs} ms`);
    if (error instanceof SerinError) throw error;
    throw sourceFault(`the database says: ${wordsOf(error)}`, undefined, 'The query must be one SELECT that reads only');
  } finally {
    stop.removeEventListener('abort', cancel);
  }
}
