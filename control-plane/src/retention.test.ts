import { sql } from 'drizzle-orm';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createLog } from './log.ts';
import { createRetention, type RetentionLimits } from './retention.ts';
import { recordAudit } from './audit.ts';
import { insertRun } from './runs/record.ts';
import { audit, runs, samples, versions, windows } from './store/schema.ts';
import { testEnvironment } from './runs/testing.ts';
import { selectRows, type Store } from './store/store.ts';
import { openTestStore } from './store/testing.ts';

const dayMs = 24 * 3_600_000;
const now = 100 * dayMs;
const generous: RetentionLimits = {
  windowDays: 1000,
  windowRows: 1_000_000,
  sampleDays: 1000,
  sampleRows: 1_000_000,
  jobDays: 1000,
  runDays: 1000,
  runRows: 1_000_000,
};
let store: Store;

beforeEach(async () => {
  store = await openTestStore();
  onTestFinished(() => store.close());
  const ages = Array.from({ length: 20 }, (_, index) => now - index * dayMs);
  const common = { device: 'cam-1', boot: 'b', model: 'picker', version: 1 };
  await store.db
    .insert(windows)
    .values(ages.map((at, seq) => ({ ...common, seq, fromAt: at, toAt: at, receivedAt: at, run: 1, bad: 0, judged: 0, wrong: 0, body: new Uint8Array(1) })));
  await store.db.insert(samples).values(
    ages.toReversed().map((at, seq) => ({
      ...common,
      seq,
      takenAt: at,
      height: 1,
      width: 1,
      channels: 1,
      predicted: { label: 0, confidence: 1 },
      pixels: new Uint8Array(1),
    })),
  );
  await store.transaction((tx) => recordAudit(tx, { at: 0, actor: 'a', action: 'b', subject: 'c', words: 'd' }));
});

async function prune(limits: Partial<RetentionLimits>): Promise<{ windows: number[]; samples: number[] }> {
  const retention = createRetention({ store, clock: () => now, log: createLog('silent'), limits: { ...generous, ...limits }, batchRows: 4 });
  while (await retention.prune());
  const age = (at: number): number => (now - at) / dayMs;
  const youngest = (ages: number[]): number[] => ages.sort((a, b) => a - b);
  return {
    windows: youngest((await store.db.select().from(windows)).map(({ receivedAt }) => age(receivedAt))),
    samples: youngest((await store.db.select().from(samples)).map(({ takenAt }) => age(takenAt))),
  };
}

test('nothing goes before its time', async () => {
  const kept = await prune({});
  expect([kept.windows.length, kept.samples.length]).toEqual([20, 20]);
});

test('what is older than its days goes, in batches', async () => {
  expect(await prune({ windowDays: 5, sampleDays: 2 })).toEqual({ windows: [0, 1, 2, 3, 4, 5], samples: [0, 1, 2] });
});

test('of too many rows the oldest go', async () => {
  expect(await prune({ windowRows: 3, sampleRows: 2 })).toEqual({ windows: [0, 1, 2], samples: [0, 1] });
});

test('frames that replace others take the room of those', async () => {
  const retention = createRetention({ store, clock: () => now, log: createLog('silent'), limits: { ...generous, sampleDays: 0 } });
  const sizes: number[] = [];
  for (let round = 0; round < 4; round++) {
    await retention.prune();
    const frame = { device: 'cam-1', boot: `b${round}`, model: 'picker', version: 1, takenAt: now - dayMs, height: 1, width: 40_000, channels: 1 };
    const pixels = Uint8Array.from({ length: 40_000 }, (_, at) => Math.imul(at + round, 2_654_435_761) >>> 24);
    await store.db.insert(samples).values(Array.from({ length: 50 }, (_, seq) => ({ ...frame, seq, predicted: { label: 0, confidence: 1 }, pixels })));
    const [size] = await selectRows<{ bytes: string }>(store.db, sql`select pg_total_relation_size('samples') as bytes`);
    sizes.push(Number(size?.bytes));
  }
  expect(sizes[3]).toBeLessThan(1.5 * sizes[0]!);
});

test('the audit stays', async () => {
  await prune({ windowDays: 1, sampleDays: 1, jobDays: 1 });
  expect(await store.db.$count(audit)).toBe(1);
});

test('runs go after their time or beyond their number, but never one that goes on nor one whose version exists', async () => {
  const code = { revision: null, digest: null };
  const add = (id: string, days: number, change: object) =>
    insertRun(store.db, {
      id,
      model: 'churn',
      pipeline: 'churn',
      createdBy: 'ada',
      createdAt: now - days * dayMs,
      seed: 1,
      code,
      environment: testEnvironment,
    }).then(() =>
      store.db
        .update(runs)
        .set(change)
        .where(sql`id = ${id}`),
    );
  await add('old', 30, { status: 'FAILED' });
  await add('of a version', 40, { status: 'SUCCEEDED', version: 1 });
  await add('going on', 50, { status: 'RUNNING' });
  await add('of a version that is gone', 25, { status: 'SUCCEEDED', version: 2 });
  await add('new', 1, { status: 'FAILED' });
  await add('newest', 0, { status: 'FAILED' });
  await store.db.insert(versions).values({
    model: 'churn',
    version: 1,
    manifest: 'm',
    manifestBytes: 1,
    bundleBytes: 1,
    document: { payload: '', signatures: [] } as never,
    createdAt: 0,
    createdBy: 'ada',
    origin: 'trained',
    metrics: {},
    signedBy: 'key',
  });
  const left = async () => (await store.db.select({ id: runs.id }).from(runs)).map(({ id }) => id).sort();
  await prune({ runDays: 20 });
  expect(await left()).toEqual(['going on', 'new', 'newest', 'of a version']);
  await prune({ runRows: 1 });
  expect(await left()).toEqual(['going on', 'newest', 'of a version']);
});
