import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { eq, sql } from 'drizzle-orm';
import { expect, onTestFinished, test } from 'vitest';
import { createLog } from '../log.ts';
import { openStore } from './open.ts';
import { meta } from './schema.ts';
import { selectRows } from './store.ts';
import { openTestStore } from './testing.ts';

const canTrace = spawnSync('strace', ['-V']).status === 0;
const runModule = ['--input-type=module', '-e'];
const compiled = (name: string): string => JSON.stringify(new URL(`../../dist/${name}`, import.meta.url).href);

/** Opens the store of a folder in a process of its own, compiled, and commits one row after the other, saying each number once it is committed. */
const committer = (dataDir: string, commits: number): string => `
  import { openStore } from ${compiled('store/open.js')};
  import { meta } from ${compiled('store/schema.js')};
  import { createLog } from ${compiled('log.js')};
  import { writeSync } from 'node:fs';
  const store = await openStore({ dataDir: ${JSON.stringify(dataDir)}, log: createLog('silent') });
  writeSync(1, 'ready\\n');
  for (let index = 0; index < ${commits}; index++) {
    await store.transaction((tx) => tx.insert(meta).values({ key: process.pid + '-' + index, value: 'x'.repeat(500) }));
    writeSync(1, process.pid + '-' + index + '\\n');
  }
  await store.close();
  process.exit(0);`;

test.skipIf(!canTrace)('every commit is one real sync of the disk', async () => {
  const store = await openTestStore();
  onTestFinished(() => store.close());
  await store.detach();
  const commits = 50;
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-trace-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const child = spawn(
    'strace',
    ['-ff', '-e', 'trace=fdatasync,write', '-o', path.join(folder, 'trace'), process.execPath, ...runModule, committer(store.dataDir, commits)],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await once(child, 'exit');
  const traces = await Promise.all((await readdir(folder)).map((name) => readFile(path.join(folder, name), 'utf8')));
  const committing = traces.find((text) => text.includes('write(1, "ready')) ?? '';
  const [, ...said] = committing.split(/write\(1, "/);
  expect(said.length).toBe(commits + 1);
  for (const piece of said.slice(0, commits)) expect(piece).toContain('fdatasync');
});

test('what was told to be committed is there after the process is killed at any moment', async () => {
  const store = await openTestStore();
  onTestFinished(() => store.close());
  await store.detach();
  const kills = 5;
  for (let round = 0; round < kills; round++) {
    const child = spawn(process.execPath, [...runModule, committer(store.dataDir, 1_000_000)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const told: string[] = [];
    const wanted = 3 + round * 17;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== 'ready') told.push(line);
      if (told.length === wanted) child.kill('SIGKILL');
    }
    const again = await openStore({ dataDir: store.dataDir, log: createLog('silent') });
    const rows = await again.db
      .select({ key: meta.key })
      .from(meta)
      .where(sql`${meta.key} like ${`${child.pid}-%`}`);
    const kept = new Set(rows.map(({ key }) => key));
    await again.close();
    expect(told.length).toBeGreaterThanOrEqual(wanted);
    expect(told.filter((key) => !kept.has(key))).toEqual([]);
  }
});

test('data of a newer version is refused and left alone', async () => {
  const store = await openTestStore();
  onTestFinished(() => store.close());
  await selectRows(store.db, sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of-the-future', 9999999999999)`);
  await store.db.insert(meta).values({ key: 'kept', value: 'yes' });
  await store.detach();
  await expect(openStore({ dataDir: store.dataDir, log: createLog('silent') })).rejects.toMatchObject({ code: 'DATA_NEWER' });
});

test('a database that was made halfway is made again', async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'serin-store-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const child = spawn(process.execPath, [...runModule, committer(dataDir, 1)], { stdio: 'ignore' });
  const seen = await new Promise<boolean>((resolve) => {
    const look = setInterval(async () => {
      const names = await readdir(dataDir).catch((): string[] => []);
      const isUnfinished = names.some((name) => name.startsWith('database.unfinished-'));
      if (!isUnfinished && !names.includes('database')) return;
      clearInterval(look);
      resolve(isUnfinished);
    }, 2);
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(seen).toBe(true);
  const store = await openStore({ dataDir, log: createLog('silent') });
  await store.db.insert(meta).values({ key: 'works', value: 'yes' });
  expect(await store.db.select().from(meta).where(eq(meta.key, 'works'))).toHaveLength(1);
  expect((await readdir(dataDir)).filter((name) => name.includes('unfinished'))).toEqual([]);
  await store.close();
});
