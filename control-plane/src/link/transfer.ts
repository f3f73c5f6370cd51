import { setTimeout as sleep } from 'node:timers/promises';
import { encodeChunk, hasBit } from '@serin/protocol/bundle/chunks';
import { encode } from '@serin/protocol/codec';
import { fromBase64 } from '@serin/protocol/digest';
import { asSerinError, type ErrorCode } from '@serin/protocol/errors';
import type { DeviceId } from '@serin/protocol/ids';
import { creditChunksMax } from '@serin/protocol/limits';
import type { ChunkRequest } from '@serin/protocol/messages/transfer';
import { chunkTopic, down } from '@serin/protocol/topics';
import type { BlobStore } from '../blobs/disk.ts';
import { createBuckets, createTokenBucket, type Rate } from '../broker/token-bucket.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';
import { createQuietLog } from './log-quietly.ts';
import type { ServerLink } from './server-link.ts';

export interface TransferLimits {
  /** Bytes a second, to one device and to all. */
  device: Rate;
  global: Rate;
  /** Requests of one device that wait; a newer one takes the place of the oldest. */
  requestsPerDeviceMax: number;
  /** Devices served at once; others wait their turn. */
  devicesAtOnceMax: number;
  devicesWaitingMax: number;
}

export const transferLimits: TransferLimits = {
  device: { perSecond: 32 * 1024 * 1024, burst: 4 * 1024 * 1024 },
  global: { perSecond: 200 * 1024 * 1024, burst: 16 * 1024 * 1024 },
  requestsPerDeviceMax: 4,
  devicesAtOnceMax: 16,
  devicesWaitingMax: 10_000,
};

export interface TransferCounts {
  chunks: number;
  bytes: number;
  refused: number;
}

export interface TransferOptions {
  blobs: Pick<BlobStore, 'size' | 'readRange'>;
  link: Pick<ServerLink, 'publish'>;
  isActive(device: DeviceId): Promise<boolean>;
  clock: Clock;
  log: Log;
  limits?: Partial<TransferLimits>;
}

export interface Transfer extends Service {
  readonly counts: Readonly<TransferCounts>;
  request(device: DeviceId, request: ChunkRequest): void;
}

const refusalMs = 30_000;

/** Chunk numbers asked for, ascending; nothing when the bitmap is not one. */
export function wantedChunks({ from, bitmap }: Pick<ChunkRequest, 'from' | 'bitmap'>): number[] {
  let bits: Uint8Array;
  try {
    bits = fromBase64(bitmap);
  } catch {
    return [];
  }
  const wanted: number[] = [];
  for (let bit = 0; bit < Math.min(bits.length * 8, creditChunksMax); bit++) if (hasBit(bits, bit)) wanted.push(from + bit);
  return wanted;
}

/** Answers requests for chunks straight from the blob store. Nothing is remembered beyond the request. */
export function createTransfer(options: TransferOptions): Transfer {
  const { blobs, link, clock, log } = options;
  const limits: TransferLimits = { ...transferLimits, ...options.limits };
  const perDevice = createBuckets(limits.device, 50_000);
  const global = createTokenBucket(limits.global, clock());
  const quiet = createQuietLog(clock);
  const counts: TransferCounts = { chunks: 0, bytes: 0, refused: 0 };
  /** In order of arrival: a map remembers it. */
  const waiting = new Map<DeviceId, ChunkRequest[]>();
  const serving = new Map<DeviceId, Promise<void>>();
  let stopping = new AbortController();

  const refuse = async (device: DeviceId, { xfer }: ChunkRequest, code: ErrorCode): Promise<void> => {
    counts.refused++;
    await link.publish(down(device, 'cmd'), encode('cmd', { v: 1, kind: 'transfer-refused', exp: clock() + refusalMs, xfer, code }), { qos: 1 });
  };

  const serve = async (device: DeviceId, request: ChunkRequest): Promise<void> => {
    const { blob, chunkSize, xfer } = request;
    if (!(await options.isActive(device))) return;
    const sizeBytes = await blobs.size(blob);
    if (sizeBytes === undefined) return refuse(device, request, 'BLOB_NOT_FOUND');
    const chunks = wantedChunks(request).filter((index) => index * chunkSize < sizeBytes);
    if (chunks.length === 0) return refuse(device, request, 'BAD_REQUEST');
    for (const index of chunks) {
      const length = Math.min(chunkSize, sizeBytes - index * chunkSize);
      const now = clock();
      const waitMs = Math.max(perDevice.takeLater(device, length, now), global.takeLater(length, now));
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: stopping.signal, ref: false });
      stopping.signal.throwIfAborted();
      const bytes = await blobs.readRange(blob, index * chunkSize, length);
      await link.publish(chunkTopic(device, xfer), encodeChunk(index, bytes), { qos: 0 });
      counts.chunks++;
      counts.bytes += bytes.length;
    }
  };

  const serveAll = async (device: DeviceId): Promise<void> => {
    for (let request = waiting.get(device)?.shift(); request !== undefined; request = waiting.get(device)?.shift()) {
      try {
        await serve(device, request);
      } catch (thrown) {
        if (stopping.signal.aborted) break;
        // The device asks again for what did not come.
        const error = asSerinError(thrown);
        quiet.say(error.code, (swallowed) => log.warn({ deviceId: device, code: error.code, detail: error.detail, swallowed }, 'chunks not served'));
      }
    }
    waiting.delete(device);
    serving.delete(device);
    startNext();
  };

  const startNext = (): void => {
    if (stopping.signal.aborted) return;
    for (const device of waiting.keys()) {
      if (serving.size >= limits.devicesAtOnceMax) return;
      if (!serving.has(device)) serving.set(device, serveAll(device));
    }
  };

  return {
    name: 'transfer',
    counts,
    request(device, request) {
      if (stopping.signal.aborted) return;
      const requests = waiting.get(device);
      if (requests === undefined) {
        if (waiting.size >= limits.devicesWaitingMax) return;
        waiting.set(device, [request]);
      } else {
        requests.push(request);
        if (requests.length > limits.requestsPerDeviceMax) requests.shift();
      }
      startNext();
    },
    async start() {
      stopping = new AbortController();
    },
    async stop() {
      stopping.abort();
      waiting.clear();
      await Promise.allSettled(serving.values());
    },
  };
}
