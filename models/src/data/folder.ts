import { open, opendir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';

import { SerinError } from '@serin/protocol/errors';

import { addProblem, type ProblemKind, type Problems } from './problems.ts';

/** Why a file cannot be read, in the words of a problem. */
export class FileProblem extends Error {
  readonly kind: ProblemKind;

  constructor(kind: ProblemKind, detail: string, cause?: unknown) {
    super(detail, { cause });
    this.kind = kind;
  }
}

/** The real path of the folder of a dataset; that it is missing is a fault of its own, not of a file. */
export async function openFolder(folder: string): Promise<string> {
  const real = await realpath(folder).catch((cause: unknown) => {
    throw new SerinError('NOT_FOUND', { detail: `the folder ${folder}`, hint: 'Check the path of the training data', cause });
  });
  if (!(await stat(real)).isDirectory()) throw new SerinError('BAD_REQUEST', { detail: `${folder} is not a folder` });
  return real;
}

/** A path as label files write it, as one below the folder with `/`; undefined when it leads out of it. */
export function pathBelow(folder: string, written: string): string | undefined {
  if (written.includes('\0')) return undefined;
  const forward = written.replaceAll('\\', '/');
  if (/^[a-z]:\//i.test(forward) && path.sep === '/') return undefined;
  const below = path.relative(folder, path.resolve(folder, forward));
  if (below === '' || below === '..' || below.startsWith(`..${path.sep}`) || path.isAbsolute(below)) return undefined;
  return below.replaceAll(path.sep, '/');
}

const describeCause = (cause: unknown): FileProblem => {
  const code = (cause as { code?: unknown } | null)?.code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return new FileProblem('file-missing', 'there is no such file', cause);
  return new FileProblem('file-unreadable', `it cannot be read (${typeof code === 'string' ? code : String(cause)})`, cause);
};

/** Reads a file of the folder whole. Links are followed as far as they stay in the folder; `folder` is its real path. */
export async function readInside(folder: string, below: string, bytesMax: number): Promise<Buffer> {
  const real = await realpath(path.join(folder, below)).catch((cause: unknown) => {
    throw describeCause(cause);
  });
  if (pathBelow(folder, real) === undefined) throw new FileProblem('path-escapes', 'it is a link that leads out of the folder');
  return readWhole(real, bytesMax);
}

export async function readWhole(file: string, bytesMax: number): Promise<Buffer> {
  try {
    // Opening a pipe would wait for its writer.
    if (!(await stat(file)).isFile()) throw new FileProblem('file-unreadable', 'it is not a file');
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size > bytesMax) throw new FileProblem('too-large', `it has ${size} bytes; at most ${bytesMax} are read`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof FileProblem ? error : describeCause(error);
  }
}

const depthMax = 32;
/** What file managers leave behind. */
const litter = new Set(['thumbs.db', 'desktop.ini']);

export const isHidden = (name: string): boolean => name.startsWith('.') || litter.has(name.toLowerCase());

/** Every file below `start`, in the order of their names; links to folders are reported, for they may lead in circles. */
export async function* walkFiles(folder: string, start: string, problems: Problems, depth = 0): AsyncGenerator<string> {
  const entries: { name: string; kind: 'file' | 'folder' | 'link' }[] = [];
  try {
    for await (const entry of await opendir(path.join(folder, start))) {
      if (!isHidden(entry.name)) entries.push({ name: entry.name, kind: entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'file' });
    }
  } catch (cause) {
    const { kind, message: detail } = describeCause(cause);
    addProblem(problems, { kind, file: start, detail });
    return;
  }
  entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const { name, kind } of entries) {
    const below = start === '' ? name : `${start}/${name}`;
    if (kind === 'file') yield below;
    else if (kind === 'link') {
      const target = await stat(path.join(folder, below)).catch(() => undefined);
      if (target?.isDirectory() === true) addProblem(problems, { kind: 'file-unreadable', file: below, detail: 'links to folders are not followed' });
      else yield below;
    } else if (depth >= depthMax) addProblem(problems, { kind: 'too-large', file: below, detail: `folders nest deeper than ${depthMax}` });
    else yield* walkFiles(folder, below, problems, depth + 1);
  }
}
