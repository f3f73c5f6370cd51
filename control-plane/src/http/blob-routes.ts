import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';
import type { BlobStore } from '../blobs/disk.ts';

const pieceBytes = 1 << 20;
const yearS = 31_536_000;

export interface ByteRange {
  from: number;
  /** Exclusive. */
  to: number;
}

/** One range of a `Range` header (RFC 9110, 14.1.2). Several, or another unit: the whole. `refused`: nothing of it is there. */
export function parseRange(header: string | undefined, size: number): ByteRange | 'whole' | 'refused' {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (match === null) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return 'whole';
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  return from >= to ? 'refused' : { from, to };
}

async function* pieces(blobs: BlobStore, digest: Digest, { from, to }: ByteRange): AsyncGenerator<Uint8Array> {
  for (let offset = from; offset < to;) {
    const piece = await blobs.readRange(digest, offset, Math.min(pieceBytes, to - offset));
    if (piece.length === 0) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: `${digest} is shorter than it was` });
    offset += piece.length;
    yield piece;
  }
}

/** Immutable bytes by digest, whole or one range. Whoever fetches verifies them. */
export function registerBlobs(app: FastifyInstance, blobs: BlobStore, mayRead: (request: FastifyRequest) => Promise<void>): void {
  app.get('/blobs/:sha256', { schema: { hide: true }, config: { rateLimit: false }, onRequest: mayRead }, async (request, reply): Promise<FastifyReply> => {
    const digest = digestSchema.safeParse((request.params as { sha256: string }).sha256);
    if (!digest.success) throw new SerinError('BAD_REQUEST', { detail: 'a digest is 64 hex digits' });
    const size = await blobs.size(digest.data);
    if (size === undefined) throw new SerinError('BLOB_NOT_FOUND', { detail: digest.data });
    const etag = `"${digest.data}"`;
    void reply.headers({ etag, 'accept-ranges': 'bytes', 'cache-control': `private, max-age=${yearS}, immutable`, 'content-type': 'application/octet-stream' });
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    const isPartOfThis = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
    const range = isPartOfThis ? parseRange(request.headers.range, size) : 'whole';
    if (range === 'refused') return reply.code(416).header('content-range', `bytes */${size}`).send();
    const { from, to } = range === 'whole' ? { from: 0, to: size } : range;
    if (range !== 'whole') void reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${size}`);
    void reply.header('content-length', to - from);
    return reply.send(Readable.from(pieces(blobs, digest.data, { from, to })));
  });
}
