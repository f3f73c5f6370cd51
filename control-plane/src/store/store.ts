import type { SQL } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';

/** The database, whichever it is. Also the type of a transaction. */
export type Db = PgDatabase<PgQueryResultHKT, Record<string, never>>;

export interface Store {
  readonly kind: 'pglite' | 'postgres';
  readonly db: Db;
  /**
   * All or nothing. Inside, use `tx` alone: the embedded database has one connection, so `db` would wait
   * for this very transaction. The work may run again after a conflict, so it keeps its effects in the rows.
   */
  transaction<Result>(work: (tx: Db) => Promise<Result>): Promise<Result>;
  /** Rejects with a code where the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Rows of plain SQL, the same on both databases. */
export async function selectRows<Row>(db: Db, query: SQL): Promise<Row[]> {
  const result = (await db.execute(query)) as unknown as { rows: Row[] };
  return result.rows;
}
