import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { uploadBytesMax } from '@serin/protocol/api/data-routes';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';
import { hasCode, writeWhole } from '@serin/node/files';
import type { BlobStore } from '../blobs/disk.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { createRounds } from '../rounds.ts';
import type { Service } from '../service.ts';

export interface UploadsOptions {
  /** On the disk of the blobs: a finished file is moved, not copied. */
  folder: string;
  blobs: BlobStore;
  clock: Clock;
  log: Log;
  /** A file nobody went on with for so long is forgotten. */
  idleMs: number;
  /** Unfinished files at once. */
  filesMax?: number;
  freeBytesMin?: number;
}

export interface UploadState {
  received: number;
  complete: boolean;
}

export interface Uploads extends Service {
  state(digest: Digest): Promise<UploadState>;
  /** Adds a piece that begins where the file ends so far; any other piece changes nothing, and the reply says where to go on. */
  add(digest: Digest, piece: { offset: number; total: number; bytes: Uint8Array }): Promise<UploadState>;
  sweep(): Promise<void>;
}

const pollMs = 600_000;
const suffix = '.part';

/** The digest of what has come so far, as long as the pieces come one after the other; after a restart the file is read again. */
interface Progress {
  hash: Hash;
  bytes: number;
}
const progressesMax = 256;

/** Files in pieces, by the digest of the whole. What has come is the length of a file on the disk: a restart loses nothing. */
export function createUploads({ folder, blobs, clock, log, idleMs, filesMax = 1000, freeBytesMin = 256 << 20 }: UploadsOptions): Uploads {
  const fileOf = (digest: Digest): string => path.join(folder, `${digest}${suffix}`);
  const busy = new Map<Digest, Promise<unknown>>();
  const progresses = new Map<Digest, Progress>();

  async function lengthOf(digest: Digest): Promise<number | undefined> {
    try {
      return (await stat(fileOf(digest))).size;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw asSerinError(error);
    }
  }

  /** Pieces of one file one after the other. */
  async function inTurn<Result>(digest: Digest, work: () => Promise<Result>): Promise<Result> {
    const turn = (busy.get(digest) ?? Promise.resolve()).then(work, work);
    busy.set(digest, turn);
    try {
      return await turn;
    } finally {
      if (busy.get(digest) === turn) busy.delete(digest);
    }
  }

  async function state(digest: Digest): Promise<UploadState> {
    const size = await blobs.size(digest);
    return size === undefined ? { received: (await lengthOf(digest)) ?? 0, complete: false } : { received: size, complete: true };
  }

  async function requireRoom(missingBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize - missingBytes < freeBytesMin)
      throw new SerinError('DISK_FULL', { detail: `the rest of the file needs ${missingBytes} bytes, and ${bavail * bsize} are left` });
  }

  async function begin(total: number): Promise<void> {
    const files = (await readdir(folder)).filter((name) => name.endsWith(suffix)).length;
    if (files >= filesMax) throw new SerinError('TOO_MANY_REQUESTS', { detail: `${filesMax} files are being sent`, hint: 'Wait until some of them have come' });
    await requireRoom(total);
  }

  async function append(digest: Digest, offset: number, bytes: Uint8Array): Promise<void> {
    const handle = await open(fileOf(digest), offset === 0 ? 'w' : 'r+', 0o600);
    try {
      await writeWhole(handle, bytes, offset);
      // Persisted before it is acknowledged.
      await handle.datasync();
    } catch (error) {
      // What came of a piece that failed is not counted.
      await handle.truncate(offset).catch(() => undefined);
      throw asSerinError(error);
    } finally {
      await handle.close();
    }
    const known = offset === 0 ? { hash: createHash('sha256'), bytes: 0 } : progresses.get(digest);
    if (known?.bytes !== offset) progresses.delete(digest);
    else {
      known.hash.update(bytes);
      known.bytes += bytes.length;
      progresses.set(digest, known);
      const [oldest] = progresses.keys();
      if (progresses.size > progressesMax && oldest !== undefined) progresses.delete(oldest);
    }
  }

  async function finish(digest: Digest, total: number): Promise<UploadState> {
    const known = progresses.get(digest);
    progresses.delete(digest);
    let hash = known?.hash;
    if (known?.bytes !== total || hash === undefined) {
      hash = createHash('sha256');
      await pipeline(createReadStream(fileOf(digest)), hash, { end: false });
    }
    const found = hash.digest('hex');
    if (found !== digest) {
      await rm(fileOf(digest), { force: true });
      throw new SerinError('UPLOAD_MISMATCH', { detail: `the ${total} bytes have the digest ${found}, not ${digest}` });
    }
    await blobs.adopt(fileOf(digest), digest);
    return { received: total, complete: true };
  }

  async function sweep(): Promise<void> {
    const before = clock() - idleMs;
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name);
      const found = await stat(file).catch(() => undefined);
      const digest = digestSchema.safeParse(name.slice(0, -suffix.length));
      if (found === undefined || (digest.success && name.endsWith(suffix) && (found.mtimeMs >= before || busy.has(digest.data)))) continue;
      await rm(file, { force: true, recursive: true });
      if (digest.success) progresses.delete(digest.data);
      log.info({ file: name, bytes: found.size }, 'abandoned upload removed');
    }
  }

  const rounds = createRounds({
    pollMs,
    work: async () => {
      await sweep();
      return false;
    },
    onError: (error) => log.warn({ err: asSerinError(error) }, 'abandoned uploads not removed'),
  });

  return {
    name: 'uploads',
    state,
    sweep,
    add: (digest, { offset, total, bytes }) =>
      inTurn(digest, async () => {
        if (total > uploadBytesMax) throw new SerinError('TOO_LARGE', { detail: `${total} bytes; a file has at most ${uploadBytesMax}` });
        if (offset + bytes.length > total) throw new SerinError('BAD_REQUEST', { detail: `the piece ends at ${offset + bytes.length}, the file at ${total}` });
        const present = await state(digest);
        if (present.complete || offset !== present.received) return present;
        if (bytes.length === 0 && total > offset) throw new SerinError('BAD_REQUEST', { detail: 'the piece is empty' });
        if (offset === 0) await begin(total);
        else await requireRoom(total - offset);
        await append(digest, offset, bytes);
        return offset + bytes.length === total ? finish(digest, total) : { received: offset + bytes.length, complete: false };
      }),
    async start() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      rounds.start();
    },
    stop: () => rounds.stop(),
  };
}
