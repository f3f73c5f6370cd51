import { execFileSync } from 'node:child_process';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { spoolContract } from '@serin/device/testing/contracts';
import { telemetryWindow } from '@serin/protocol/messages/telemetry';
import { seededRandom } from '@serin/inference/random';
import { arbitraryOf } from '@serin/protocol/testing/schema-arbitrary';
import { moduleUrl, runModule } from '../testing/child.ts';
import { emptyFolder } from '../testing/folder.ts';
import { makeWindow } from '@serin/device/testing/windows';
import { frameRecord } from './records.ts';
import { openSpool, type DiskSpool } from './spool.ts';

const megabyte = 1024 * 1024;
const idsOf = async (spool: DiskSpool): Promise<string[]> => (await spool.peek(10_000)).map(({ boot, seq }) => `${boot}/${seq}`);
const spoolFiles = async (folder: string): Promise<string[]> => (await readdir(folder)).filter((name) => name.endsWith('.spool')).sort();

async function open(folder: string, bytesMax = megabyte): Promise<DiskSpool> {
  const spool = await openSpool({ folder, bytesMax });
  onTestFinished(() => spool.close());
  return spool;
}

spoolContract(async (limits?: { bytesMax: number }) => open(await emptyFolder(), limits?.bytesMax ?? 300 * 1024));

test('a window comes back as it went in, also after the program was started again', async () => {
  const folder = await emptyFolder();
  const windows = fc.sample(arbitraryOf(telemetryWindow), { numRuns: 60, seed: 4 }).map((window, seq) => ({ ...window, seq }));
  const spool = await open(folder, 64 * megabyte);
  for (const window of windows) await spool.append(window);
  const plain = JSON.parse(JSON.stringify(windows)) as unknown;
  expect(await spool.peek(100)).toEqual(plain);
  await spool.close();
  const again = await open(folder, 64 * megabyte);
  expect(await again.peek(100)).toEqual(plain);
  expect(again.dropped()).toBe(0);
});

test('whatever is done to it, and however often it is opened anew, exactly the unacknowledged windows wait, oldest first', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('append' as const), size: fc.nat(3000) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), from: fc.nat(20), count: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const folder = await emptyFolder();
      let spool = await open(folder);
      let waiting: number[] = [];
      let seq = 0;
      for (const done of steps) {
        if (done.kind === 'append') {
          await spool.append(makeWindow('b', seq, done.size));
          waiting.push(seq++);
        } else if (done.kind === 'acknowledge') {
          const those = waiting.slice(done.from, done.from + done.count);
          await spool.acknowledge(those.map((each) => ['b', each] as const));
          waiting = waiting.filter((each) => !those.includes(each));
        } else {
          await spool.close();
          spool = await open(folder);
          // Acknowledgements of a segment with others still waiting may be forgotten: sent twice, never lost.
          const found = (await spool.peek(1000)).map((window) => window.seq);
          expect(found.filter((each) => waiting.includes(each))).toEqual(waiting);
          await spool.acknowledge(found.filter((each) => !waiting.includes(each)).map((each) => ['b', each] as const));
        }
        expect((await spool.peek(1000)).map((window) => window.seq)).toEqual(waiting);
        expect(spool.waiting()).toBe(waiting.length);
      }
      expect(spool.dropped()).toBe(0);
      await spool.close();
    }),
    { numRuns: 25 },
  );
});

test('past its limit the oldest windows go first, and every one is counted, across starts too', async () => {
  const folder = await emptyFolder();
  const bytesMax = 200 * 1024;
  let spool = await open(folder, bytesMax);
  for (let seq = 0; seq < 500; seq++) await spool.append(makeWindow('b', seq, 500));
  expect(spool.dropped()).toBeGreaterThan(0);
  expect(spool.dropped() + spool.waiting()).toBe(500);
  expect((await spool.peek(1))[0]?.seq).toBe(spool.dropped());
  const sizes = await Promise.all((await spoolFiles(folder)).map(async (name) => (await readFile(path.join(folder, name))).length));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(bytesMax);
  const before = spool.dropped();
  await spool.close();
  spool = await open(folder, bytesMax);
  expect(spool.dropped()).toBe(before);
  expect(spool.waiting()).toBe(500 - before);
});

