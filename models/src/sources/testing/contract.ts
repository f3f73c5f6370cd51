import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { seededRandom } from '@serin/inference/random';
import type { SourceSettings } from '@serin/protocol/api/datasets';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { anyAddress } from '../addresses.ts';
import { readSource } from '../read-source.ts';
import type { ReadSourceOptions, SourceCursor, SourceReading } from '../source.ts';

/** A source that a test can write to. */
export interface SourceFixture {
  readonly settings: SourceSettings;
  readonly options?: Partial<ReadSourceOptions>;
  /** Makes an item, or changes the one of that name. */
  put(name: string, content: string): Promise<void>;
  clear(): Promise<void>;
  /** From now on nothing is answered. Left out where nothing can stall. */
  stall?: () => void;
  close(): Promise<void>;
}

export interface ContractOptions {
  /** Items it can have at once. */
  readonly items: 'many' | 'one';
  /** Only what is new is ever seen, so it cannot be seen to shrink. */
  readonly incremental?: boolean;
}

export const contractSecrets: Readonly<Record<string, string>> = { SERIN_SOURCE_ID: 'the-key-id', SERIN_SOURCE_KEY: 'the secret key / 42' };

/** What every kind of source must do, run over each with real parts. */
export function sourceContract(name: string, openFixture: () => Promise<SourceFixture>, { items, incremental = false }: ContractOptions): void {
  describe(`the source ${name}`, () => {
    let into: string;
    let fixture: SourceFixture;
    beforeEach(async () => {
      into = await mkdtemp(path.join(tmpdir(), 'serin-source-'));
      fixture = await openFixture();
    });
    afterEach(async () => {
      await fixture.close();
      await rm(into, { recursive: true, force: true });
    });

    const read = (cursor: SourceCursor, options: Partial<ReadSourceOptions> = {}): Promise<SourceReading> =>
      readSource(fixture.settings, cursor, {
        into,
        secrets: (secret) => contractSecrets[secret],
        policy: anyAddress,
        random: seededRandom(1),
        pause: async () => {},
        ...fixture.options,
        ...options,
      });
    /** All that the files of a read say. */
    const said = async ({ files }: SourceReading): Promise<string> => (await Promise.all(files.map(({ file }) => readFile(file, 'utf8')))).join('\n');
    const left = async (): Promise<string[]> => (await readdir(into, { recursive: true })).sort();

    test('the first read takes all, the second nothing', async () => {
      await fixture.put('first.csv', 'alpha');
      if (items === 'many') await fixture.put('second.csv', 'beta');
      const first = await read(null);
      expect(first.findings).toEqual([]);
      expect(await said(first)).toContain('alpha');
      if (items === 'many') expect(await said(first)).toContain('beta');
      expect(first.files.every(({ file, bytes, sha256 }) => file.startsWith(into) && bytes > 0 && /^[0-9a-f]{64}$/.test(sha256))).toBe(true);
      const second = await read(JSON.parse(JSON.stringify(first.cursor)) as SourceCursor);
      expect(second).toMatchObject({ files: [], findings: [] });
    });

    // What cannot happen to a source is no test of it: a skipped one would look like one that was forgotten.
    const testIf = (applies: boolean): typeof test | (() => void) => (applies ? test : () => {});
    testIf(items === 'many')('a new item comes alone', async () => {
      await fixture.put('first.csv', 'alpha');
      const { cursor } = await read(null);
      await fixture.put('second.csv', 'beta');
      const second = await read(cursor);
      const text = await said(second);
      expect([second.files.length, text.includes('alpha'), text.includes('beta')]).toEqual([1, false, true]);
      expect((await read(second.cursor)).files).toEqual([]);
    });

    test('a changed item comes again', async () => {
      await fixture.put('first.csv', 'alpha');
      const { cursor } = await read(null);
      await fixture.put('first.csv', 'gamma and more');
      const changed = await read(cursor);
      expect(await said(changed)).toContain('gamma');
      expect((await read(changed.cursor)).files).toEqual([]);
    });

    test('the cursor of before brings the same again, so nothing is lost when the rest failed', async () => {
      await fixture.put('first.csv', 'alpha');
      const first = await said(await read(null));
      expect(await said(await read(null))).toBe(first);
    });

    test('a source that has nothing is a finding, not data', async () => {
      const nothing = await read(null).catch((error: unknown) => error);
      // Where an address does not exist at all that is an error.
      if (nothing instanceof Error) expect(nothing).toMatchObject({ code: 'SOURCE_FAILED' });
      else expect(nothing).toMatchObject({ files: [], cursor: null, findings: [{ kind: 'empty' }] });
      expect(await left()).toEqual([]);
    });

    testIf(!incremental)('a source that shrank to nothing, or to little, is held back until a person accepts it', async () => {
      const names = items === 'many' ? ['1', '2', '3', '4', '5'] : ['1'];
      for (const item of names) await fixture.put(`${item}.csv`, `long content of ${item} that will be gone`);
      const { cursor } = await read(null);
      await fixture.clear();
      if (items === 'one') await fixture.put('1.csv', '');
      expect(await read(cursor)).toMatchObject({ files: [], cursor, findings: [{ kind: 'empty' }] });
      await fixture.put('1.csv', 'short');
      expect(await read(cursor)).toMatchObject({ files: [], cursor, findings: [{ kind: 'shrunk' }] });
      const accepted = await read(cursor, { accept: ['shrunk'] });
      expect(accepted.findings).toEqual([]);
      expect(await said(accepted)).toContain('short');
    });

    test('where reads add up, what is gone or less was taken: nothing new, and what comes next is read', async () => {
      const names = items === 'many' ? ['1', '2', '3', '4', '5'] : ['1'];
      const append = { mode: 'append' } as const;
      expect((await read(null, append).catch(() => undefined))?.findings ?? [{ kind: 'empty' }]).toMatchObject([{ kind: 'empty' }]);
      for (const item of names) await fixture.put(`${item}.csv`, `long content of ${item} that will be gone`);
      const first = await read(null, append);
      // To a source that is asked for what is new alone an emptied item is a new one.
      const empty = async (): Promise<void> => (incremental ? undefined : fixture.put('1.csv', ''));
      await empty();
      const emptied = await read(first.cursor, append);
      expect(emptied).toMatchObject({ files: [], findings: [] });
      await fixture.clear();
      if (items === 'one') await empty();
      const gone = await read(emptied.cursor, append);
      expect(gone).toMatchObject({ files: [], findings: [] });
      await fixture.put('1.csv', 'next');
      const next = await read(gone.cursor, append);
      expect(next.findings).toEqual([]);
      expect(await said(next)).toContain('next');
    });

    test('a source that does not answer ends with a code, and leaves nothing behind', async () => {
      if (fixture.stall === undefined) return;
      await fixture.put('first.csv', 'alpha');
      fixture.stall();
      await expect(read(null, { limits: { stallMs: 50, requestMs: 400, attemptsMax: 2 } })).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
      expect(await left()).toEqual([]);
    });

    test('a read that is cancelled says so and leaves nothing behind', async () => {
      await fixture.put('first.csv', 'alpha');
      const controller = new AbortController();
      controller.abort();
      await expect(read(null, { signal: controller.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
      if (fixture.stall !== undefined) {
        fixture.stall();
        const later = new AbortController();
        const reading = read(null, { signal: later.signal });
        setTimeout(() => later.abort(), 20);
        await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
      }
      expect(await left()).toEqual([]);
    });

    test('limits of files and reads are kept', async () => {
      await fixture.put('first.csv', 'x'.repeat(5000));
      await expect(read(null, { limits: { fileBytesMax: 1000 } })).rejects.toMatchObject({
        code: 'SOURCE_FAILED',
        detail: expect.stringMatching(/1000/) as string,
      });
      await expect(read(null, { limits: { readBytesMax: 1000 } })).rejects.toMatchObject({
        code: 'SOURCE_FAILED',
        detail: expect.stringMatching(/1000/) as string,
      });
      expect(await left()).toEqual([]);
    });

    test('no secret is in the cursor, in the words or in an error', async () => {
      await fixture.put('first.csv', 'alpha');
      const told = [JSON.stringify(await read(null))];
      const failed = await read(null, { limits: { fileBytesMax: 1 } }).catch((error: unknown) => error);
      told.push(`${String(failed)} ${JSON.stringify(failed)} ${String((failed as Error).cause)}`);
      const secrets = Object.values(contractSecrets).filter((secret) => told.some((text) => text.includes(secret)));
      expect(secrets).toEqual([]);
    });
  });
}
