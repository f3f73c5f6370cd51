import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { encodeChunk, hasBit } from '@serin/protocol/bundle/chunks';
import { decode } from '@serin/protocol/codec';
import { fromBase64, sha256 } from '@serin/protocol/digest';
import { bootId, type Digest } from '@serin/protocol/ids';
import type { ChunkRequest } from '@serin/protocol/messages/transfer';
import { chunkTopic, up } from '@serin/protocol/topics';
import { systemClock } from './clock.ts';
import { createStamp } from './stamp.ts';
import { createTestAuthority } from './testing/authority.ts';
import { startBroker, type TestBroker } from './testing/broker.ts';
import { makeIdentity } from './testing/identity.ts';
import { recordLog, type Line } from './testing/log.ts';
import { createTransfer, type Transfer, type TransferOptions } from './transfer.ts';

const chunkSize = 4096;

interface Bench {
  broker: TestBroker;
  transfer: Transfer;
  blob: Buffer;
  digest: Digest;
  requests: ChunkRequest[];
  lines: Line[];
  /** How the server answers a request; by default with every chunk asked for. */
  serve: (request: ChunkRequest, indices: number[], send: (index: number, bytes?: Uint8Array) => void) => void;
  fetch(wanted: number[], sink?: (index: number, bytes: Uint8Array) => Promise<void>, signal?: AbortSignal): Promise<void>;
  got: Map<number, Uint8Array>;
}

const indicesOf = ({ from, bitmap }: ChunkRequest): number[] => {
  const bits = fromBase64(bitmap);
  return Array.from({ length: bits.length * 8 }, (_, bit) => bit).flatMap((bit) => (hasBit(bits, bit) ? [from + bit] : []));
};

