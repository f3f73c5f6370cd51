import { createHash } from 'node:crypto';
import { asc, desc, gt, sql } from 'drizzle-orm';
import { audit } from './store/schema.ts';
import type { Db } from './store/store.ts';

export interface AuditEvent {
  at: number;
  actor: string;
  action: string;
  subject: string;
  /** What happened, in one sentence. */
  words: string;
}

const genesis = '0'.repeat(64);
/** Held until the transaction ends, so that rows are chained in the order of their ids. */
const chainLock = 7_303_219;
const pageRows = 1000;

function hashOf(previous: string, { at, actor, action, subject, words }: AuditEvent): string {
  return createHash('sha256')
    .update(JSON.stringify([previous, at, actor, action, subject, words]))
    .digest('hex');
}

/** Written in the transaction of what it tells about: the two are there together or not at all. */
export async function recordAudit(tx: Db, event: AuditEvent): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${chainLock})`);
  const [last] = await tx.select({ hash: audit.hash }).from(audit).orderBy(desc(audit.id)).limit(1);
  const previous = last?.hash ?? genesis;
  await tx.insert(audit).values({ ...event, previous, hash: hashOf(previous, event) });
}

export interface AuditCheck {
  rows: number;
  /** The first row that does not follow from the one before it; undefined where all do. */
  brokenAt?: number;
}

/** Reads the whole chain: a changed, removed or inserted row shows. A cut-off end shows by the head that was noted elsewhere. */
export async function verifyAudit(db: Db): Promise<AuditCheck> {
  let previous = genesis;
  let rows = 0;
  for (let after = 0; ;) {
    const page = await db.select().from(audit).where(gt(audit.id, after)).orderBy(asc(audit.id)).limit(pageRows);
    for (const row of page) {
      if (row.previous !== previous || row.hash !== hashOf(previous, row)) return { rows, brokenAt: row.id };
      previous = row.hash;
      after = row.id;
      rows++;
    }
    if (page.length < pageRows) return { rows };
  }
}
