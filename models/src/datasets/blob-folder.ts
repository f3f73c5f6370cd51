import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

import { hasCode, syncFolder, writeWhole } from '@serin/node/files';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';

import { throwIfCancelled } from '../train/cancellation.ts';

export type Bytes = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface Stored {
  readonly sha256: Digest;
  readonly bytes: number;
}

/** Bytes by the SHA-256 of their content, of any size: nothing is ever whole in memory. */
export interface BlobFolder {
  has(digest: Digest): Promise<boolean>;
  /** Returns once the bytes are on the disk for good. Content that is there already is not written again. */
  put(bytes: Bytes, signal?: AbortSignal): Promise<Stored>;
  /** The bytes; whoever reads them to the end has them checked. */
  open(digest: Digest, signal?: AbortSignal): AsyncGenerator<Buffer>;
  /** Where the bytes lie, for readers that jump about in a file. Unchecked. */
  locate(digest: Digest): string;
  list(): AsyncGenerator<Digest>;
  remove(digest: Digest): Promise<number>;
}

export async function digestOf(bytes: Bytes, signal?: AbortSignal): Promise<Stored> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const piece of bytes) {
    throwIfCancelled(signal);
    hash.update(piece);
    length += piece.length;
  }
  return { sha256: hash.digest('hex') as Digest, bytes: length };
}

/** `blobs/ab/<digest>`, written to `incoming` first: a name is only ever given to what is whole. */
export async function openBlobFolder(folder: string): Promise<BlobFolder> {
  const [blobs, incoming] = [path.join(folder, 'blobs'), path.join(folder, 'incoming')];
  for (const below of [blobs, incoming]) await mkdir(below, { recursive: true, mode: 0o700 });
  const locate = (digest: Digest): string => path.join(blobs, digest.slice(0, 2), digest);
  const sizeOf = async (digest: Digest): Promise<number | undefined> => {
    try {
      return (await stat(locate(digest))).size;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw asSerinError(error);
    }
  };

  async function* read(digest: Digest, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    try {
      for await (const piece of createReadStream(locate(digest), { highWaterMark: 256 * 1024 })) {
        throwIfCancelled(signal);
        hash.update(piece as Buffer);
        yield piece as Buffer;
      }
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw new SerinError('DATASET_DAMAGED', { detail: `the file with the digest ${digest} is missing`, cause: error });
      throw asSerinError(error);
    }
    if (hash.digest('hex') !== digest) throw new SerinError('DATASET_DAMAGED', { detail: `the file with the digest ${digest} has changed` });
  }

  async function isWhole({ sha256, bytes }: Stored): Promise<boolean> {
    if ((await sizeOf(sha256)) !== bytes) return false;
    return (await digestOf(createReadStream(locate(sha256)))).sha256 === sha256;
  }

  async function write(bytes: Bytes, temporary: string, signal: AbortSignal | undefined): Promise<Stored> {
    const hash = createHash('sha256');
    let length = 0;
    const handle = await open(temporary, 'wx', 0o600);
    try {
      for await (const piece of bytes) {
        throwIfCancelled(signal);
        hash.update(piece);
        await writeWhole(handle, piece, length);
        length += piece.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    return { sha256: hash.digest('hex') as Digest, bytes: length };
  }

  return {
    locate,
    has: async (digest) => (await sizeOf(digest)) !== undefined,
    open: read,
    async put(bytes, signal) {
      const temporary = path.join(incoming, randomBytes(12).toString('hex'));
      try {
        const stored = await write(bytes, temporary, signal);
        // A damaged copy is replaced: putting the bytes again is how a blob is repaired.
        if (await isWhole(stored)) return stored;
        const shard = path.dirname(locate(stored.sha256));
        if ((await mkdir(shard, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(blobs);
        await rename(temporary, locate(stored.sha256));
        await syncFolder(shard);
        return stored;
      } catch (error) {
        throw asSerinError(error);
      } finally {
        await rm(temporary, { force: true });
      }
    },
    async *list() {
      for (const shard of (await readdir(blobs)).sort()) {
        for (const name of (await readdir(path.join(blobs, shard))).sort()) if (digestSchema.safeParse(name).success) yield name as Digest;
      }
    },
    async remove(digest) {
      const size = (await sizeOf(digest)) ?? 0;
      await rm(locate(digest), { force: true });
      return size;
    },
  };
}
