import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

import { writeWhole } from '@serin/node/files';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';

import { throwIfCancelled } from '../train/cancellation.ts';
import { AddressRefused, bareHost, guardedLookup, refuseLiteral } from './addresses.ts';
import { PassingFault, sourceFault, withRetries, type SourceContext } from './source.ts';

export type Headers = Readonly<Record<string, string>>;

/** As much of an address as may be told: what stands behind the path may be a secret. */
export const tellUrl = (url: URL): string => `${url.origin}${url.pathname}`;

export function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw sourceFault('the address is no URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw sourceFault(`the address begins with ${url.protocol}; http: and https: are read`);
  if (url.username !== '' || url.password !== '') throw sourceFault('the address has a password in it', undefined, 'Put it into a secret and name that');
  return url;
}

const describe = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message ?? String(error);
};

/** One request, no redirect: its answer, whose body is still to come. */
function ask(url: URL, headers: Headers, { policy, limits, signal }: SourceContext, deadline: AbortSignal): Promise<IncomingMessage> {
  refuseLiteral(url, policy);
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const abort = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    const request = send(url, { headers, agent: false, lookup: guardedLookup(policy), signal: abort });
    request.setTimeout(limits.stallMs, () => request.destroy(new PassingFault(`${bareHost(url)} did not answer for ${limits.stallMs} ms`)));
    request.once('error', reject);
    request.once('response', (response) => {
      // From here on faults end the body.
      request.off('error', reject);
      request.on('error', (error) => response.destroy(error));
      resolve(response);
    });
    request.end();
  });
}

function faultOf(error: unknown, url: URL, { signal, limits }: SourceContext, deadline: AbortSignal): unknown {
  throwIfCancelled(signal);
  if (error instanceof SerinError || error instanceof PassingFault) return error;
  if (error instanceof AddressRefused) return sourceFault(error.message, undefined, 'Allow it in the settings of the server if it is meant');
  if (deadline.aborted) return sourceFault(`${tellUrl(url)} took longer than ${limits.requestMs} ms`);
  return new PassingFault(`${tellUrl(url)} broke off (${describe(error)})`, error);
}

const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

function refuseStatus(response: IncomingMessage, url: URL): never {
  const status = response.statusCode ?? 0;
  const seconds = Number(response.headers['retry-after']);
  response.destroy();
  if (passing.has(status)) throw new PassingFault(`${tellUrl(url)} answered ${status}`, undefined, Number.isFinite(seconds) ? seconds * 1000 : undefined);
  const hint = status === 401 || status === 403 ? 'Check the secret of the source and what it may read' : status === 404 ? 'Check the address' : undefined;
  throw sourceFault(`${tellUrl(url)} answered ${status}`, undefined, hint);
}

export type Sign = (url: URL, headers: Headers) => Promise<Headers>;
/** Headers that must not follow to another server. */
export type OwnHeaders = Headers;

interface Fetched {
  readonly response: IncomingMessage;
  readonly url: URL;
  readonly deadline: AbortSignal;
}

/** Follows redirects, each to an address that is checked anew; secrets stay with the server they are for. */
async function fetchFrom(start: URL, headers: Headers, own: OwnHeaders, context: SourceContext, sign: Sign | undefined): Promise<Fetched> {
  const deadline = AbortSignal.timeout(context.limits.requestMs);
  let url = start;
  for (let redirects = 0; ; redirects += 1) {
    try {
      const told = url.origin === start.origin ? { ...headers, ...own } : headers;
      const response = await ask(url, sign === undefined ? told : await sign(url, told), context, deadline);
      const { location } = response.headers;
      if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) return { response, url, deadline };
      response.destroy();
      if (sign !== undefined || redirects >= context.limits.redirectsMax)
        throw sourceFault(`${tellUrl(start)} leads on more than ${sign === undefined ? redirects : 0} times`);
      const next = parseUrl(new URL(location, url).href);
      if (url.protocol === 'https:' && next.protocol === 'http:') throw sourceFault(`${tellUrl(url)} leads on to an address without encryption`);
      url = next;
    } catch (error) {
      throw faultOf(error, url, context, deadline);
    }
  }
}

