import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkCount, chunkLength } from '@serin/protocol/bundle/chunks';
import { sha256 } from '@serin/protocol/digest';
import { HttpBlobSource, runsOf } from './http-blob-source.ts';

const chunkSize = 1024;
const never = new AbortController().signal;
const blobOf = (sizeBytes: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 31 + (index >> 8)) & 255);

/** A body that arrives in pieces of any size, as a network delivers it. */
function inPieces(bytes: Uint8Array, pieceBytes: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + pieceBytes));
      at += pieceBytes;
    },
  });
}

interface Server {
  fetch: typeof globalThis.fetch;
  requests: number;
}

function serverOf(
  blob: Uint8Array,
  { ranges, pieceBytes, cutAfter = Number.POSITIVE_INFINITY }: { ranges: boolean; pieceBytes: number; cutAfter?: number },
): Server {
  const server: Server = {
    requests: 0,
    fetch: async (_, init) => {
      server.requests++;
      const asked = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init?.headers).get('range') ?? '');
      const isPart = ranges && asked !== null;
      const body = isPart ? blob.subarray(Number(asked[1]), Number(asked[2]) + 1) : blob;
      return new Response(inPieces(body.subarray(0, cutAfter), pieceBytes), { status: isPart ? 206 : 200 });
    },
  };
  return server;
}

test('any wanted chunks arrive whole, whatever the network cuts and whether or not the server knows ranges', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6000 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.boolean(),
      fc.array(fc.nat({ max: 5 }), { minLength: 1 }),
      async (sizeBytes, pieceBytes, ranges, picks) => {
        const blob = blobOf(sizeBytes);
        const wanted = [...new Set(picks.map((pick) => pick % chunkCount(sizeBytes, chunkSize)))];
        const source = new HttpBlobSource({ baseUrl: '', fetch: serverOf(blob, { ranges, pieceBytes }).fetch });
        const got = new Map<number, Uint8Array>();
        await source.fetchChunks({ digest: await sha256(blob), sizeBytes, chunkSize }, wanted, async (index, bytes) => void got.set(index, bytes), never);
        for (const index of wanted) {
          const from = index * chunkSize;
          expect(got.get(index)).toEqual(blob.subarray(from, from + chunkLength(index, sizeBytes, chunkSize)));
        }
      },
    ),
  );
});

test('runs cover exactly the wanted indices', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 100 })), (wanted) => {
      const covered = runsOf(wanted).flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, offset) => first + offset));
      expect(covered).toEqual(wanted.toSorted((left, right) => left - right));
    }),
  );
});

test('consecutive chunks take one request', async () => {
  const blob = blobOf(5000);
  const server = serverOf(blob, { ranges: true, pieceBytes: 500 });
  const source = new HttpBlobSource({ baseUrl: '', fetch: server.fetch });
  await source.fetchChunks({ digest: await sha256(blob), sizeBytes: 5000, chunkSize }, [0, 1, 2, 3, 4], async () => {}, never);
  expect(server.requests).toBe(1);
});

test.each([
  ['a connection that ends early', async () => new Response(new Uint8Array(10)), 'TRANSFER_STALLED'],
  ['an unknown blob', async () => new Response(null, { status: 404 }), 'BLOB_NOT_FOUND'],
  ['a stranger', async () => new Response(null, { status: 401 }), 'NOT_SIGNED_IN'],
  ['a failing server', async () => new Response(null, { status: 500 }), 'TRANSFER_STALLED'],
  ['no server', async () => Promise.reject(new TypeError('failed to fetch')), 'SERVER_UNREACHABLE'],
] as const)('%s is a coded error', async (_, fetch, code) => {
  const source = new HttpBlobSource({ baseUrl: '', fetch });
  const blob = blobOf(2000);
  const fetched = source.fetchChunks({ digest: await sha256(blob), sizeBytes: 2000, chunkSize }, [0, 1], async () => {}, never);
  await expect(fetched).rejects.toMatchObject({ code });
});

test('an abort is told apart from a fault', async () => {
  const stopping = new AbortController();
  const fetch: typeof globalThis.fetch = async () => {
    stopping.abort();
    throw new DOMException('stopped', 'AbortError');
  };
  const source = new HttpBlobSource({ baseUrl: '', fetch });
  const fetched = source.fetchChunks({ digest: await sha256(new Uint8Array(1)), sizeBytes: 1, chunkSize }, [0], async () => {}, stopping.signal);
  await expect(fetched).rejects.toMatchObject({ code: 'CANCELLED' });
});
