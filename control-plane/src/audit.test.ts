import { eq, sql } from 'drizzle-orm';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { recordAudit, verifyAudit } from './audit.ts';
import { audit } from './store/schema.ts';
import type { Store } from './store/store.ts';
import { testStores } from './store/testing.ts';

let store: Store;

describe.each(testStores)('the audit chain on %s', (_, open) => {
  beforeEach(async () => {
    store = await open();
    onTestFinished(() => store.close());
    // Written together, as routes and services do.
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        store.transaction((tx) => recordAudit(tx, { at: index, actor: 'ann', action: 'device.revoke', subject: `cam-${index}`, words: 'revoked' })),
      ),
    );
  });

  test('an untouched chain holds', async () => {
    expect(await verifyAudit(store.db)).toEqual({ rows: 12 });
  });

  test('a changed row shows', async () => {
    await store.db.update(audit).set({ actor: 'bob' }).where(eq(audit.id, 5));
    expect(await verifyAudit(store.db)).toEqual({ rows: 4, brokenAt: 5 });
  });

  test('a missing row shows', async () => {
    await store.db.delete(audit).where(eq(audit.id, 7));
    expect(await verifyAudit(store.db)).toEqual({ rows: 6, brokenAt: 8 });
  });

  test('rows that changed places show', async () => {
    await store.db.execute(sql`update audit set subject = other.subject from audit other where (audit.id, other.id) in ((3, 4), (4, 3))`);
    expect((await verifyAudit(store.db)).brokenAt).toBeLessThanOrEqual(4);
  });

  test('what a transaction takes back is not in the chain', async () => {
    const failed = store.transaction(async (tx) => {
      await recordAudit(tx, { at: 1, actor: 'ann', action: 'x', subject: 'y', words: 'z' });
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await verifyAudit(store.db)).toEqual({ rows: 12 });
  });
});
