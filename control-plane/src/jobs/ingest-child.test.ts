import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runIngestJob } from './ingest-child.ts';
import { readIngestResult, type IngestRequest, type IngestResult } from './ingest-folder.ts';

const now = 2_000_000_000_000;

/** Reads of one landing folder, each held against the one before as a server does it. */
async function landing(mode: IngestRequest['mode'], spec: IngestRequest['spec'] = { kind: 'table', label: 'y' }) {
  const root = await mkdtemp(path.join(tmpdir(), 'serin-ingest-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const inbox = path.join(root, 'in');
  await mkdir(inbox);
  let [reads, cursor] = [0, null as unknown];
  let reference: IngestRequest['reference'] = null;
  return {
    async put(name: string, content: string) {
      await writeFile(path.join(inbox, name), content);
      reads += 1;
      await utimes(path.join(inbox, name), reads, reads);
    },
    take: (name: string) => rm(path.join(inbox, name)),
    async read(accept = false): Promise<IngestResult> {
      reads += 1;
      const folder = path.join(root, `job-${reads}`);
      await mkdir(folder);
      const source = {
        settings: { kind: 'folder' as const, path: inbox },
        cursor,
        folders: [inbox],
        privateUrls: false,
        stallMs: 30_000,
        bytesMax: 2 ** 30,
        accept,
      };
      const request: IngestRequest = { kind: 'ingest', spec, mode, files: [], source, reference, known: [], now };
      await runIngestJob(folder, request, { progress: () => {} } as never, new AbortController().signal);
      const result = await readIngestResult(folder);
      if (result === undefined) throw new Error('no result');
      if (result.nothing?.ok !== false) cursor = JSON.parse(JSON.stringify(result.cursor));
      if (result.nothing === null) {
        const [schema, profile] = [path.join(folder, 'schema.json'), path.join(folder, 'profile.bin')];
        reference = { version: (reference?.version ?? 0) + 1, schema, profile };
      }
      return result;
    },
  };
}

const rows = (count: number, from = 0): string =>
  `x,y\n${Array.from({ length: count }, (_, at) => `${(at + from) % 17},${at % 2 === 0 ? 'no' : 'yes'}\n`).join('')}`;

test('a landing folder whose files are taken away, or come without records, has nothing new', async () => {
  const folder = await landing('append');
  expect(await folder.read()).toMatchObject({ nothing: { ok: false, words: expect.stringContaining('no files') as string } });
  await folder.put('monday.csv', rows(200));
  expect(await folder.read()).toMatchObject({ nothing: null, entries: [{ path: 'monday.csv', rows: 200 }], errors: 0 });
  await folder.take('monday.csv');
  expect(await folder.read()).toMatchObject({ nothing: { ok: true } });
  await folder.put('tuesday.csv', 'x,y\n');
  expect(await folder.read()).toMatchObject({ nothing: { ok: true, words: 'nothing new: what it brought has no record' } });
  await folder.put('wednesday.csv', rows(150, 3));
  expect(await folder.read()).toMatchObject({ nothing: null, entries: [{ path: 'wednesday.csv', rows: 150 }] });
});

test('a source of all there is that shrank is held back, until a person says that it is as it should be', async () => {
  const folder = await landing('replace');
  await folder.put('all.csv', rows(400));
  expect(await folder.read()).toMatchObject({ nothing: null });
  await folder.put('all.csv', rows(60));
  expect(await folder.read()).toMatchObject({ nothing: { ok: false, words: expect.stringContaining('at least 50 %') as string } });
  const accepted = await folder.read(true);
  expect(accepted).toMatchObject({ nothing: null, errors: 0, entries: [{ path: 'all.csv', rows: 60 }] });
  // It stays in the record.
  expect(accepted.anomalies.map(({ kind, severity }) => `${kind} ${severity}`)).toContain('shrunk warning');
  await folder.take('all.csv');
  expect(await folder.read()).toMatchObject({ nothing: { ok: false } });
  expect(await folder.read(true)).toMatchObject({ nothing: { ok: true } });
});

test('a file that comes again with more in it is held against what is there: its ids are known', async () => {
  const folder = await landing('append', { kind: 'table', label: 'y', id: 'id' });
  const named = (count: number): string => `id,x,y\n${Array.from({ length: count }, (_, at) => `${at},${at % 17},${at % 2 === 0 ? 'no' : 'yes'}\n`).join('')}`;
  await folder.put('all.csv', named(200));
  expect(await folder.read()).toMatchObject({ nothing: null, errors: 0 });
  await folder.put('all.csv', named(230));
  const { errors, anomalies } = await folder.read();
  expect(errors).toBe(1);
  expect(anomalies[0]).toMatchObject({
    kind: 'id-duplicate',
    column: 'id',
    file: 'all.csv',
    count: 200,
    words: expect.stringContaining('has already') as string,
  });
  expect(anomalies[0]?.rows.slice(0, 3)).toEqual([2, 3, 4]);
});
