import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { sourceContract, type SourceFixture } from './testing/contract.ts';
import { startTestServer } from './testing/http-server.ts';
import { startTestBucket } from './testing/s3-server.ts';

sourceContract(
  'a folder',
  async (): Promise<SourceFixture> => {
    const folder = await mkdtemp(path.join(tmpdir(), 'serin-folder-'));
    let clock = 1_000_000_000_000;
    return {
      settings: { kind: 'folder', path: folder, pattern: '*.csv' },
      // Long after the files were written.
      options: { now: () => clock + 3_600_000 },
      async put(name, content) {
        clock += 1000;
        await writeFile(path.join(folder, name), content);
        await utimes(path.join(folder, name), clock / 1000, clock / 1000);
      },
      async clear() {
        for (const name of await readdir(folder)) await rm(path.join(folder, name));
      },
      close: () => rm(folder, { recursive: true, force: true }),
    };
  },
  { items: 'many' },
);

sourceContract(
  'an address',
  async (): Promise<SourceFixture> => {
    let content: string | undefined;
    let stalled = false;
    const server = await startTestServer((request, response) => {
      if (stalled) return;
      if (request.headers['x-key'] !== 'the secret key / 42') response.writeHead(401).end();
      else if (content === undefined) response.writeHead(404).end();
      else if (request.headers['if-none-match'] === `"${content}"`) response.writeHead(304).end();
      else response.writeHead(200, { etag: `"${content.slice(0, 100)}"` }).end(content);
    });
    return {
      settings: { kind: 'url', url: `${server.url}/data/first.csv?token=1`, headerSecret: 'SERIN_SOURCE_HEADER' },
      options: { secrets: () => 'X-Key: the secret key / 42' },
      put: async (_name, text) => {
        content = text;
      },
      clear: async () => {
        content = undefined;
      },
      stall: () => {
        stalled = true;
      },
      close: () => server.close(),
    };
  },
  { items: 'one' },
);

sourceContract(
  'a bucket',
  async (): Promise<SourceFixture> => {
    const bucket = await startTestBucket({ bucket: 'data', secret: 'the secret key / 42' });
    bucket.objects.set('elsewhere/x.csv', 'of somebody else');
    return {
      settings: {
        kind: 's3',
        endpoint: bucket.url,
        region: 'eu-west-9',
        bucket: 'data',
        prefix: 'in/é +%/',
        keyIdSecret: 'SERIN_SOURCE_ID',
        keySecret: 'SERIN_SOURCE_KEY',
      },
      put: async (name, content) => void bucket.objects.set(`in/é +%/${name}`, content),
      clear: async () => {
        for (const key of bucket.objects.keys()) if (key.startsWith('in/')) bucket.objects.delete(key);
      },
      stall: () => {
        bucket.disturb = () => true;
      },
      close: () => bucket.close(),
    };
  },
  { items: 'many' },
);
