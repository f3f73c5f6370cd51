import { rm } from 'node:fs/promises';

import { throwIfCancelled } from '../train/cancellation.ts';
import { findShrinking, held, sourceFault, type SourceContext, type SourceCursor, type SourceFile, type SourceReading } from './source.ts';
import { fileListCursor, parseFileList, type Taken } from './taken.ts';

/** A file as a source lists it. */
export interface Listed {
  readonly name: string;
  readonly bytes: number;
  /** Changes whenever the content does: a time, an ETag. */
  readonly mark: string;
  readonly time: number | undefined;
  /** Nobody is writing to it any more. */
  readonly settled: boolean;
}

export interface FileLister {
  readonly kind: string;
  list(): Promise<Listed[]>;
  /** Undefined when the file is gone or was written to meanwhile; the next read looks again. */
  take(listed: Listed): Promise<(Pick<SourceFile, 'file' | 'sha256' | 'bytes'> & { readonly mark: string }) | undefined>;
}

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** Reads what is new or changed among listed files; shared by folders and buckets. */
export async function readFileList({ kind, list, take }: FileLister, before: SourceCursor, context: SourceContext): Promise<SourceReading> {
  const { limits, signal } = context;
  const cursor = parseFileList(before, kind);
  const listed = await list();
  if (listed.length > limits.listedMax) throw sourceFault(`it has more than ${limits.listedMax} files`, undefined, 'Narrow the pattern or the prefix');
  const shrinking = findShrinking('files', cursor.started ? cursor.taken.size + cursor.seen.size : undefined, listed.length, context);
  if (shrinking !== undefined) return held(shrinking, before);

  const isNew = ({ name, bytes, mark }: Listed): boolean => {
    const known = cursor.taken.get(name);
    // Emptied once it was taken.
    if (known !== undefined && bytes === 0 && context.mode === 'append') return false;
    return known === undefined || known.bytes !== bytes || known.mark !== mark;
  };
  const isSettled = ({ name, bytes, mark, settled }: Listed): boolean => {
    const last = cursor.seen.get(name);
    return settled || (last !== undefined && last.bytes === bytes && last.mark === mark);
  };
  const fresh = listed.filter(isNew);
  const ready = fresh.filter(isSettled).slice(0, limits.filesMax);
  for (const entry of ready) {
    const shrunk = findShrinking(`bytes in ${entry.name}`, cursor.taken.get(entry.name)?.bytes, entry.bytes, context);
    if (shrunk !== undefined && cursor.taken.has(entry.name)) return held(shrunk, before);
  }

  const present = new Set(listed.map(({ name }) => name));
  const taken = new Map<string, Taken>([...cursor.taken].filter(([name]) => present.has(name)));
  const files: SourceFile[] = [];
  const took = new Set<string>();
  for (const entry of ready) {
    throwIfCancelled(signal);
    const stored = await take(entry);
    if (stored === undefined) continue;
    took.add(entry.name);
    // Touched, not changed.
    if (taken.get(entry.name)?.sha256 === stored.sha256) await rm(stored.file, { force: true });
    else {
      files.push({
        name: entry.name,
        file: stored.file,
        sha256: stored.sha256,
        bytes: stored.bytes,
        ...(entry.time === undefined ? {} : { time: entry.time }),
      });
      context.countFile();
    }
    taken.set(entry.name, { bytes: stored.bytes, mark: stored.mark, sha256: stored.sha256 });
  }
  const waiting = fresh.filter(({ name }) => !took.has(name));
  const seen = new Map(waiting.map(({ name, bytes, mark }) => [name, { bytes, mark }]));
  const rest = waiting.length === 0 ? '' : ` ${plural(waiting.length, 'file')} ${waiting.length === 1 ? 'waits' : 'wait'} for the next read.`;
  const words =
    files.length === 0 ? `Nothing new among ${plural(listed.length, 'file')}.${rest}` : `${plural(files.length, 'new file')} of ${listed.length}.${rest}`;
  return { files, cursor: fileListCursor(kind, { taken, seen }), findings: [], words };
}
