import type { BlobSource, Clock } from '@serin/device/ports';
import { decodeChunk, emptyBitmap, setBit } from '@serin/protocol/bundle/chunks';
import { encode } from '@serin/protocol/codec';
import { toBase64 } from '@serin/protocol/digest';
import { asSerinError, isErrorCode, SerinError } from '@serin/protocol/errors';
import { transferId, type Digest, type TransferId } from '@serin/protocol/ids';
import { creditChunksMax } from '@serin/protocol/limits';
import { chunkTopic, clientIds, transferFilters, up } from '@serin/protocol/topics';
import type { Identity } from './identity.ts';
import type { Log } from './log.ts';
import { createMqttConnection } from './mqtt/connection.ts';
import { createQuietLog } from './quiet-log.ts';
import type { Stamp } from './stamp.ts';

export interface TransferOptions {
  identity(): Identity;
  stamp: Stamp;
  clock: Clock;
  random(): number;
  log: Log;
  /** Nothing came for this long: what is outstanding is asked for again. Grows with every time in vain. */
  stallMs?: number;
  /** Times in vain, in a row, before the download is given up for now. */
  attemptsMax?: number;
  /** The connection is closed when nobody downloads for this long. */
  idleMs?: number;
}

export interface Transfer extends BlobSource {
  /** The server cannot serve it; said on the control connection. */
  refused(xfer: TransferId, code: string): void;
  isConnected(): boolean;
  stop(): Promise<void>;
}

type Sink = (index: number, bytes: Uint8Array) => Promise<void>;

interface Download {
  xfer: TransferId;
  onChunk(index: number, bytes: Uint8Array): void;
  onConnected(): void;
  fail(error: unknown): void;
}

const longestStallMs = 15_000;
const requestsMax = 3;
/** Bytes that may come twice before it is more than bad luck. */
const spareBytes = 4 * 1024 * 1024;
const idLetters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * Blobs pulled chunk by chunk on a connection of their own, so that control never queues behind them.
 * Each request is credit: at most 64 chunks are on their way, and more are asked for when half of them came.
 */
