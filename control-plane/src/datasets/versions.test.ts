import { createHash } from 'node:crypto';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { columnSummaries } from '@serin/models/data/quality/column-summary';
import { inferSchema } from '@serin/models/data/quality/infer-schema';
import { profileRecords } from '@serin/models/data/quality/profile';
import { summarise } from '@serin/models/data/quality/summary';
import { digest } from '@serin/protocol/ids';
import { openDiskBlobs } from '../blobs/disk.ts';
import { createChanges } from '../changes.ts';
import { testStores } from '../store/testing.ts';
import { listAudit, viewOverview } from '../views/overview.ts';
import { findDataset, findDatasetVersion, listDatasetVersions } from '../views/data.ts';
import { readManifest, type ReadBatch } from './compose.ts';
import { encodeProfile } from './profile-blob.ts';
import { commitVersion, dropVersion, pushFiles, releaseVersion, type CommittedVersion, type DatasetContext, type NewDatasetVersion } from './versions.ts';

const spec = { kind: 'table', label: 'y' } as const;

/** A batch of one file as its child leaves it. */
async function batchOf(file: string, rows: number): Promise<ReadBatch> {
  const columns = [Array.from({ length: rows }, (_, row) => String(row % 7)), Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? 'yes' : 'no'))];
  async function* records() {
    yield { file, names: ['x', 'y'], columns, rows, numbers: Int32Array.from({ length: rows }, (_, row) => row + 2) };
  }
  const state = await profileRecords(records());
  const profile = summarise(state, { label: 'y' });
  const schema = inferSchema(profile, { spec });
  return {
    spec,
    entries: [{ path: file, sha256: digest.parse(createHash('sha256').update(`${file} ${rows}`).digest('hex')), bytes: rows * 4, rows }],
    splits: { train: rows - 2, validation: 1, test: 1 },
    labels: [{ label: 'no', count: rows }],
    columns: columnSummaries(profile, schema),
    schema: JSON.stringify(schema),
    profile: encodeProfile(state),
  };
}

const sound: NewDatasetVersion['anomalies'] = { errors: 0, warnings: 0, anomalies: [], anomaliesBeyond: 0 };
const spoilt: NewDatasetVersion['anomalies'] = {
  errors: 1,
  warnings: 0,
  anomaliesBeyond: 0,
  anomalies: [{ kind: 'wrong-type', severity: 'error', column: 'x\0', file: 'b.csv', rows: [2], count: 1, words: 'half a pair: \uD800' }],
};

