import type { SourceCursor } from './source.ts';

/** What was taken of one file, as the cursor keeps it: size, mark (time or ETag) and digest. */
export interface Taken {
  readonly bytes: number;
  readonly mark: string;
  readonly sha256: string;
}

export interface FileListCursor {
  readonly taken: ReadonlyMap<string, Taken>;
  /** Files that were not settled yet, by how they looked. */
  readonly seen: ReadonlyMap<string, { readonly bytes: number; readonly mark: string }>;
  readonly started: boolean;
}

type Row = [name: string, bytes: number, mark: string, sha256: string];

const isRow = (row: unknown, length: number): row is Row =>
  Array.isArray(row) &&
  row.length === length &&
  typeof row[0] === 'string' &&
  typeof row[1] === 'number' &&
  row.slice(2).every((cell) => typeof cell === 'string');

/** A cursor of another source, or none, is the beginning. */
export function parseFileList(cursor: SourceCursor, kind: string): FileListCursor {
  if (cursor === null || cursor.kind !== kind) return { taken: new Map(), seen: new Map(), started: false };
  const { taken, seen } = cursor as { taken?: unknown; seen?: unknown };
  const rows = (list: unknown, length: number): Row[] => (Array.isArray(list) ? list.filter((row): row is Row => isRow(row, length)) : []);
  return {
    taken: new Map(rows(taken, 4).map(([name, bytes, mark, sha256]) => [name, { bytes, mark, sha256 }])),
    seen: new Map(rows(seen, 3).map(([name, bytes, mark]) => [name, { bytes, mark }])),
    started: true,
  };
}

export function fileListCursor(kind: string, { taken, seen }: Pick<FileListCursor, 'taken' | 'seen'>): SourceCursor {
  return {
    kind,
    taken: [...taken].map(([name, { bytes, mark, sha256 }]): Row => [name, bytes, mark, sha256]),
    seen: [...seen].map(([name, { bytes, mark }]) => [name, bytes, mark]),
  };
}
