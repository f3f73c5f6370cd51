import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeChunk, emptyBitmap, setBit } from '@serin/protocol/bundle/chunks';
import { decode } from '@serin/protocol/codec';
import { toBase64 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import { deviceId, digest, transferId, type Digest } from '@serin/protocol/ids';
import type { ChunkRequest } from '@serin/protocol/messages/transfer';
import { chunkTopic, down } from '@serin/protocol/topics';
import { createLog } from '../log.ts';
import { boot } from './testing.ts';
import { createTransfer, wantedChunks, type TransferOptions } from './transfer.ts';

const ada = deviceId.parse('ada');
const xfer = transferId.parse('t1');
const blob = Uint8Array.from({ length: 10_000 }, (_, index) => index % 251);
const blobDigest = digest.parse(createHash('sha256').update(blob).digest('hex'));

function bitmapOf(bits: readonly number[]): string {
  const bitmap = emptyBitmap(64);
  for (const bit of bits) setBit(bitmap, bit);
  return toBase64(bitmap);
}

const request = (parts: Partial<ChunkRequest> = {}): ChunkRequest => ({
  v: 1,
  boot: boot('b1'),
  seq: 0,
  ts: 0,
  xfer,
  blob: blobDigest,
  chunkSize: 1024,
  from: 0,
  bitmap: bitmapOf([0, 2, 9, 40]),
  ...parts,
});

function setUp(options: Partial<TransferOptions> = {}) {
  const sent: { topic: string; payload: Uint8Array; qos: number }[] = [];
  let arrived = (): void => {};
  const transfer = createTransfer({
    blobs: {
      size: async (wanted: Digest) => (wanted === blobDigest ? blob.length : undefined),
      readRange: async (_digest, offset, length) => blob.slice(offset, offset + length),
    },
    link: {
      async publish(topic, payload, { qos }) {
        sent.push({ topic, payload, qos });
        arrived();
      },
    },
    isActive: async () => true,
    clock: Date.now,
    log: createLog('silent'),
    ...options,
  });
  const until = (count: number): Promise<void> =>
    new Promise((resolve) => {
      arrived = () => {
        if (sent.length >= count) resolve();
      };
      arrived();
    });
  return { transfer, sent, until };
}

test('sends exactly the chunks asked for that exist, the last one short', async () => {
  const { transfer, sent, until } = setUp();
  transfer.request(ada, request());
  await until(3);
  const chunks = sent.map(({ topic, payload, qos }) => ({ topic, qos, ...decodeChunk(payload) }));
  expect(chunks.map(({ index, payload }) => [index, payload.length])).toEqual([
    [0, 1024],
    [2, 1024],
    [9, 784],
  ]);
  for (const { topic, qos, index, payload } of chunks) {
    expect([topic, qos]).toEqual([chunkTopic(ada, xfer), 0]);
    expect(payload).toEqual(blob.slice(index * 1024, index * 1024 + payload.length));
  }
  await transfer.stop(1_000);
  expect(transfer.counts).toEqual({ chunks: 3, bytes: 2_832, refused: 0 });
});

test('says that there is no such blob', async () => {
  const { transfer, sent, until } = setUp();
  transfer.request(ada, request({ blob: digest.parse('0'.repeat(64)) }));
  await until(1);
  expect(sent[0]?.topic).toBe(down(ada, 'cmd'));
  expect(decode('cmd', sent[0]!.payload)).toMatchObject({ kind: 'transfer-refused', xfer, code: 'BLOB_NOT_FOUND' });
});

test('a revoked device gets nothing, and a broker that fails ends only that request', async () => {
  let isActive = false;
  let fails = true;
  const sent: string[] = [];
  let done = (): void => {};
  const finished = new Promise<void>((resolve) => {
    done = resolve;
  });
  const { transfer } = setUp({
    isActive: async () => isActive,
    link: {
      async publish(topic) {
        if (fails) {
          fails = false;
          throw new SerinError('BROKER_UNREACHABLE');
        }
        sent.push(topic);
        if (sent.length === 3) done();
      },
    },
  });
  transfer.request(ada, request());
  await new Promise((resolve) => setImmediate(resolve));
  isActive = true;
  transfer.request(ada, request());
  transfer.request(ada, request());
  await finished;
  await transfer.stop(1_000);
  expect(sent).toHaveLength(3);
});

test('reads any bitmap, and nothing from what is none', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(63)), fc.nat(1_000), (bits, from) => {
      expect(wantedChunks({ from, bitmap: bitmapOf(bits) })).toEqual(bits.map((bit) => from + bit).sort((a, b) => a - b));
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(wantedChunks({ from: 0, bitmap: text }).length).toBeLessThanOrEqual(64);
    }),
  );
});