test('a segment counted as dropped is not counted again when the power went before it was deleted', async () => {
  const folder = await emptyFolder();
  const bytesMax = 64 * 1024;
  let spool = await open(folder, bytesMax);
  await spool.append(makeWindow('b', 0, 500));
  const [oldest = ''] = await spoolFiles(folder);
  for (let seq = 1; spool.dropped() === 0; seq++) await spool.append(makeWindow('b', seq, 500));
  const before = [spool.dropped(), spool.waiting()];
  await spool.close();
  // As if it had not been deleted: the windows in it are the ones that were counted.
  await writeFile(path.join(folder, oldest), frameRecord(Buffer.from(JSON.stringify(makeWindow('b', 0)))));
  spool = await open(folder, bytesMax);
  expect([spool.dropped(), spool.waiting()]).toEqual(before);
  expect(await spoolFiles(folder)).not.toContain(oldest);
});

test('wherever a file was cut off or changed, what was whole before that place is still sent, and nothing false is', async () => {
  const source = await emptyFolder();
  const spool = await open(source);
  for (let seq = 0; seq < 12; seq++) await spool.append(makeWindow('b', seq));
  await spool.close();
  const [name = ''] = await spoolFiles(source);
  const intact = await readFile(path.join(source, name));
  const originals = Array.from({ length: 12 }, (_, seq) => makeWindow('b', seq));
  const recordBytes = Math.ceil(intact.length / 12);
  await fc.assert(
    fc.asyncProperty(fc.nat(intact.length - 1), fc.boolean(), fc.integer({ min: 1, max: 255 }), async (at, cuts, change) => {
      const folder = await emptyFolder();
      const file = path.join(folder, name);
      const damaged = Buffer.from(intact);
      damaged[at] = (damaged[at] ?? 0) ^ change;
      await writeFile(file, damaged);
      if (cuts) await truncate(file, at);
      const opened = await open(folder);
      const found = await opened.peek(100);
      for (const window of found) expect(originals).toContainEqual(window);
      expect(found.length).toBeGreaterThanOrEqual(Math.floor(at / recordBytes) - 1);
      await opened.append(makeWindow('after', 0));
      expect((await idsOf(opened)).at(-1)).toBe('after/0');
      await opened.close();
    }),
    { numRuns: 60 },
  );
});

test('no window that was durable is missing after kill -9 at any moment, and none that was acknowledged costs one that was not', async () => {
  const folder = await emptyFolder();
  const random = seededRandom(11);
  const program = `import { writeSync } from 'node:fs';
    import { openSpool } from ${moduleUrl('./spool.ts', import.meta.url)};
    import { makeWindow } from '@serin/device/testing/windows';
    const [folder, boot] = process.argv.slice(-2);
    const spool = await openSpool({ folder, bytesMax: ${64 * megabyte} });
    for (let seq = 0; ; seq++) {
      await spool.append(makeWindow(boot, seq, seq % 700));
      writeSync(1, 'kept ' + boot + '/' + seq + '\\n');
      if (seq % 5 === 4) { writeSync(1, 'acknowledged ' + boot + '/' + (seq - 2) + '\\n'); await spool.acknowledge([[boot, seq - 2]]); }
    }`;
  const kept = new Set<string>();
  for (let round = 0; round < 5; round++) {
    const writer = runModule(program, [folder, `b${round}`]);
    const enough = 1 + random.integer(120);
    while (writer.lines.length < enough) await writer.line();
    await writer.kill();
    for (const line of writer.lines) {
      const [verb, id = ''] = line.split(' ');
      if (verb === 'kept') kept.add(id);
      else kept.delete(id);
    }
    const spool = await openSpool({ folder, bytesMax: 64 * megabyte });
    const found = new Set(await idsOf(spool));
    for (const id of kept) expect(found, `round ${round}`).toContain(id);
    expect(spool.dropped()).toBe(0);
    await spool.close();
  }
}, 60_000);

const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!canMount)('on a full disk the oldest windows make room, each is counted, and the newest is kept', async () => {
  const folder = await emptyFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', folder]);
  try {
    const spool = await openSpool({ folder: path.join(folder, 'spool'), bytesMax: 8 * megabyte });
    for (let seq = 0; seq < 1200; seq++) await spool.append(makeWindow('b', seq, 300));
    expect(spool.dropped()).toBeGreaterThan(0);
    expect(spool.dropped() + spool.waiting()).toBe(1200);
    expect((await spool.peek(2000)).at(-1)?.seq).toBe(1199);
    await spool.close();
  } finally {
    execFileSync('umount', [folder]);
  }
});
