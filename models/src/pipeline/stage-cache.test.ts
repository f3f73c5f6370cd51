import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, test } from 'vitest';

import type { Digest } from '@serin/protocol/ids';

import { openStageCache, sha256Of, type StageCache } from './stage-cache.ts';
import { workshop } from './testing/data.ts';

const key = (name: string): Digest => sha256Of(name);
const bytes = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value);
const outputs = (length: number): ReadonlyMap<string, Uint8Array> => new Map([['model.onnx', bytes(length)]]);

async function opened(
  bytesMax = 1e9,
  at = 1_700_000_000_000,
): Promise<{ folder: string; open: (later?: number) => Promise<StageCache>; entries: () => Promise<string[]> }> {
  const folder = await workshop();
  return {
    folder,
    open: (later = 0) => openStageCache({ folder, bytesMax, now: () => at + later }),
    entries: async () => (await readdir(path.join(folder, 'entries'))).toSorted(),
  };
}

test('what was added is found again, by another process too, with its bytes and its record', async () => {
  const { open } = await opened();
  const first = await open();
  expect(await first.find(key('a'))).toBeUndefined();
  await first.add(key('a'), outputs(100), { words: 'done' });
  await first.close();
  const second = await open();
  const found = await second.find<{ words: string }>(key('a'));
  expect(found?.record).toEqual({ words: 'done' });
  expect(await found?.read('model.onnx')).toEqual(bytes(100));
  await second.close();
});

test('an entry whose bytes have changed, or of which some are missing, is none', async () => {
  const { folder, open } = await opened();
  for (const spoil of [
    (file: string) => writeFile(file, 'something else'),
    (file: string) => rm(file),
    (file: string) => writeFile(path.join(path.dirname(file), 'entry.json'), '{'),
  ]) {
    const first = await open();
    await first.add(key('a'), outputs(100), {});
    await first.close();
    await spoil(path.join(folder, 'entries', key('a'), 'model.onnx'));
    const second = await open();
    expect(await second.find(key('a'))).toBeUndefined();
    await second.drop(key('a'));
    await second.add(key('a'), outputs(100), {});
    expect(await (await second.find(key('a')))?.read('model.onnx')).toEqual(bytes(100));
    await second.drop(key('a'));
    await second.close();
  }
});

test('down to its limit the cache forgets what was used least recently', async () => {
  const { open, entries } = await opened(2500);
  for (const [place, name] of ['a', 'b', 'c'].entries()) {
    const cache = await open(place * 1000);
    await cache.add(key(name), outputs(1000), {});
    if (name === 'c') await cache.find(key('a'));
    await cache.close();
  }
  expect(await entries()).toEqual([key('a'), key('c')].toSorted());
});

test('what a running pipeline uses is not forgotten, and if it were taken away the run would keep its bytes', async () => {
  const { open, entries, folder } = await opened(100);
  const running = await open();
  const held = await running.add(key('a'), outputs(1000), {});
  const other = await open(1000);
  await other.add(key('b'), outputs(1000), {});
  await other.close();
  expect(await entries()).toContain(key('a'));
  await rm(path.join(folder, 'entries', key('a')), { recursive: true });
  expect(await held.read('model.onnx')).toEqual(bytes(1000));
  await running.close();
  expect(await readdir(path.join(folder, 'runs'))).toEqual([]);
});

test('one makes an entry while another waits for it; work that was given up is found again, finished work is cleared away', async () => {
  const { open, folder } = await opened();
  const [one, other] = [await open(), await open()];
  const work = await one.claim(key('a'));
  await mkdir(work.folder, { recursive: true });
  await writeFile(path.join(work.folder, 'half'), 'done');
  let hasIt = false;
  const waiting = other.claim(key('a')).then((claimed) => ((hasIt = true), claimed));
  expect(hasIt).toBe(false);
  await work.release(false);
  const again = await waiting;
  expect(await readdir(again.folder)).toEqual(['half']);
  await again.release(true);
  expect(await readdir(path.join(folder, 'work'))).toEqual([]);
  const stop = new AbortController();
  const held = await one.claim(key('b'));
  const cancelled = other.claim(key('b'), stop.signal);
  stop.abort();
  await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  await held.release(true);
  await one.close();
  await other.close();
});

test('what a killed run left is cleared away once it is old', async () => {
  const { open, folder } = await opened();
  const old = 1_600_000_000;
  for (const place of ['runs/dead', `entries/.${key('x')}.torn`]) {
    await mkdir(path.join(folder, place), { recursive: true });
    await writeFile(path.join(folder, place, 'file'), 'x');
    await utimes(path.join(folder, place), old, old);
  }
  await (await open()).close();
  for (const place of ['runs/dead', `entries/.${key('x')}.torn`]) await expect(stat(path.join(folder, place))).rejects.toMatchObject({ code: 'ENOENT' });
});
