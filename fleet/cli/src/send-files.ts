import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { inputFilesMax, type InputFile } from '@serin/protocol/api/datasets';
import { uploadBytesMax } from '@serin/protocol/api/data-routes';
import { SerinError } from '@serin/protocol/errors';
import { digest, type Digest } from '@serin/protocol/ids';
import type { Session } from './command.ts';
import { unreadable, UsageError } from './exit-codes.ts';
import { formatBytes } from './output.ts';

/** A file of this machine, and its name on the server. */
export interface LocalFile {
  name: string;
  file: string;
}

export interface HashedFile extends InputFile {
  file: string;
}

const pieceBytes = 4 * 2 ** 20;
const attemptsMax = 10;
const atOnce = 4;
const sayEveryMs = 2000;

/** Files below a folder in the order of their names; what is hidden stays here. */
async function filesBelow(folder: string, prefix: string): Promise<LocalFile[]> {
  const found: LocalFile[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const [file, name] = [path.join(folder, entry.name), `${prefix}${entry.name}`];
    if (entry.isDirectory()) found.push(...(await filesBelow(file, `${name}/`)));
    else if (entry.isFile()) found.push({ name, file });
    if (found.length > inputFilesMax) throw new UsageError(`${folder} has more than ${inputFilesMax} files`);
  }
  return found;
}

/** A file by its name, a folder as all that is below it. `prefix` is what names on the server begin with. */
export async function listFiles(given: string, { name, prefix }: { name: string; prefix: string }): Promise<LocalFile[]> {
  const found = await stat(given).catch((cause: Error) => {
    throw unreadable(given, cause);
  });
  if (found.isFile()) return [{ name, file: given }];
  if (!found.isDirectory()) throw new UsageError(`${given} is neither a file nor a folder`);
  const files = await filesBelow(given, prefix);
  if (files.length === 0) throw new UsageError(`${given} is empty`);
  return files;
}

export async function hashFiles(files: readonly LocalFile[], { world, say }: Pick<Session, 'world' | 'say'>): Promise<HashedFile[]> {
  const hashed: HashedFile[] = [];
  let saidAt = world.nowMs();
  for (const { name, file } of files) {
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) {
        if (world.signal.aborted) throw new SerinError('CANCELLED');
        hash.update(piece as Buffer);
        bytes += (piece as Buffer).length;
        if (world.nowMs() - saidAt < sayEveryMs) continue;
        saidAt = world.nowMs();
        say(`reading ${name}: ${formatBytes(bytes)}`);
      }
    } catch (cause) {
      if (cause instanceof SerinError) throw cause;
      throw unreadable(file, cause);
    }
    if (bytes > uploadBytesMax) throw new SerinError('TOO_LARGE', { detail: `${name}: ${formatBytes(bytes)}, limit ${formatBytes(uploadBytesMax)}` });
    hashed.push({ path: name, file, bytes, sha256: digest.parse(hash.digest('hex')) });
  }
  return hashed;
}

const passes = (error: unknown): boolean =>
  error instanceof SerinError && ['SERVER_UNREACHABLE', 'UNAVAILABLE', 'TOO_MANY_REQUESTS', 'DATABASE_UNREACHABLE'].includes(error.code);

/** Sends what the server lacks, piece by piece. What it has of a file already, from a time before say, is not sent again. */
export async function sendFiles(files: readonly HashedFile[], missing: readonly Digest[], session: Session): Promise<void> {
  const wanted = [...new Map(files.filter(({ sha256 }) => missing.includes(sha256)).map((file) => [file.sha256, file])).values()];
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  if (wanted.length > 0) session.say(`sending ${wanted.length === 1 ? wanted[0]?.path : `${wanted.length} files`}, ${formatBytes(total)}`);
  const report = reporter(total, session);
  // Of many small files most of the time is waiting for answers.
  const queue = wanted.values();
  let isStopped = false;
  async function sendSome(): Promise<void> {
    for (const file of queue) {
      if (isStopped) return;
      await sendFile(file, session, report);
    }
  }
  const ended = await Promise.allSettled(
    Array.from({ length: Math.min(atOnce, wanted.length) }, () =>
      sendSome().catch((error: unknown) => {
        isStopped = true;
        throw error;
      }),
    ),
  );
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

type Report = (bytes: number) => void;

function reporter(total: number, { world, say }: Session): Report {
  const began = world.nowMs();
  let sent = 0;
  let saidAt = began;
  return (bytes) => {
    sent += bytes;
    const now = world.nowMs();
    if (now - saidAt < sayEveryMs || total === 0) return;
    saidAt = now;
    const perSecond = sent / ((now - began) / 1000);
    say(`sent ${Math.floor((sent / total) * 100)} %, ${formatBytes(perSecond)}/s, ${Math.ceil((total - sent) / perSecond)} s left`);
  };
}

async function sendFile({ file, path: name, sha256, bytes: total }: HashedFile, session: Session, report: Report): Promise<void> {
  const { patientApi, world, say } = session;
  const { signal } = world;
  const handle = await open(file, 'r').catch((cause: Error) => {
    throw unreadable(file, cause);
  });
  try {
    let { received, complete } = await patientApi('getUpload', { params: { sha256 }, signal });
    if (received > 0 && !complete) say(`going on with ${name} at ${formatBytes(received)}`);
    report(received);
    for (let attempt = 0; !complete;) {
      const piece = Buffer.alloc(Math.min(pieceBytes, total - received));
      const { bytesRead } = await handle.read(piece, 0, piece.length, received);
      if (bytesRead < piece.length) throw new SerinError('UPLOAD_MISMATCH', { detail: `${name} became shorter while it was sent` });
      try {
        const before = received;
        ({ received, complete } = await patientApi('sendUpload', {
          params: { sha256 },
          query: { offset: String(received), total: String(total) },
          raw: piece,
          signal,
        }));
        report(received - before);
        attempt = 0;
      } catch (error) {
        if (signal.aborted)
          throw new SerinError('CANCELLED', { hint: 'What was sent stays on the server for a while; the same command goes on from there', cause: error });
        if (!passes(error) || ++attempt >= attemptsMax) throw error;
        say(`${(error as SerinError).code}: trying again`);
        await world.pause(Math.min(30_000, 500 * 2 ** attempt));
        ({ received, complete } = await patientApi('getUpload', { params: { sha256 }, signal }).catch(() => ({ received, complete })));
      }
    }
  } finally {
    await handle.close();
  }
}

export const inputsOf = (files: readonly HashedFile[]): InputFile[] => files.map(({ path: name, sha256, bytes }) => ({ path: name, sha256, bytes }));
