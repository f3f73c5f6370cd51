import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test, onTestFinished } from 'vitest';
import { eq, sql } from 'drizzle-orm';
import { devices, meta, samples } from './schema.ts';
import { selectRows, type Store } from './store.ts';
import { isDuplicate } from './faults.ts';
import { migrationsFolder } from './migrations.ts';
import { testStores } from './testing.ts';

describe.each(testStores)('a store on %s', (_, open) => {
  const opened = async (): Promise<Store> => {
    const store = await open();
    onTestFinished(() => store.close());
    return store;
  };

  test('keeps what a transaction wrote and answers with the same types', async () => {
    const store = await opened();
    const pixels = Uint8Array.from({ length: 300 }, (_unused, index) => index % 256);
    await store.transaction(async (tx) => {
      await tx.insert(samples).values({
        device: 'cam-1',
        boot: 'b',
        seq: 9_007_199_254_740_991,
        model: 'picker',
        version: 1,
        takenAt: 1_800_000_000_000,
        height: 10,
        width: 10,
        channels: 3,
        predicted: { label: 1, confidence: 0.25 },
        pixels,
      });
    });
    const [row] = await store.db.select().from(samples);
    expect(row).toMatchObject({ seq: 9_007_199_254_740_991, takenAt: 1_800_000_000_000, predicted: { label: 1, confidence: 0.25 }, truth: null });
    expect(row?.pixels).toEqual(pixels);
    expect(row?.pixels.constructor).toBe(Uint8Array);
  });

  test('forgets a transaction that fails, and tells the failure itself', async () => {
    const store = await opened();
    const failed = store.transaction(async (tx) => {
      await tx.insert(meta).values({ key: 'a', value: '1' });
      throw new RangeError('stop');
    });
    await expect(failed).rejects.toThrow(new RangeError('stop'));
    expect(await store.db.select().from(meta)).toEqual([]);
  });

  test('goes on after a statement that failed', async () => {
    const store = await opened();
    await store.db.insert(meta).values({ key: 'a', value: '1' });
    const again = store.transaction((tx) => tx.insert(meta).values({ key: 'a', value: '2' }));
    const error = await again.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(isDuplicate(error)).toBe(true);
    await store.ping();
    expect(await store.db.select().from(meta)).toEqual([{ key: 'a', value: '1' }]);
  });

  test('runs transactions that were started together one after the other or side by side, never mixed', async () => {
    const store = await opened();
    await store.db.insert(meta).values({ key: 'sum', value: '0' });
    const addOne = () =>
      store.transaction(async (tx) => {
        const [row] = await tx.select().from(meta).where(eq(meta.key, 'sum')).for('update');
        await tx
          .update(meta)
          .set({ value: String(Number(row?.value) + 1) })
          .where(eq(meta.key, 'sum'));
      });
    await Promise.all(Array.from({ length: 20 }, addOne));
    expect(await store.db.select().from(meta)).toEqual([{ key: 'sum', value: '20' }]);
  });

  test('answers plain SQL with rows, arrays included', async () => {
    const store = await opened();
    const names = ['x', 'y'];
    expect(await selectRows(store.db, sql`select unnest(${sql.param(names)}::text[]) as name`)).toEqual([{ name: 'x' }, { name: 'y' }]);
  });

  test('a savepoint takes back its part alone', async () => {
    const store = await opened();
    await store.transaction(async (tx) => {
      await tx.insert(meta).values({ key: 'kept', value: '1' });
      await tx
        .transaction(async (inner) => {
          await inner.insert(meta).values({ key: 'dropped', value: '1' });
          throw new Error('inner');
        })
        .catch(() => undefined);
    });
    expect(await store.db.select({ key: meta.key }).from(meta)).toEqual([{ key: 'kept' }]);
  });

  test('samples of an older program are read as they were meant', async () => {
    const store = await opened();
    const [before, after] = ['0000_first', '0001_objects'].map((name) =>
      readFileSync(path.join(migrationsFolder, `${name}.sql`), 'utf8').split('--> statement-breakpoint'),
    );
    await store.db.execute(sql`create schema older`);
    onTestFinished(() => store.db.execute(sql`drop schema older cascade`).then(() => undefined));
    await store.transaction(async (tx) => {
      await tx.execute(sql`set local search_path to older`);
      for (const statement of before ?? []) await tx.execute(sql.raw(statement));
      await tx.execute(sql`insert into samples (device, boot, seq, model, version, taken_at, height, width, channels, predicted, confidence, truth, truth_origin, pixels)
        values ('cam-1', 'b', 1, 'picker', 1, 1, 1, 1, 1, 2, 0.5, 3, 'person', ''), ('cam-1', 'b', 2, 'picker', 1, 1, 1, 1, 1, 0, 0.25, null, null, '')`);
      for (const statement of after ?? []) await tx.execute(sql.raw(statement));
      const rows = await tx.select({ predicted: samples.predicted, truth: samples.truth }).from(samples).orderBy(samples.id);
      expect(rows).toEqual([
        { predicted: { label: 2, confidence: 0.5 }, truth: { label: 3, origin: 'person' } },
        { predicted: { label: 0, confidence: 0.25 }, truth: null },
      ]);
    });
  });

  test('has the schema that the program was compiled with', async () => {
    const store = await opened();
    expect(await store.db.select().from(devices)).toEqual([]);
  });
});