async function bench(chunks: number, options: Partial<TransferOptions> = {}): Promise<Bench> {
  const authority = await createTestAuthority();
  const broker = await startBroker(authority);
  const identity = await makeIdentity(authority, 'cam-1', broker.url);
  const { log, lines } = recordLog();
  const blob = randomBytes(chunks * chunkSize - 7);
  const digest = await sha256(blob);
  const stamp = createStamp(bootId.parse('boot1'), systemClock);
  const transfer = createTransfer({ identity: () => identity, stamp, clock: systemClock, random: Math.random, log, stallMs: 10_000, ...options });
  onTestFinished(() => transfer.stop());
  const got = new Map<number, Uint8Array>();
  const made: Bench = {
    broker,
    transfer,
    blob,
    digest,
    requests: [],
    lines,
    got,
    serve: (_request, indices, send) => indices.forEach((index) => send(index)),
    fetch: (wanted, sink = async (index, bytes) => void got.set(index, bytes), signal = new AbortController().signal) =>
      transfer.fetchChunks({ digest, sizeBytes: blob.length, chunkSize }, wanted, sink, signal),
  };
  const answer = (topic: string, payload: Buffer): void => {
    if (topic !== up(identity.device, 'get')) return;
    const request = decode('get', payload);
    made.requests.push(request);
    made.serve(request, indicesOf(request), (index, bytes = blob.subarray(index * chunkSize, (index + 1) * chunkSize)) =>
      broker.server.publish(chunkTopic(identity.device, request.xfer), Buffer.from(encodeChunk(index, bytes)), { qos: 0 }),
    );
  };
  broker.server.on('message', answer);
  return made;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

function expectAll({ got, blob }: Bench, wanted: number[]): void {
  expect([...got.keys()].toSorted((a, b) => a - b)).toEqual(wanted);
  for (const [index, bytes] of got) expect(Buffer.compare(bytes, blob.subarray(index * chunkSize, (index + 1) * chunkSize))).toBe(0);
}

test('a blob comes whole, with at most 64 chunks on their way', async () => {
  const made = await bench(300);
  let largest = 0;
  let owed = 0;
  const { serve } = made;
  made.serve = (request, indices, send) => {
    owed += indices.length;
    largest = Math.max(largest, owed);
    serve(request, indices, send);
  };
  await made.fetch(upTo(300), async (index, bytes) => {
    owed--;
    made.got.set(index, bytes);
  });
  expectAll(made, upTo(300));
  expect(largest).toBeLessThanOrEqual(64);
  expect(new Set(made.requests.map(({ xfer }) => xfer)).size).toBe(1);
  expect(made.requests.every(({ blob, chunkSize: size }) => blob === made.digest && size === chunkSize)).toBe(true);
});

test('only what is wanted is asked for, however it is spread, in few requests at a time', async () => {
  const made = await bench(2000);
  const wanted = [...upTo(40).map((index) => index * 49), 1999].toSorted((a, b) => a - b);
  let open = 0;
  let most = 0;
  made.serve = (_request, indices, send) => {
    most = Math.max(most, ++open);
    setImmediate(() => {
      open--;
      for (const index of indices) send(index);
    });
  };
  await made.fetch(wanted);
  expectAll(made, wanted);
  expect(most).toBeLessThanOrEqual(3);
  expect(made.requests.flatMap(indicesOf).toSorted((a, b) => a - b)).toEqual(wanted);
});

test('chunks that were lost are asked for again, those that came twice are taken once', async () => {
  const made = await bench(50, { stallMs: 200 });
  const lost = new Set([3, 17, 49]);
  made.serve = (_request, indices, send) => {
    for (const index of indices) {
      if (lost.delete(index)) continue;
      send(index);
      if (index % 9 === 0) send(index);
    }
  };
  let calls = 0;
  await made.fetch(upTo(50), async (index, bytes) => {
    calls++;
    made.got.set(index, bytes);
  });
  expectAll(made, upTo(50));
  expect(calls).toBe(50);
});

test('a broken connection is made again, and what was on its way is asked for again', async () => {
  const made = await bench(200, { stallMs: 500 });
  let served = 0;
  made.serve = (_request, indices, send) => {
    if (served++ === 1) return made.broker.drop('cam-1-x');
    for (const index of indices) send(index);
  };
  await made.fetch(upTo(200));
  expectAll(made, upTo(200));
});

test('a server that does not answer is given up after a number of attempts, each longer than the one before', async () => {
  const made = await bench(10, { stallMs: 20, attemptsMax: 4 });
  made.serve = () => {};
  await expect(made.fetch(upTo(10))).rejects.toMatchObject({ code: 'TRANSFER_STALLED' });
  expect(made.requests.length).toBeLessThanOrEqual(5);
});

test('a server that sends the same over and over is given up when it has sent too much', async () => {
  const made = await bench(3, { stallMs: 5_000 });
  made.serve = (_request, _indices, send) => {
    for (let count = 0; count < 1100; count++) send(0);
  };
  await expect(made.fetch(upTo(3))).rejects.toMatchObject({ code: 'TRANSFER_BUDGET_SPENT' });
});

test('a refusal ends the download with its code, and no other one', async () => {
  const made = await bench(10);
  made.serve = ({ xfer }) => {
    made.transfer.refused('another' as typeof xfer, 'BLOB_NOT_FOUND');
    made.transfer.refused(xfer, 'BLOB_NOT_FOUND');
  };
  await expect(made.fetch(upTo(10))).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
});

test('cancelled in the middle, nothing is handed over any more', async () => {
  const made = await bench(500);
  const cancel = new AbortController();
  let after = 0;
  const sink = async (index: number): Promise<void> => {
    if (cancel.signal.aborted) after++;
    if (index === 100) cancel.abort(new Error('changed my mind'));
  };
  await expect(made.fetch(upTo(500), sink, cancel.signal)).rejects.toThrow('changed my mind');
  await made.fetch([1]);
  expect(after).toBe(0);
});

test('what the sink cannot take ends the download with its error', async () => {
  const made = await bench(100);
  await expect(
    made.fetch(upTo(100), async (index) => {
      if (index === 5) throw new Error('disk full');
    }),
  ).rejects.toThrow('disk full');
});

test('junk on the topic of a download is counted and ignored', async () => {
  const made = await bench(5);
  made.serve = (request, indices, send) => {
    const topic = chunkTopic('cam-1' as Parameters<typeof chunkTopic>[0], request.xfer);
    for (const junk of [Buffer.alloc(0), Buffer.from([9, 9]), Buffer.from([1, 0, 0])]) made.broker.server.publish(topic, junk);
    send(70_000, new Uint8Array(10));
    for (const index of indices) send(index);
  };
  await made.fetch(upTo(5));
  expectAll(made, upTo(5));
  expect(made.lines.filter(({ event }) => event === 'chunk ignored')).toHaveLength(1);
});

test('the connection is there for downloads only', async () => {
  const made = await bench(5, { idleMs: 30 });
  expect(made.broker.connected()).not.toContain('cam-1-x');
  await made.fetch(upTo(5));
  expect(made.transfer.isConnected()).toBe(true);
  await expect.poll(() => made.broker.connected()).not.toContain('cam-1-x');
  await made.fetch(upTo(5));
  expectAll(made, upTo(5));
});
