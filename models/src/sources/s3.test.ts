import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { SourceSettings } from '@serin/protocol/api/datasets';

import { anyAddress } from './addresses.ts';
import { readSource } from './read-source.ts';
import { parsePage } from './s3.ts';
import type { ReadSourceOptions, SourceCursor } from './source.ts';
import { startTestBucket, type TestBucket } from './testing/s3-server.ts';

const secret = 'wJalr/XUtn+FEMI=K7';
let bucket: TestBucket;
let into: string;
beforeEach(async () => {
  into = await mkdtemp(path.join(tmpdir(), 'serin-s3-'));
  bucket = await startTestBucket({ bucket: 'lake', secret });
});
afterEach(async () => {
  await bucket.close();
  await rm(into, { recursive: true, force: true });
});

const settings = (): SourceSettings => ({
  kind: 's3',
  endpoint: bucket.url,
  region: 'us-east-1',
  bucket: 'lake',
  prefix: '',
  keyIdSecret: 'SERIN_SOURCE_ID',
  keySecret: 'SERIN_SOURCE_KEY',
});
const read = (cursor: SourceCursor = null, options: Partial<ReadSourceOptions> = {}) =>
  readSource(settings(), cursor, { into, secrets: (name) => (name.endsWith('KEY') ? secret : 'ID42'), policy: anyAddress, pause: async () => {}, ...options });

test('keys of every kind are asked for and signed as they are', async () => {
  const keys = ['plain.csv', 'a b+c.csv', 'ü/100%/x=1&y?.csv', "quo'te(1)!*.csv", 'deep/er/than/that.csv', 'no//name.csv', 'folder/'];
  for (const key of keys) bucket.objects.set(key, `content of ${key}`);
  const { files, words } = await read();
  expect(words).toBe('6 new files of 6.');
  const found = await Promise.all(files.map(async ({ name, file }) => [name, await readFile(file, 'utf8')]));
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(keys.slice(0, -1).map((key) => [key, `content of ${key}`])));
});

test('a wrong secret is told as such, without it', async () => {
  bucket.objects.set('a', 'x');
  const error = (await read(null, { secrets: () => 'wrong-secret' }).catch((thrown: unknown) => thrown)) as Error;
  expect(error).toMatchObject({ code: 'SOURCE_FAILED', hint: expect.stringContaining('secret of the source') as string });
  expect(`${error.message} ${error.stack ?? ''} ${String(error.cause)}`).not.toContain('wrong-secret');
  await expect(read(null, { secrets: () => undefined })).rejects.toMatchObject({ detail: 'the variable SERIN_SOURCE_ID is not set' });
});

test('when the third object fails for good, nothing of the read stays and the cursor of before still brings all', async () => {
  for (const key of ['1', '2', '3']) bucket.objects.set(`${key}.csv`, `content ${key}`);
  bucket.disturb = ({ url }, response) => {
    if (url !== '/lake/3.csv') return false;
    response.destroy();
    return true;
  };
  await expect(read(null, { limits: { attemptsMax: 2 } })).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
  expect(await readdir(into)).toEqual([]);
  bucket.disturb = undefined;
  expect((await read()).files).toHaveLength(3);
});

test('a big object that broke off goes on by a signed range', async () => {
  const content = 'abcdefghij'.repeat(50_000);
  bucket.objects.set('big.csv', content);
  let broken = false;
  bucket.disturb = ({ url }, response) => {
    if (url !== '/lake/big.csv' || broken) return false;
    broken = true;
    const etag = `"${createHash('md5').update(content).digest('hex')}"`;
    response.writeHead(200, { 'content-length': String(content.length), etag });
    response.write(content.slice(0, 200_000), () => setImmediate(() => response.destroy()));
    return true;
  };
  const { files } = await read();
  expect(await readFile(files[0]?.file ?? '', 'utf8')).toBe(content);
  expect(bucket.requests.some(({ headers }) => headers.range !== undefined)).toBe(true);
});

test('more new objects than one read may take come with the next ones', async () => {
  for (let key = 0; key < 5; key += 1) bucket.objects.set(`${key}.csv`, `content ${key}`);
  const first = await read(null, { limits: { filesMax: 3 } });
  const second = await read(first.cursor, { limits: { filesMax: 3 } });
  expect([first.files.length, second.files.length]).toEqual([3, 2]);
  expect(first.words).toContain('2 files wait');
  expect((await read(second.cursor)).files).toEqual([]);
});

test('a list that is none, is malformed or leads in circles is refused', async () => {
  expect(() => parsePage('<html>hello</html>')).toThrowError(/no list/);
  expect(() => parsePage('<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>')).toThrowError(/malformed/);
  expect(
    parsePage('<ListBucketResult><Contents><Key>a&amp;b&#x41;</Key><ETag>&quot;1&quot;</ETag><Size>3</Size></Contents></ListBucketResult>').objects,
  ).toEqual([{ name: 'a&bA', bytes: 3, mark: '"1"', time: undefined, settled: true }]);
  bucket.disturb = (_, response) => {
    response.end('<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>');
    return true;
  };
  await expect(read()).rejects.toMatchObject({ detail: expect.stringContaining('circles') as string });
});
