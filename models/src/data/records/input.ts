import { open, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

import { throwIfCancelled } from '../../train/cancellation.ts';
import { FileProblem } from '../folder.ts';
import { addProblem, type Problem, type Problems } from '../problems.ts';

export interface ReadProgress {
  /** Of the file as it lies on the disk. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export const recordLimits = {
  /** Of a file once it is unpacked: a small archive may hold terabytes of nothing. */
  fileBytesMax: 256 * 2 ** 30,
  /** Of one line or one text. */
  lineBytesMax: 4 * 2 ** 20,
  columnsMax: 4096,
  nameLengthMax: 128,
} as const;

/** What every reader of records takes. Faults go into `problems`; only a cancelled read throws. */
export interface ReadRecordsOptions {
  readonly problems: Problems;
  /** The file as problems name it; the name it has on the disk when left out. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ReadProgress) => void) | undefined;
  readonly limits?: Partial<Record<keyof typeof recordLimits, number>> | undefined;
}

export const fileName = (file: string, { name }: ReadRecordsOptions): string => name ?? path.basename(file);

/** Puts what is wrong with the file as a whole among the problems; anything else goes on up. */
export function reportFault(error: unknown, file: string, problems: Problems, at?: string): void {
  if (!(error instanceof FileProblem)) throw error;
  addProblem(problems, { kind: error.kind, file, ...(at === undefined ? {} : { at }), detail: error.message } satisfies Problem);
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? error);

/** Only a plain file is opened: opening a pipe would wait for its writer. */
export async function openFile(file: string): Promise<{ readonly handle: FileHandle; readonly size: number }> {
  try {
    if (!(await stat(file)).isFile()) throw new FileProblem('file-unreadable', 'it is not a file');
    const handle = await open(file, 'r');
    return { handle, size: (await handle.stat()).size };
  } catch (cause) {
    if (cause instanceof FileProblem) throw cause;
    throw ['ENOENT', 'ENOTDIR'].includes(codeOf(cause))
      ? new FileProblem('file-missing', 'there is no such file', cause)
      : new FileProblem('file-unreadable', `it cannot be read (${codeOf(cause)})`, cause);
  }
}

/** The first bytes of a file, unpacked where they are packed. */
export async function readHead(file: string, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let had = 0;
  for await (const chunk of readBytes(file, { limits: { fileBytesMax: Number.MAX_SAFE_INTEGER } })) {
    parts.push(chunk);
    had += chunk.length;
    if (had >= length) break;
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** The bytes of a file in pieces; gzip is told by its first bytes and unpacked. Faults are thrown as FileProblem. */
export async function* readBytes(file: string, options: Pick<ReadRecordsOptions, 'signal' | 'onProgress' | 'limits'>): AsyncGenerator<Buffer> {
  const { signal, onProgress, limits } = options;
  const fileBytesMax = limits?.fileBytesMax ?? recordLimits.fileBytesMax;
  const { handle, size } = await openFile(file);
  try {
    const magic = Buffer.alloc(2);
    const packed = (await handle.read(magic, 0, 2, 0)).bytesRead === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
    const source = handle.createReadStream({ start: 0, highWaterMark: 256 * 1024, autoClose: false });
    const unpacked = packed ? pipeline(source, createGunzip({ chunkSize: 256 * 1024 }), () => {}) : source;
    let total = 0;
    try {
      for await (const chunk of unpacked) {
        throwIfCancelled(signal);
        total += (chunk as Buffer).length;
        if (total > fileBytesMax) throw new FileProblem('too-large', `it has more than ${fileBytesMax} bytes${packed ? ' once unpacked' : ''}`);
        yield chunk as Buffer;
        onProgress?.({ bytes: Math.min(source.bytesRead, size), totalBytes: size });
      }
    } catch (cause) {
      if (cause instanceof Error && /^Z_|^ERR_ZLIB|^EIO$/.test(codeOf(cause))) {
        throw new FileProblem(
          'file-unreadable',
          packed ? `the archive is damaged or cut off (${cause.message})` : `it cannot be read (${codeOf(cause)})`,
          cause,
        );
      }
      throw cause;
    } finally {
      source.destroy();
      unpacked.destroy();
    }
  } finally {
    await handle.close();
  }
}
