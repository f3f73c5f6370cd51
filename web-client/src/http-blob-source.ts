import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { chunkLength } from '@serin/protocol/bundle/chunks';
import type { BlobSource } from '@serin/device/ports';

type Blob = Parameters<BlobSource['fetchChunks']>[0];
type Sink = Parameters<BlobSource['fetchChunks']>[2];

export interface HttpBlobSourceOptions {
  baseUrl: string;
  fetch: typeof globalThis.fetch;
}

/** Runs of consecutive indices, so that one request serves many chunks. */
export function runsOf(indices: readonly number[]): { first: number; last: number }[] {
  const runs: { first: number; last: number }[] = [];
  for (const index of indices.toSorted((left, right) => left - right)) {
    const run = runs.at(-1);
    if (run !== undefined && index <= run.last + 1) run.last = index;
    else runs.push({ first: index, last: index });
  }
  return runs;
}

/** Blobs by HTTP ranges. A server that ignores the range sends the whole blob, which serves as well. */
export class HttpBlobSource implements BlobSource {
  readonly #baseUrl: string;
  readonly #fetch: typeof globalThis.fetch;

  constructor({ baseUrl, fetch }: HttpBlobSourceOptions) {
    this.#baseUrl = baseUrl;
    this.#fetch = fetch;
  }

  async fetchChunks(blob: Blob, wanted: readonly number[], sink: Sink, signal: AbortSignal): Promise<void> {
    for (const { first, last } of runsOf(wanted)) {
      const from = first * blob.chunkSize;
      const to = last * blob.chunkSize + chunkLength(last, blob.sizeBytes, blob.chunkSize);
      const isWhole = from === 0 && to === blob.sizeBytes;
      const response = await this.#request(blob.digest, isWhole ? {} : { range: `bytes=${from}-${to - 1}` }, signal);
      const isPart = response.status === 206;
      await readChunks(response, blob, { start: isPart ? from : 0, first, last }, sink, signal);
    }
  }

  async #request(digest: Digest, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      // Verified blobs have a cache of their own; the browser's would hand out a damaged one again and again.
      response = await this.#fetch(`${this.#baseUrl}/blobs/${digest}`, { headers, signal, cache: 'no-store' });
    } catch (cause) {
      throw signal.aborted ? new SerinError('CANCELLED', { cause }) : new SerinError('SERVER_UNREACHABLE', { cause });
    }
    if (response.ok) return response;
    if (response.status === 404) throw new SerinError('BLOB_NOT_FOUND', { detail: digest });
    if (response.status === 401) throw new SerinError('NOT_SIGNED_IN');
    throw new SerinError('TRANSFER_STALLED', { detail: `HTTP ${response.status}` });
  }
}

/** Cuts a body that begins at byte `start` of the blob into its chunks, holding one chunk at a time. */
async function readChunks(
  response: Response,
  { sizeBytes, chunkSize }: Blob,
  { start, first, last }: { start: number; first: number; last: number },
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let index = Math.floor(start / chunkSize);
  let chunk = new Uint8Array(chunkLength(index, sizeBytes, chunkSize));
  let filled = 0;
  try {
    while (index <= last) {
      const { done, value } = await reader.read();
      if (done) throw new SerinError('TRANSFER_STALLED', { detail: 'the connection ended early' });
      for (let at = 0; at < value.length && index <= last;) {
        const taken = Math.min(chunk.length - filled, value.length - at);
        chunk.set(value.subarray(at, at + taken), filled);
        filled += taken;
        at += taken;
        if (filled < chunk.length) continue;
        if (index >= first) await sink(index, chunk);
        index++;
        filled = 0;
        chunk = new Uint8Array(index <= last ? chunkLength(index, sizeBytes, chunkSize) : 0);
      }
    }
  } catch (thrown) {
    if (thrown instanceof SerinError) throw thrown;
    throw signal.aborted ? new SerinError('CANCELLED', { cause: thrown }) : new SerinError('TRANSFER_STALLED', { cause: thrown });
  } finally {
    await reader.cancel().catch(() => {});
  }
}
