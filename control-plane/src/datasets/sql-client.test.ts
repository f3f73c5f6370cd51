import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { noProblems } from '@serin/models/data/problems';
import { openRecords } from '@serin/models/data/records/open';
import { readSource } from '@serin/models/sources/read-source';
import type { ReadSourceOptions, SourceCursor } from '@serin/models/sources/source';
import { sourceContract } from '@serin/models/sources/testing/contract';
import { testPostgresUrl } from '../store/testing.ts';
import { openSqlClient } from './sql-client.ts';

const server = testPostgresUrl ?? '';

async function administer(url: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

const name = `serin_source_${randomBytes(6).toString('hex')}`;
const urlOf = (database: string): string => {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
};

describe.skipIf(testPostgresUrl === undefined)('PostgreSQL as a source', () => {
  let root: string;
  const url = testPostgresUrl === undefined ? '' : urlOf(name);
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'serin-sql-'));
    await administer(server, `create database ${name}`);
    await administer(url, 'create table items (name text primary key, content text, changed timestamptz not null default clock_timestamp())');
  });
  afterAll(async () => {
    await administer(server, `drop database ${name} with (force)`);
    await rm(root, { recursive: true, force: true });
  });
  beforeEach(() => administer(url, 'truncate items'));

  const read = async (query: string, options: Partial<ReadSourceOptions> & { cursorColumn?: string; at?: string } = {}, cursor: SourceCursor = null) => {
    const into = await mkdtemp(path.join(root, 'into-'));
    const { cursorColumn, at = url, ...rest } = options;
    return readSource({ kind: 'sql', urlSecret: 'SERIN_SOURCE_URL', query, ...(cursorColumn === undefined ? {} : { cursorColumn }) }, cursor, {
      into,
      secrets: () => at,
      sql: openSqlClient,
      pause: async () => {},
      ...rest,
    });
  };
  const put = async (item: string, content: string): Promise<void> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('insert into items values ($1, $2) on conflict (name) do update set content = $2, changed = clock_timestamp()', [item, content]);
    await client.end();
  };
  const fixture = (query: string, cursorColumn?: string) => async () => {
    let stalled = false;
    return {
      settings: { kind: 'sql' as const, urlSecret: 'SERIN_SOURCE_URL', query, ...(cursorColumn === undefined ? {} : { cursorColumn }) },
      options: {
        secrets: () => url,
        sql: (async (...given) => {
          const client = await openSqlClient(...given);
          return stalled ? { ...client, read: (asked) => client.read({ ...asked, text: 'select pg_sleep(600)', values: [] }) } : client;
        }) satisfies typeof openSqlClient as typeof openSqlClient,
      },
      put,
      clear: () => administer(url, 'truncate items'),
      stall: () => {
        stalled = true;
      },
      close: () => administer(url, 'truncate items'),
    };
  };
  sourceContract(
    'a query since the last read',
    fixture('select name, content, changed from items where $1::timestamptz is null or changed > $1::timestamptz order by changed', 'changed'),
    {
      items: 'many',
      incremental: true,
    },
  );

  test('a whole query is read again when anything changed, and held back when it shrank', async () => {
    const query = 'select name, content from items order by name;';
    for (let row = 0; row < 10; row += 1) await put(`item ${row}`, 'x');
    const first = await read(query);
    expect(first.files).toMatchObject([{ name: 'rows.jsonl', rows: 10 }]);
    expect(await read(query, {}, first.cursor)).toMatchObject({ files: [], words: 'The same 10 rows as before.' });
    await put('item 3', 'y');
    const second = await read(query, {}, first.cursor);
    expect(second.files).toHaveLength(1);
    await administer(url, "delete from items where name > 'item 3'");
    expect(await read(query, {}, second.cursor)).toMatchObject({ files: [], findings: [{ kind: 'shrunk' }] });
    await administer(url, 'truncate items');
    expect(await read(query, {}, second.cursor)).toMatchObject({ files: [], cursor: second.cursor, findings: [{ kind: 'empty' }] });
  });

  test('cells keep what they are: numbers, truths, times to the microsecond, and whole numbers beyond a double as text', async () => {
    const { files } = await read(`select 1::int2 as a, 2.5::float8 as b, 1234567890123456789::int8 as c, 12.50::numeric as d, true as e, null::text as f,
      '2026-01-02 03:04:05.678901+02'::timestamptz as g, date '2026-01-02' as h, 'ü"\n' as i, array[1,2] as j, 0.1::float4 as k`);
    const problems = noProblems();
    const batches = [];
    for await (const batch of openRecords([files[0]?.file ?? ''], { problems })) batches.push(batch);
    expect(problems.list).toEqual([]);
    const [batch] = batches;
    expect(Object.fromEntries((batch?.names ?? []).map((column, place) => [column, batch?.columns[place]?.[0]]))).toEqual({
      a: 1,
      b: 2.5,
      c: '1234567890123456789',
      d: 12.5,
      e: true,
      f: null,
      g: '2026-01-02 01:04:05.678901+00',
      h: '2026-01-02',
      i: 'ü"\n',
      j: '{1,2}',
      k: 0.1,
    });
  });

  test('many rows come some at a time, within the limits of rows and bytes', async () => {
    const query = 'select i, md5(i::text) as text from generate_series(1, 12345) as i';
    const { files } = await read(query);
    const lines = (await readFile(files[0]?.file ?? '', 'utf8')).trim().split('\n');
    expect([files[0]?.rows, lines.length]).toEqual([12_345, 12_345]);
    await expect(read(query, { limits: { rowsMax: 5000 } })).rejects.toMatchObject({ detail: 'the query has more than 5000 rows' });
    await expect(read(query, { limits: { fileBytesMax: 50_000 } })).rejects.toMatchObject({ detail: expect.stringContaining('50000 bytes') as string });
  });

  test('nothing can be changed by a query, however it is written', async () => {
    await put('kept', 'x');
    const attempts = [
      'delete from items returning *',
      'select 1; delete from items',
      'select 1; commit; delete from items',
      'with gone as (delete from items returning *) select * from gone',
      "select nextval('s')",
      "select set_config('transaction_read_only', 'off', false)",
      'select pg_terminate_backend(0), lo_create(4711)',
    ];
    await administer(url, 'create sequence if not exists s');
    for (const query of attempts) await read(query).catch((error: unknown) => expect(error).toMatchObject({ code: 'SOURCE_FAILED' }));
    await expect(read(attempts[1] ?? '')).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
    expect((await read('select name from items')).files[0]?.rows).toBe(1);
    expect((await read('select is_called from s where is_called')).findings[0]?.kind).toBe('empty');
  });

  test('a query that takes too long ends at the server as well, and so does one that is cancelled', async () => {
    const running = async (): Promise<number> => {
      const { files } = await read(
        "select count(*) as n from pg_stat_activity where query like '%pg_sleep(600)%' and query not like '%pg_stat_activity%' and state = 'active'",
      );
      return (JSON.parse(await readFile(files[0]?.file ?? '', 'utf8')) as { n: number }).n;
    };
    await expect(read('select pg_sleep(600)', { limits: { requestMs: 150 } })).rejects.toMatchObject({ detail: 'the query took longer than 150 ms' });
    expect(await running()).toBe(0);
    const controller = new AbortController();
    const reading = read('select pg_sleep(600)', { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await running()).toBe(0);
  });

  test('a wrong password, an unknown server and a wrong query are told without the secret', async () => {
    const wrong = new URL(url);
    wrong.username = 'nobody';
    wrong.password = 'geheim wort';
    const unreachable = 'postgres://u:geheim@127.0.0.1:1/x';
    for (const [query, at] of [
      ['select 1 as a', wrong.href],
      ['select 1 as a', unreachable],
      ['select geheim from nowhere', url],
      ['select 1 as a, 2 as a', url],
      ['select 1 as a where $1 = 2', url],
    ] as const) {
      const error = (await read(query, { at, limits: { attemptsMax: 2 } }).catch((thrown: unknown) => thrown)) as Error & { cause?: Error };
      expect(error).toMatchObject({ code: 'SOURCE_FAILED' });
      expect(`${error.message} ${error.cause?.message ?? ''}`).not.toMatch(/geheim wort|geheim%20wort|u:geheim/);
    }
    await expect(read('select 1 as a', { cursorColumn: 'b' })).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
    expect((await readdir(root, { recursive: true })).filter((file) => file.includes('.part-'))).toEqual([]);
  });
});