export function createTransfer(options: TransferOptions): Transfer {
  const { stamp, clock, log, idleMs = 10_000 } = options;
  const { device } = options.identity();
  const quiet = createQuietLog(() => clock.elapsed());
  const downloads = new Map<string, Download>();
  let idling = new AbortController();
  let closing: Promise<void> = Promise.resolve();
  let isStopped = false;

  const connection = createMqttConnection({
    clientId: clientIds(device).transfer,
    identity: options.identity,
    filters: transferFilters(device),
    clock,
    random: options.random,
    log,
    async onConnected() {
      for (const download of downloads.values()) download.onConnected();
    },
    onDisconnected() {},
    onMessage(topic, payload) {
      const download = downloads.get(topic);
      // Chunks of a download that has ended are still on their way.
      if (download === undefined) return;
      try {
        const { index, payload: bytes } = decodeChunk(payload);
        download.onChunk(index, bytes);
      } catch (thrown) {
        const { code, detail } = asSerinError(thrown);
        quiet(code, (count) => log.warn({ code, detail, count }, 'chunk ignored'));
      }
    },
  });

  function open(download: Download): void {
    idling.abort();
    downloads.set(chunkTopic(device, download.xfer), download);
    void closing.then(() => {
      if (!isStopped && downloads.size > 0) connection.start();
    });
    if (connection.session() !== undefined) download.onConnected();
  }

  function close(download: Download): void {
    downloads.delete(chunkTopic(device, download.xfer));
    if (downloads.size > 0) return;
    idling = new AbortController();
    const { signal } = idling;
    void clock.sleep(idleMs, signal).then(() => {
      if (!signal.aborted && downloads.size === 0) closing = closing.then(() => connection.stop());
    });
  }

  async function request(blob: { digest: Digest; chunkSize: number }, xfer: TransferId, indices: readonly number[]): Promise<void> {
    const session = connection.session();
    const [from] = indices;
    if (session === undefined || from === undefined) return;
    const bits = emptyBitmap(creditChunksMax);
    for (const index of indices) setBit(bits, index - from);
    const message = { ...stamp(), xfer, blob: blob.digest, chunkSize: blob.chunkSize, from, bitmap: toBase64(bits) };
    await session.publish(up(device, 'get'), encode('get', message), { qos: 0 });
  }

  return {
    isConnected: () => connection.session() !== undefined,
    refused(xfer, code) {
      const error = new SerinError(isErrorCode(code) ? code : 'BLOB_NOT_FOUND', { detail: 'the server refuses the transfer' });
      downloads.get(chunkTopic(device, xfer))?.fail(error);
    },
    async fetchChunks(blob, wanted, sink, signal) {
      signal.throwIfAborted();
      if (isStopped) throw new SerinError('UNAVAILABLE', { detail: 'stopping' });
      if (wanted.length === 0) return;
      const id = Array.from({ length: 16 }, () => idLetters[Math.floor(options.random() * idLetters.length)]).join('');
      const xfer = transferId.parse(id);
      const work = createDownload({ ...options, blob, wanted, sink, xfer, request: (indices) => request(blob, xfer, indices) });
      const abort = (): void => work.download.fail(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      open(work.download);
      try {
        await work.done;
      } finally {
        signal.removeEventListener('abort', abort);
        close(work.download);
      }
    },
    async stop() {
      isStopped = true;
      idling.abort();
      for (const download of downloads.values()) download.fail(new SerinError('UNAVAILABLE', { detail: 'stopping' }));
      await closing;
      await connection.stop();
    },
  };
}

interface DownloadPlan extends Pick<TransferOptions, 'clock' | 'random' | 'stallMs' | 'attemptsMax'> {
  blob: { digest: Digest; sizeBytes: number; chunkSize: number };
  wanted: readonly number[];
  sink: Sink;
  xfer: TransferId;
  request(indices: readonly number[]): Promise<void>;
}

/** One download: which chunks are still to come, which of them were asked for, and when to ask again. */
function createDownload(plan: DownloadPlan): { download: Download; done: Promise<void> } {
  const { clock, blob, wanted, sink, stallMs = 3_000, attemptsMax = 8 } = plan;
  const missing = new Set(wanted.toSorted((left, right) => left - right));
  /** Chunks on their way; each request is the set of those it still owes. */
  let requests: Set<number>[] = [];
  const bytesMax = 2 * wanted.length * blob.chunkSize + spareBytes;
  let receivedBytes = 0;
  let attempts = 0;
  let writing: Promise<void> = Promise.resolve();
  let unwritten = 0;
  let isOver = false;
  let waiting = new AbortController();
  let settle: (error?: unknown) => void = () => {};

  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => {
      isOver = true;
      waiting.abort();
      if (error === undefined) resolve();
      else reject(error as Error);
    };
  });

  const outstanding = (): number => requests.reduce((sum, request) => sum + request.size, 0);

  /** Each request covers chunks less than 64 apart; few requests at a time, because the server keeps few. */
  function ask(): void {
    let credit = creditChunksMax - outstanding() - unwritten;
    const asked = new Set(requests.flatMap((request) => [...request]));
    let range: number[] = [];
    const send = (): void => {
      if (range.length === 0) return;
      requests.push(new Set(range));
      plan.request(range).catch(() => undefined);
      range = [];
    };
    for (const index of missing) {
      if (asked.has(index)) continue;
      if (range.length > 0 && index - (range[0] ?? 0) >= creditChunksMax) send();
      if (credit <= 0 || requests.length >= requestsMax) break;
      range.push(index);
      credit--;
    }
    send();
  }

  function askAgain(): void {
    requests = [];
    ask();
  }

  /** Until a chunk comes, or the end. */
  function watch(): void {
    waiting.abort();
    waiting = new AbortController();
    const { signal } = waiting;
    const patienceMs = Math.min(longestStallMs, stallMs * 2 ** attempts) * (0.75 + plan.random() / 2);
    void clock.sleep(patienceMs, signal).then(() => {
      if (signal.aborted) return;
      // A disk that is slow is no fault of the server.
      if (unwritten === 0 && ++attempts >= attemptsMax) {
        return settle(new SerinError('TRANSFER_STALLED', { detail: `${missing.size} of ${wanted.length} chunks missing` }));
      }
      if (unwritten === 0) askAgain();
      watch();
    });
  }

  function onChunk(index: number, bytes: Uint8Array): void {
    receivedBytes += bytes.length;
    if (receivedBytes > bytesMax) return settle(new SerinError('TRANSFER_BUDGET_SPENT', { detail: `${receivedBytes} bytes for ${wanted.length} chunks` }));
    if (!missing.delete(index)) return;
    for (const request of requests) request.delete(index);
    requests = requests.filter((request) => request.size > 0);
    attempts = 0;
    unwritten++;
    watch();
    writing = writing.then(() => (isOver ? undefined : sink(index, bytes))).then(onWritten, settle);
  }

  function onWritten(): void {
    unwritten--;
    if (isOver) return;
    if (missing.size === 0 && unwritten === 0) settle();
    else if (outstanding() + unwritten <= creditChunksMax / 2) ask();
  }

  watch();
  return { download: { xfer: plan.xfer, onChunk, onConnected: askAgain, fail: settle }, done };
}
