import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

import { startTestServer, type TestServer } from './http-server.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const encode = (text: string): string => encodeURIComponent(text).replaceAll(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

/** Signature version 4 by its specification, from nothing but the request and the secret. */
function isSigned({ method = '', url = '', headers }: IncomingMessage, secret: string): boolean {
  const found = /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
    headers.authorization ?? '',
  );
  if (found === null) return false;
  const [, day = '', region = '', signed = '', signature = ''] = found;
  const { pathname, searchParams } = new URL(url, 'http://x');
  const query = [...searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort();
  const canonical = [
    method,
    decodeURIComponent(pathname).split('/').map(encode).join('/'),
    query.join('&'),
    ...signed.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim()}`),
    '',
    signed,
    headers['x-amz-content-sha256'] ?? '',
  ].join('\n');
  const date = String(headers['x-amz-date'] ?? '');
  const toSign = ['AWS4-HMAC-SHA256', date, `${day}/${region}/s3/aws4_request`, sha256(canonical)].join('\n');
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request');
  return signed.split(';').includes('host') && date.startsWith(day) && timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex'));
}

export interface TestBucket extends Pick<TestServer, 'url' | 'requests' | 'close'> {
  readonly objects: Map<string, string>;
  /** Does something else instead of answering, where it returns true. */
  disturb: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

const etagOf = (content: string): string => `"${createHash('md5').update(content).digest('hex')}"`;

/** A bucket on this machine: lists in small pages, ranges, and refuses what is not signed with the secret. */
export async function startTestBucket({ bucket, secret, pageSize = 2 }: { bucket: string; secret: string; pageSize?: number }): Promise<TestBucket> {
  const objects = new Map<string, string>();
  const server = await startTestServer((request, response) => {
    if (test.disturb?.(request, response) === true) return;
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    const end = (status: number, body: string | Buffer, headers: Record<string, string> = {}): void => void response.writeHead(status, headers).end(body);
    if (!isSigned(request, secret)) return end(403, '<Error><Code>SignatureDoesNotMatch</Code></Error>');
    if (pathname === `/${bucket}`) return end(200, listPage(objects, searchParams, pageSize));
    const content = objects.get(decodeURIComponent(pathname.slice(bucket.length + 2)));
    if (!pathname.startsWith(`/${bucket}/`) || content === undefined) return end(404, '<Error><Code>NoSuchKey</Code></Error>');
    const bytes = Buffer.from(content);
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    if (from === undefined || request.headers['if-range'] !== etagOf(content))
      return end(200, bytes, { etag: etagOf(content), 'content-length': String(bytes.length) });
    end(206, bytes.subarray(Number(from)), { etag: etagOf(content), 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
  });
  const test: TestBucket = { url: server.url, requests: server.requests, close: () => server.close(), objects, disturb: undefined };
  return test;
}

function listPage(objects: ReadonlyMap<string, string>, query: URLSearchParams, pageSize: number): string {
  const keys = [...objects.keys()].filter((key) => key.startsWith(query.get('prefix') ?? '')).sort();
  const start = Number(query.get('continuation-token') ?? 0);
  const page = keys.slice(start, start + pageSize);
  const more = start + pageSize < keys.length;
  const contents = page.map((key) => {
    const content = objects.get(key) ?? '';
    return `<Contents><Key>${encodeURIComponent(key).replaceAll('%20', '+')}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>${etagOf(content).replaceAll('"', '&quot;')}</ETag><Size>${Buffer.byteLength(content)}</Size></Contents>`;
  });
  return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${start + pageSize}</NextContinuationToken>` : ''}${contents.join('')}</ListBucketResult>`;
}