describe.each(testStores)('versions of datasets on %s', (_, openStore) => {
  async function opened() {
    const store = await openStore();
    onTestFinished(() => store.close());
    let now = 1000;
    const context: DatasetContext = { store, blobs: await openDiskBlobs(path.join(store.dataDir, 'blobs')), changes: createChanges(), clock: () => now++ };
    const commit = async (batch: ReadBatch, change: Partial<NewDatasetVersion> = {}) => {
      let made: CommittedVersion | { same: number } | undefined;
      const order = { name: 'churn', batch, mode: 'append', anomalies: sound, source: null, note: '', createdBy: 'ada', ...change } as const;
      await commitVersion(context, order, async (_tx, result) => void (made = result));
      return made;
    };
    const rows = async () =>
      (await listDatasetVersions(store.db, 'churn', 100)).map(({ version, status, rows: records, parent, files }) => [version, status, records, parent, files]);
    return { store, context, commit, rows };
  }

  test('what is added to a version makes the next one: counts and columns of both', async () => {
    const { store, commit } = await opened();
    expect(await commit(await batchOf('a.csv', 50))).toEqual({ version: 1, status: 'READY' });
    expect(await commit(await batchOf('b.csv', 30))).toEqual({ version: 2, status: 'READY' });
    const row = await findDatasetVersion(store.db, 'churn', 2);
    expect(row).toMatchObject({ parent: 1, rows: 80, files: 2, splits: { train: 76, validation: 2, test: 2 }, labels: [{ label: 'no', count: 80 }] });
    expect(row?.detail.columns.map(({ name, count }) => [name, count])).toEqual([
      ['x', 80],
      ['y', 80],
    ]);
    expect(await findDataset(store.db, 'churn')).toMatchObject({ latest: 2, rows: 80, versions: 2, quarantined: 0 });
  });

  test('the same data again makes no version, and a file under a name that is taken replaces nothing', async () => {
    const { store, context, commit, rows } = await opened();
    await commit(await batchOf('a.csv', 50));
    expect(await commit(await batchOf('a.csv', 50), { mode: 'replace' })).toEqual({ same: 1 });
    await commit(await batchOf('a.csv', 20));
    expect(await rows()).toEqual([
      [2, 'READY', 70, 1, 2],
      [1, 'READY', 50, null, 1],
    ]);
    const manifest = await readManifest(context.blobs, (await findDatasetVersion(store.db, 'churn', 2))?.manifest ?? '');
    expect(manifest.entries.map((entry) => path.posix.basename(entry.path))).toEqual(['a.csv', 'a.csv']);
  });

  test('a batch with errors lies in quarantine, wants a person, and is released on top of what came meanwhile', async () => {
    const { store, context, commit, rows } = await opened();
    await commit(await batchOf('a.csv', 50));
    expect(await commit(await batchOf('b.csv', 30), { anomalies: spoilt })).toEqual({ version: 2, status: 'QUARANTINED' });
    await commit(await batchOf('c.csv', 10));
    expect(await rows()).toEqual([
      [3, 'READY', 60, 1, 2],
      [2, 'QUARANTINED', 30, 1, 1],
      [1, 'READY', 50, null, 1],
    ]);
    expect((await viewOverview(store.db, { windowMs: 1000, now: 0 })).attention).toEqual([expect.objectContaining({ kind: 'dataset', id: 'churn/2' })]);
    await releaseVersion(context, 'churn', 2, 'seen', 'grace');
    expect((await rows())[1]).toEqual([2, 'READY', 90, 3, 3]);
    expect(await findDataset(store.db, 'churn')).toMatchObject({ latest: 2, rows: 90, quarantined: 0 });
    expect((await findDatasetVersion(store.db, 'churn', 2))?.decision).toMatchObject({ by: 'grace', note: 'seen' });
    await expect(releaseVersion(context, 'churn', 2, '', 'grace')).rejects.toMatchObject({ code: 'CONFLICT' });
    await commit(await batchOf('d.csv', 5));
    expect((await rows())[0]).toEqual([4, 'READY', 95, 2, 4]);
  });

  test('a dropped batch is never used, and both decisions are written down', async () => {
    const { store, context, commit } = await opened();
    await commit(await batchOf('a.csv', 50), { anomalies: spoilt });
    await dropVersion(context, 'churn', 1, 'nonsense', 'grace');
    expect(await findDataset(store.db, 'churn')).toMatchObject({ latest: null, rows: 0, quarantined: 0 });
    await expect(releaseVersion(context, 'churn', 1, '', 'grace')).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(dropVersion(context, 'churn', 9, '', 'grace')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await listAudit(store.db, 10)).map(({ action, words }) => [action, words])).toEqual([['dataset.drop', expect.stringContaining('nonsense')]]);
  });

  test('versions that are made at once come one after the other, and none is lost', async () => {
    const { commit, rows } = await opened();
    await commit(await batchOf('first.csv', 10));
    await Promise.all(['a.csv', 'b.csv', 'c.csv'].map(async (file) => commit(await batchOf(file, 10))));
    expect(await rows()).toEqual([
      [4, 'READY', 40, 3, 4],
      [3, 'READY', 30, 2, 3],
      [2, 'READY', 20, 1, 2],
      [1, 'READY', 10, null, 1],
    ]);
  });

  test('a transaction that fails beside leaves no version', async () => {
    const { store, context } = await opened();
    const order = { name: 'churn', batch: await batchOf('a.csv', 10), mode: 'append', anomalies: sound, source: null, note: '', createdBy: 'ada' } as const;
    const lost = new Error('another has the job');
    await expect(commitVersion(context, order, () => Promise.reject(lost))).rejects.toBe(lost);
    expect(await findDataset(store.db, 'churn')).toBeUndefined();
  });

  test('files are asked for before anything is made of them, and paths that lead elsewhere are refused', async () => {
    const { context } = await opened();
    const sha256 = digest.parse('a'.repeat(64));
    const order = { name: 'churn', spec, mode: 'append', note: '' } as const;
    expect(await pushFiles(context, { ...order, files: [{ path: 'a.csv', sha256, bytes: 3 }] }, 'ada')).toEqual({ missing: [sha256] });
    for (const wrong of ['../a.csv', '/etc/passwd', 'a//b', 'C:/x', '']) {
      await expect(pushFiles(context, { ...order, files: [{ path: wrong, sha256, bytes: 3 }] }, 'ada'), wrong).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    }
    const known = await context.blobs.put(Buffer.from('x,y\n1,no\n'));
    await expect(pushFiles(context, { ...order, files: [{ path: 'a.csv', sha256: known, bytes: 3 }] }, 'ada')).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('what is added must be read as what is there', async () => {
    const { context, commit } = await opened();
    await commit(await batchOf('a.csv', 10));
    const push = (change: object, mode: 'append' | 'replace') =>
      pushFiles(context, { name: 'churn', files: [], spec: { ...spec, ...change }, mode, note: '' }, 'ada');
    await expect(push({ label: 'x' }, 'append')).rejects.toMatchObject({ code: 'CONFLICT', detail: expect.stringContaining('the label of churn is y, not x') });
    await expect(push({ kind: 'images' }, 'replace')).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});
