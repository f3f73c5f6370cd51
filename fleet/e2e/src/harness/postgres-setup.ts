import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { postgresBinaries, startPostgres } from './parts.ts';

/** A PostgreSQL for the contract suites of the store, for as long as the tests run; without one they run on the embedded database alone. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.SERIN_TEST_POSTGRES !== undefined || postgresBinaries() === undefined) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), 'serin-postgres-'));
  const postgres = await startPostgres(folder);
  // Workers are forked afterwards and inherit it.
  process.env.SERIN_TEST_POSTGRES = postgres.url;
  return async () => {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
