import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import { digest as digestSchema, type Digest } from '@serin/protocol/ids';
import { syncFile, syncFolder, writeFileDurably } from '@serin/node/files';

/** Bytes by the SHA-256 of their content. What is in it once never changes. */
export interface BlobStore {
  /** Returns when the bytes are on the disk. The same bytes again cost nothing. */
  put(bytes: Uint8Array): Promise<Digest>;
  has(digest: Digest): Promise<boolean>;
  /** Takes a finished file of this disk in, whatever its size; it is gone from its place afterwards. The caller may know its digest already. */
  adopt(file: string, known?: Digest): Promise<Digest>;
  /** Where the bytes lie, for processes that read them as a file. */
  locate(digest: Digest): string;
  /** The bytes, checked against their digest. */
  read(digest: Digest): Promise<Uint8Array>;
  /** A part, unchecked: whoever reads parts checks them by chunk digests. */
  readRange(digest: Digest, offset: number, length: number): Promise<Uint8Array>;
  size(digest: Digest): Promise<number | undefined>;
}

const sha256 = (bytes: Uint8Array): Digest => createHash('sha256').update(bytes).digest('hex') as Digest;
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

function faultOf(digest: Digest, error: unknown): unknown {
  return isMissing(error) ? new SerinError('BLOB_NOT_FOUND', { detail: digest }) : asSerinError(error);
}

export async function digestFile(file: string): Promise<Digest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex') as Digest;
}

/** Two levels of folders, so that no folder grows beyond what file systems list quickly. */
export const blobFile = (folder: string, digest: Digest): string => path.join(folder, digest.slice(0, 2), digest.slice(2, 4), digest);

async function makeFolders(folder: string, digest: Digest): Promise<void> {
  const shard = path.dirname(blobFile(folder, digest));
  const made = await mkdir(shard, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  for (let parent = path.dirname(shard); parent.length >= folder.length; parent = path.dirname(parent)) await syncFolder(parent);
}

/** Removes what writes that were cut off left behind. */
async function sweepTemporaries(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && !digestSchema.safeParse(entry.name).success) await rm(path.join(entry.parentPath, entry.name), { force: true });
  }
}

export async function openDiskBlobs(folder: string): Promise<BlobStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await sweepTemporaries(folder);
  const size = async (digest: Digest): Promise<number | undefined> => {
    try {
      return (await stat(blobFile(folder, digest))).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw asSerinError(error);
    }
  };
  const holds = async (digest: Digest, bytes: Uint8Array): Promise<boolean> => {
    if ((await size(digest)) !== bytes.length) return false;
    return sha256(await readFile(blobFile(folder, digest))) === digest;
  };
  return {
    size,
    has: async (digest) => (await size(digest)) !== undefined,
    async put(bytes) {
      const digest = sha256(bytes);
      // A damaged copy is replaced: putting the bytes again is how a blob is repaired.
      if (await holds(digest, bytes)) return digest;
      try {
        await makeFolders(folder, digest);
        await writeFileDurably(blobFile(folder, digest), bytes);
      } catch (error) {
        throw asSerinError(error);
      }
      return digest;
    },
    locate: (digest) => blobFile(folder, digest),
    async adopt(file, known) {
      try {
        const digest = known ?? (await digestFile(file));
        await syncFile(file);
        await makeFolders(folder, digest);
        // Over a copy that may be there and damaged: the new bytes are the ones that were checked last.
        await rename(file, blobFile(folder, digest));
        await syncFolder(path.dirname(blobFile(folder, digest)));
        return digest;
      } catch (error) {
        throw asSerinError(error);
      }
    },
    async read(digest) {
      let bytes: Buffer;
      try {
        bytes = await readFile(blobFile(folder, digest));
      } catch (error) {
        throw faultOf(digest, error);
      }
      if (sha256(bytes) !== digest) throw new SerinError('BUNDLE_DIGEST_MISMATCH', { detail: digest });
      return bytes;
    },
    async readRange(digest, offset, length) {
      try {
        const handle = await open(blobFile(folder, digest), 'r');
        try {
          const bytes = Buffer.alloc(length);
          const { bytesRead } = await handle.read(bytes, 0, length, offset);
          return bytes.subarray(0, bytesRead);
        } finally {
          await handle.close();
        }
      } catch (error) {
        throw faultOf(digest, error);
      }
    },
  };
}
