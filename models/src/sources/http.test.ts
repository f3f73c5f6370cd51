import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { seededRandom } from '@serin/inference/random';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { anyAddress, publicOnly } from './addresses.ts';
import { readSource } from './read-source.ts';
import { safeName, type ReadSourceOptions, type SourceCursor } from './source.ts';
import { startTestServer, type TestServer } from './testing/http-server.ts';

let root: string;
let into: string;
let server: TestServer;
let waits: number[];
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'serin-http-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  into = await mkdtemp(path.join(root, 'into-'));
  waits = [];
  server = await startTestServer((_, response) => void response.end());
});
afterEach(() => server.close());

const content = Array.from({ length: 40_000 }, (_, line) => `${line},${line % 7}`).join('\n');
const read = (options: Partial<ReadSourceOptions> = {}, cursor: SourceCursor = null, at = '/a.csv') =>
  readSource({ kind: 'url', url: `${server.url}${at}` }, cursor, {
    into,
    secrets: () => undefined,
    policy: anyAddress,
    random: seededRandom(1),
    pause: async (durationMs) => void waits.push(durationMs),
    ...options,
  });
const text = async (reading: Awaited<ReturnType<typeof read>>): Promise<string> => readFile(reading.files[0]?.file ?? '', 'utf8');
const fault = async (reading: Promise<unknown>): Promise<string> => {
  const error = (await reading.catch((thrown: unknown) => thrown)) as { code: string; detail: string };
  expect(error.code).toBe('SOURCE_FAILED');
  expect(await readdir(into)).toEqual([]);
  return error.detail;
};

/** Sends the first part and then breaks the line. */
function breakOff(response: ServerResponse, bytes: number, headers: Record<string, string>): void {
  response.writeHead(200, { 'content-length': String(content.length), ...headers });
  response.write(content.slice(0, bytes), () => setImmediate(() => response.destroy()));
}

test('a download that broke off goes on where it was, as long as the file is the same', async () => {
  server.answer = ({ headers }, response) => {
    const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
    if (from === undefined) return breakOff(response, 100_000, { etag: '"one"' });
    expect(headers['if-range']).toBe('"one"');
    response.writeHead(206, { etag: '"one"', 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }).end(content.slice(Number(from)));
  };
  const reading = await read();
  expect(await text(reading)).toBe(content);
  expect(server.requests).toHaveLength(2);
  expect(waits).toHaveLength(1);
});

test('a file that changed while it was read is read anew, never put together of two', async () => {
  const other = content.replaceAll('0', '9');
  let round = 0;
  server.answer = ({ headers }, response) => {
    round += 1;
    if (round === 1) return breakOff(response, 100_000, { etag: '"one"' });
    // One that ignores the condition and sends a part of the new file, then one that sends all of it.
    if (round === 2)
      return void response.writeHead(206, { etag: '"two"', 'content-range': `bytes 100000-${other.length - 1}/${other.length}` }).end(other.slice(100_000));
    expect(headers.range).toBeUndefined();
    response.writeHead(200, { etag: '"two"' }).end(other);
  };
  expect(await text(await read())).toBe(other);
});

test('without an identity that a server promises, a broken download begins anew', async () => {
  let round = 0;
  server.answer = ({ headers }, response) => {
    round += 1;
    expect(headers.range).toBeUndefined();
    if (round < 3) return breakOff(response, 50_000, round === 1 ? {} : { etag: 'W/"weak"' });
    response.end(content);
  };
  expect(await text(await read())).toBe(content);
  expect(round).toBe(3);
});

test('a server that always breaks off, or promises more than it sends, ends with a code after so many attempts', async () => {
  server.answer = (_, response) => breakOff(response, 1000, {});
  expect(await fault(read({ limits: { attemptsMax: 3 } }))).toContain('3 times in a row');
  expect(server.requests).toHaveLength(3);
  // Waits grow, and no two sources come back at the same moment.
  expect(waits).toHaveLength(2);
  expect(waits[0]).toBeGreaterThanOrEqual(250);
  expect(waits[1]).toBeGreaterThanOrEqual(500);
  expect(waits[1]).toBeLessThanOrEqual(1000);
});

test('a server that sends more than it said is not believed', async () => {
  server.answer = ({ socket }) => {
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n1234567890');
  };
  const reading = await read({ limits: { attemptsMax: 2 } }).catch((error: unknown) => error);
  if (reading instanceof Error) expect(reading).toMatchObject({ code: 'SOURCE_FAILED' });
  else expect(await text(reading as Awaited<ReturnType<typeof read>>)).toBe('12345');
});

test('a server that stalls in the middle is left after the limit', async () => {
  server.answer = (_, response) => {
    response.writeHead(200, { 'content-length': '1000000' });
    response.write('some');
  };
  expect(await fault(read({ limits: { stallMs: 30, attemptsMax: 2 } }))).toContain('did not answer for 30 ms');
  server.answer = (_, response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write('.'), 5);
    response.once('close', () => clearInterval(drip));
  };
  expect(await fault(read({ limits: { requestMs: 60 } }))).toContain('longer than 60 ms');
});