/** A small answer, whole. */
export async function fetchText(url: URL, context: SourceContext, sign: Sign, bytesMax: number): Promise<string> {
  return withRetries(context, async () => {
    const { response, deadline } = await fetchFrom(url, {}, {}, context, sign);
    if (response.statusCode !== 200) refuseStatus(response, url);
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of response) {
        length += (piece as Buffer).length;
        if (length > bytesMax) throw sourceFault(`${tellUrl(url)} answered more than ${bytesMax} bytes`);
        pieces.push(piece as Buffer);
      }
    } catch (error) {
      throw faultOf(error, url, context, deadline);
    }
    return Buffer.concat(pieces).toString('utf8');
  });
}

export interface Download {
  readonly url: URL;
  readonly headers?: Headers;
  readonly own?: OwnHeaders;
  readonly sign?: Sign;
  /** Whether the server may pack what it sends. */
  readonly packed: boolean;
}

export interface Downloaded {
  /** Undefined when the server said that nothing has changed. */
  readonly stored: { readonly sha256: Digest; readonly bytes: number } | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** What came so far of one file; what was sent packed cannot be gone on with in the middle. */
interface Partial {
  bytes: number;
  hash: ReturnType<typeof createHash>;
  etag: string | undefined;
}

const startAgain = (): Partial => ({ bytes: 0, hash: createHash('sha256'), etag: undefined });

/** Writes what the address has into the file. After a break it goes on where it was, as long as the server has the same thing still. */
export async function download({ url, headers = {}, own = {}, sign, packed }: Download, handle: FileHandle, context: SourceContext): Promise<Downloaded> {
  let part = startAgain();
  return withRetries(context, async (attempt) => {
    const resuming = part.bytes > 0 && part.etag !== undefined;
    if (!resuming) part = startAgain();
    const asked = resuming
      ? { 'accept-encoding': 'identity', range: `bytes=${part.bytes}-`, 'if-range': part.etag ?? '' }
      : { ...headers, 'accept-encoding': packed && attempt === 1 ? 'gzip, identity;q=0.5' : 'identity' };
    const fetched = await fetchFrom(url, asked, own, context, sign);
    const { response } = fetched;
    if (response.statusCode === 304 && !resuming) {
      response.destroy();
      return { stored: undefined, headers: response.headers };
    }
    if (response.statusCode === 206 && resuming) {
      const sound = response.headers['content-range']?.startsWith(`bytes ${part.bytes}-`) === true && response.headers.etag === part.etag;
      if (!sound) {
        response.destroy();
        part = startAgain();
        throw new PassingFault(`${tellUrl(url)} went on with something else`);
      }
    } else if (response.statusCode === 416) {
      part = startAgain();
      response.destroy();
      throw new PassingFault(`${tellUrl(url)} has changed while it was read`);
    } else if (response.statusCode !== 200) refuseStatus(response, fetched.url);
    else part = startAgain();
    await takeBody(fetched, part, handle, context);
    return { stored: { sha256: part.hash.digest('hex') as Digest, bytes: part.bytes }, headers: response.headers };
  });
}

async function takeBody({ response, url, deadline }: Fetched, part: Partial, handle: FileHandle, context: SourceContext): Promise<void> {
  const { fileBytesMax } = context.limits;
  const encoding = response.headers['content-encoding'] ?? 'identity';
  const tooLarge = (): SerinError => sourceFault(`${tellUrl(url)} has more than ${fileBytesMax} bytes`);
  try {
    if (encoding !== 'identity' && encoding !== 'gzip' && encoding !== 'x-gzip')
      throw sourceFault(`${tellUrl(url)} is sent as ${encoding.slice(0, 40)}, which is not understood`);
    const isPacked = encoding !== 'identity';
    if (!isPacked && part.bytes + Number(response.headers['content-length'] ?? 0) > fileBytesMax) throw tooLarge();
    const { etag } = response.headers;
    part.etag = isPacked || etag === undefined || etag.startsWith('W/') ? undefined : etag;
    await handle.truncate(part.bytes);
    const body = isPacked ? pipeline(response, createGunzip(), () => {}) : response;
    for await (const piece of body) {
      const bytes = piece as Buffer;
      if (part.bytes + bytes.length > fileBytesMax) throw tooLarge();
      context.count(bytes.length);
      await writeWhole(handle, bytes, part.bytes);
      part.hash.update(bytes);
      part.bytes += bytes.length;
    }
    if (!response.complete) throw new PassingFault(`${tellUrl(url)} broke off`);
  } catch (error) {
    throw faultOf(error, url, context, deadline);
  } finally {
    response.destroy();
  }
}
