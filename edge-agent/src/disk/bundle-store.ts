import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, statfs, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { BlobPart, BundleStore } from '@serin/device/ports';
import { chunkCount, chunkLength, emptyBitmap, setBit } from '@serin/protocol/bundle/chunks';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';
import { hasCode, syncFolder, writeWhole } from '@serin/node/files';

export interface DiskBundleStoreOptions {
  folder: string;
  /** Finished and partial blobs together may take this much. */
  bytesMax: number;
  now: () => number;
}

/** A power loss costs at most this much of a download. */
const syncBytes = 1024 * 1024;
/** A part nobody went on with for this long is given up. */
const partAgeMaxMs = 7 * 24 * 3_600_000;

const coded = (error: unknown): never => {
  throw asSerinError(error);
};

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file, { highWaterMark: syncBytes })) hash.update(bytes as Uint8Array);
  return hash.digest('hex');
}

/**
 * Blobs by digest in `blobs/`; downloads in `parts/` as a file of the final length with a bitmap beside it.
 * A bit is written only after its chunk was synced, and bits only ever appear, so a torn bitmap is still a true one.
 */
export async function openBundleStore({ folder, bytesMax, now }: DiskBundleStoreOptions): Promise<BundleStore> {
  const blobs = path.join(folder, 'blobs');
  const parts = path.join(folder, 'parts');
  await mkdir(blobs, { recursive: true, mode: 0o700 });
  await mkdir(parts, { recursive: true, mode: 0o700 });
  for (const name of await readdir(parts)) {
    const file = path.join(parts, name);
    if (now() - (await stat(file)).mtimeMs > partAgeMaxMs) await rm(file, { force: true });
  }
  const blobFile = (digest: Digest): string => path.join(blobs, digestSchema.parse(digest));
  const partFile = (digest: Digest): string => path.join(parts, `${digestSchema.parse(digest)}.part`);
  const bitsFile = (digest: Digest): string => path.join(parts, `${digestSchema.parse(digest)}.bits`);
  const opened = new Set<Digest>();

  async function usedBytes(): Promise<number> {
    let used = 0;
    for (const place of [blobs, parts]) {
      for (const name of await readdir(place)) used += (await stat(path.join(place, name)).catch(() => undefined))?.size ?? 0;
    }
    return used;
  }

  return {
    has: (digest) => exists(blobFile(digest)),
    read: (digest) =>
      readFile(blobFile(digest)).catch((cause: unknown) => {
        throw hasCode(cause, 'ENOENT') ? new SerinError('BLOB_NOT_FOUND', { detail: digest, cause }) : asSerinError(cause);
      }),
    async openPart(digest, sizeBytes, chunkSize) {
      if (opened.has(digest)) throw new SerinError('CONFLICT', { detail: `${digest} is being fetched already` });
      opened.add(digest);
      try {
        const files = { part: partFile(digest), bits: bitsFile(digest), blob: blobFile(digest) };
        return await openPart({ files, digest, sizeBytes, chunkSize, onClosed: () => opened.delete(digest) });
      } catch (error) {
        opened.delete(digest);
        return coded(error);
      }
    },
    async list() {
      return (await readdir(blobs)).flatMap((name) => {
        const parsed = digestSchema.safeParse(name);
        return parsed.success ? [parsed.data] : [];
      });
    },
    async remove(digest) {
      await rm(blobFile(digest), { force: true });
      if (!opened.has(digest)) await removePart(partFile(digest), bitsFile(digest));
      await syncFolder(blobs);
    },
    async freeBytes() {
      const { bavail, bsize } = await statfs(folder);
      return Math.max(0, Math.min(bavail * bsize, bytesMax - (await usedBytes())));
    },
  };
}

/** The bitmap first: without it the part counts for nothing. */
async function removePart(part: string, bits: string): Promise<void> {
  await rm(bits, { force: true });
  await rm(part, { force: true });
}

interface PartPlan {
  files: { part: string; bits: string; blob: string };
  digest: Digest;
  sizeBytes: number;
  chunkSize: number;
  onClosed: () => void;
}

/** Head of the bitmap file: what the bits are about. */
function bitsHead(sizeBytes: number, chunkSize: number): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64BE(BigInt(sizeBytes));
  head.writeUInt32BE(chunkSize, 8);
  return head;
}

async function openPart({ files, digest, sizeBytes, chunkSize, onClosed }: PartPlan): Promise<BlobPart> {
  const bitmap = emptyBitmap(chunkCount(sizeBytes, chunkSize));
  const head = bitsHead(sizeBytes, chunkSize);
  const [size, stored] = await Promise.all([
    stat(files.part).then(
      (found) => found.size,
      () => undefined,
    ),
    readFile(files.bits).catch(() => Buffer.alloc(0)),
  ]);
  const resumes = size === sizeBytes && stored.length === head.length + bitmap.length && stored.subarray(0, head.length).equals(head);
  if (resumes) bitmap.set(stored.subarray(head.length));
  else await removePart(files.part, files.bits);

  const part = await open(files.part, resumes ? 'r+' : 'wx+', 0o600);
  let bits: FileHandle;
  try {
    if (!resumes) await part.truncate(sizeBytes);
    bits = await open(files.bits, resumes ? 'r+' : 'wx+', 0o600);
  } catch (error) {
    await part.close();
    throw error;
  }
  let unsyncedBytes = 0;
  let queue: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = queue.then(work);
    queue = turn.catch(() => undefined);
    return turn.catch(coded);
  };
  /** Chunks first, then the bits that vouch for them. */
  const sync = async (): Promise<void> => {
    const vouched = bitmap.slice();
    await part.datasync();
    await writeWhole(bits, vouched, head.length);
    await bits.datasync();
    unsyncedBytes = 0;
  };
  const closeFiles = async (): Promise<void> => {
    isClosed = true;
    onClosed();
    await part.close();
    await bits.close();
  };
  if (!resumes) {
    await writeWhole(bits, head, 0);
    await sync();
    await syncFolder(path.dirname(files.part));
  }

  return {
    bitmap,
    write: (index, bytes) =>
      inTurn(async () => {
        if (bytes.length !== chunkLength(index, sizeBytes, chunkSize))
          throw new SerinError('CHUNK_INVALID', { detail: `chunk ${index} has ${bytes.length} bytes` });
        await writeWhole(part, bytes, index * chunkSize);
        setBit(bitmap, index);
        unsyncedBytes += bytes.length;
        if (unsyncedBytes >= syncBytes) await sync();
      }),
    finish: () =>
      inTurn(async () => {
        await sync();
        const actual = await hashFile(files.part);
        await closeFiles();
        if (actual !== digest) {
          await removePart(files.part, files.bits);
          throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: `${digest.slice(0, 12)} came as ${actual.slice(0, 12)}` });
        }
        await rename(files.part, files.blob);
        await syncFolder(path.dirname(files.blob));
        await rm(files.bits, { force: true });
        await syncFolder(path.dirname(files.part));
      }),
    close: () =>
      inTurn(async () => {
        if (isClosed) return;
        try {
          await sync();
        } finally {
          await closeFiles();
        }
      }),
  };
}