test('what may pass is tried again, with the wait the server asks for; what may not is told at once', async () => {
  let round = 0;
  server.answer = (_, response) => {
    round += 1;
    if (round === 1) response.writeHead(503, { 'retry-after': '7' }).end();
    else if (round === 2) response.writeHead(429).end();
    else response.end('fine');
  };
  expect(await text(await read())).toBe('fine');
  expect(waits[0]).toBe(7000);
  await rm(path.join(into, 'a.csv'));
  for (const [status, words] of [
    [404, 'answered 404'],
    [403, 'answered 403'],
  ] as const) {
    server.answer = (_, response) => void response.writeHead(status).end();
    const before = server.requests.length;
    expect(await fault(read())).toContain(words);
    expect(server.requests.length).toBe(before + 1);
  }
});

test('redirects are followed within limits; in circles they end', async () => {
  server.answer = ({ url }, response) => {
    if (url === '/a.csv') response.writeHead(302, { location: '/b?secret=1' }).end();
    else response.end('there');
  };
  expect(await text(await read())).toBe('there');
  await rm(path.join(into, 'a.csv'));
  server.answer = ({ url }, response) => void response.writeHead(301, { location: url === '/a.csv' ? '/b' : '/a.csv' }).end();
  expect(await fault(read({ limits: { redirectsMax: 4 } }))).toContain('more than 4 times');
  server.answer = (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end();
  expect(await fault(read())).toContain('begins with file:');
});

test('a secret header stays with the server it is for', async () => {
  const other = await startTestServer((_, response) => void response.end('other'));
  server.answer = (_, response) => void response.writeHead(307, { location: `${other.url}/x` }).end();
  const settings = { kind: 'url' as const, url: `${server.url}/a.csv`, headerSecret: 'SERIN_SOURCE_TOKEN' };
  await readSource(settings, null, { into, secrets: () => 'Bearer abc', policy: anyAddress });
  expect(server.requests[0]?.headers.authorization).toBe('Bearer abc');
  expect(other.requests[0]?.headers.authorization).toBeUndefined();
  await other.close();
});

test('what is sent packed is unpacked, and only so far', async () => {
  server.answer = ({ headers }, response) => {
    if (headers['accept-encoding']?.startsWith('gzip') === true) response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(content));
    else response.end(content);
  };
  expect(await text(await read())).toBe(content);
  await rm(path.join(into, 'a.csv'));
  expect(await fault(read({ limits: { fileBytesMax: 10_000 } }))).toContain('more than 10000 bytes');
  // A damaged archive is asked for again, as it is.
  server.answer = ({ headers }, response) => {
    if (headers['accept-encoding']?.startsWith('gzip') === true)
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(content).subarray(0, 5000));
    else response.end(content);
  };
  expect(await text(await read())).toBe(content);
});

test('addresses of this machine and of private networks are refused, by number, by name and after a redirect', async () => {
  const refused = (options: Partial<ReadSourceOptions>) => fault(read({ policy: publicOnly, ...options }));
  expect(await refused({})).toContain('private network');
  expect(server.requests).toEqual([]);
  const byName = readSource({ kind: 'url', url: server.url.replace('127.0.0.1', 'localhost') }, null, { into, secrets: () => undefined });
  expect(await fault(byName)).toContain('private network');
  expect(server.requests).toEqual([]);
  const port = new URL(server.url).port;
  // This one is asked; where it leads to is not.
  server.answer = (_, response) => void response.writeHead(302, { location: `http://[::ffff:127.0.0.1]:${port}/` }).end();
  const first = (address: string): boolean => address === '127.0.0.1';
  expect(await fault(read({ policy: first }))).toContain('private network');
  expect(server.requests).toHaveLength(1);
});

test('public is what no private, local, shared or reserved net has', () => {
  const refused = [
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.9.9.9',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
  ];
  const refused6 = [
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    'fe80::1%eth0',
    'ff02::1',
    'no address',
  ];
  expect([...refused, ...refused6].filter((address) => publicOnly(address, address))).toEqual([]);
  const allowed = ['8.8.8.8', '172.32.0.1', '172.15.255.255', '100.128.0.1', '11.0.0.1', '2606:4700::1', '::ffff:8.8.8.8'];
  expect(allowed.filter((address) => !publicOnly(address, address))).toEqual([]);
});

test('an address with a password in it, of another kind or of none is refused without being told', async () => {
  for (const url of ['http://user:geheim@127.0.0.1/', 'ftp://127.0.0.1/', 'nonsense']) {
    const detail = await fault(readSource({ kind: 'url', url }, null, { into, secrets: () => undefined }));
    expect(detail).not.toContain('geheim');
  }
});

test('names from elsewhere stay below the folder, and apart from each other', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), fc.string({ maxLength: 60 }), (one, other) => {
      const name = safeName(one);
      expect(path.posix.normalize(`/into/${name}`)).toBe(`/into/${name}`);
      expect(name).not.toMatch(/[\\:\0]|(^|\/)\.\.?(\/|$)|^\/|\/\/|\/$/);
      if (one !== other) expect(safeName(other)).not.toBe(name);
    }),
  );
});
