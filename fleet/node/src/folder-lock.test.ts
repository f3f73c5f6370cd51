import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockFolder } from './folder-lock.ts';

async function emptyFolder(name = 'data'): Promise<string> {
  const parent = await mkdtemp(path.join(tmpdir(), 'serin-lock-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const folder = path.join(parent, name);
  await mkdir(folder);
  return folder;
}

/** Another process that tries to lock, says how it went and then stays. */
async function contend(folder: string): Promise<{ child: ChildProcess; words: string }> {
  const program = `import { lockFolder } from ${JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href)};
    try { await lockFolder(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000); }
    catch (error) { console.log(error.code + ' ' + error.hint); }`;
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [words] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  return { child, words: words.toString().trim() };
}

test('the folder is free again after its holder lets go', async () => {
  const folder = await emptyFolder();
  await (await lockFolder(folder)).release();
  const again = await lockFolder(folder);
  await again.release();
  expect((await readdir(folder)).filter((name) => name.startsWith('lock-')).length).toBe(1);
});

test('a second process is refused and told who holds it, and gets it the moment the holder is killed', async () => {
  const folder = await emptyFolder();
  const holder = await contend(folder);
  expect(holder.words).toBe('locked');
  const error = await lockFolder(folder).then(undefined, (thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'DATA_LOCKED', hint: expect.stringContaining(`id ${holder.child.pid},`) });
  holder.child.kill('SIGKILL');
  await once(holder.child, 'exit');
  const lock = await lockFolder(folder);
  const refused = await contend(folder);
  expect(refused.words).toContain(`DATA_LOCKED Stop the process with id ${process.pid}`);
  await lock.release();
});

test("of many that want a dead holder's folder at once, one gets it", async () => {
  const folder = await emptyFolder();
  const dead = await contend(folder);
  dead.child.kill('SIGKILL');
  await once(dead.child, 'exit');
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  const held = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  expect(held.length).toBe(1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'DATA_LOCKED' });
  await held[0]?.release();
});

test.skipIf(process.platform !== 'linux')('a path longer than a socket address may be is no obstacle', async () => {
  const folder = await emptyFolder('d'.repeat(150));
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'DATA_LOCKED' });
  await lock.release();
  await (await lockFolder(folder)).release();
});
