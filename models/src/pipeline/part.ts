import { SerinError } from '@serin/protocol/errors';

import type { Column, Table } from '../data/table.ts';

/** One part of the data, training say, in memory and as a file of the cache. */
export interface Part {
  readonly rows: number;
  /** Index of the class, or the value. */
  readonly labels: Float64Array;
  /** Rows that belong together have one number. */
  readonly groups: Int32Array | undefined;
  /** Features, texts, and columns that are only sliced by. */
  readonly table: Table;
  /** Of pictures: one frame after the other, uint8, channels last. */
  readonly pixels: Uint8Array | undefined;
}

/** What is the same for all parts, as far as a training goes. */
export interface LearningFacts {
  readonly kind: 'table' | 'text' | 'images';
  readonly task: 'classification' | 'regression';
  /** Names of the classes; empty for regression. */
  readonly labels: readonly string[];
  /** Columns a table model may learn from, fields a text is read from. */
  readonly features: readonly string[];
  readonly frame: { readonly size: number; readonly channels: 1 | 3 } | null;
  readonly rows: { readonly train: number; readonly validation: number; readonly test: number };
}

/** What only judging asks about; apart from the others, so that asking otherwise trains nothing again. */
export interface JudgingFacts {
  /** The class that is looked for, where there are two. */
  readonly positive: number | null;
  readonly slices: readonly string[];
}

export type DataFacts = LearningFacts & JudgingFacts;

export const encodeJson = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
export const decodeJson = <Value>(bytes: Uint8Array): Value => JSON.parse(new TextDecoder().decode(bytes)) as Value;

interface Header {
  readonly rows: number;
  readonly columns: readonly { name: string; kind: Column['kind']; levels?: readonly string[]; values?: readonly (string | null)[] }[];
  readonly hasGroups: boolean;
  readonly pixels: number;
}

const magic = 'SRNPART1';
const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** magic, length of the header (uint32), header (JSON), then labels, groups, columns and pixels, each on a multiple of 8 bytes. */
export function encodePart({ rows, labels, groups, table, pixels }: Part): Uint8Array {
  const header: Header = {
    rows,
    columns: table.columns.map((column) => ({
      name: column.name,
      kind: column.kind,
      ...(column.kind === 'category' ? { levels: column.levels } : {}),
      ...(column.kind === 'text' ? { values: column.values.map((value) => value ?? null) } : {}),
    })),
    hasGroups: groups !== undefined,
    pixels: pixels?.length ?? 0,
  };
  const head = new TextEncoder().encode(JSON.stringify(header));
  const arrays: (Float64Array | Int32Array | Uint8Array)[] = [labels];
  if (groups !== undefined) arrays.push(groups);
  for (const column of table.columns) {
    if (column.kind === 'number') arrays.push(column.values);
    if (column.kind === 'category') arrays.push(column.codes);
  }
  if (pixels !== undefined) arrays.push(pixels);
  const begin = aligned(magic.length + 4 + head.length);
  const bytes = new Uint8Array(arrays.reduce((size, { byteLength }) => size + aligned(byteLength), begin));
  bytes.set(new TextEncoder().encode(magic));
  new DataView(bytes.buffer).setUint32(magic.length, head.length, true);
  bytes.set(head, magic.length + 4);
  let at = begin;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += aligned(byteLength);
  }
  return bytes;
}

export function decodePart(content: Uint8Array): Part {
  // Typed arrays want their first byte where their size divides.
  const bytes = content.byteOffset % 8 === 0 ? content : content.slice();
  if (new TextDecoder().decode(bytes.subarray(0, magic.length)) !== magic)
    throw new SerinError('DATASET_DAMAGED', { detail: 'a part of the data is not readable' });
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(magic.length, true);
  const header = decodeJson<Header>(bytes.subarray(magic.length + 4, magic.length + 4 + length));
  const { rows } = header;
  let at = bytes.byteOffset + aligned(magic.length + 4 + length);
  const take = <Kind extends Float64Array | Int32Array | Uint8Array>(
    make: new (buffer: ArrayBufferLike, at: number, length: number) => Kind,
    count: number,
  ): Kind => {
    const array = new make(bytes.buffer, at, count);
    at += aligned(array.byteLength);
    return array;
  };
  const labels = take(Float64Array, rows);
  const groups = header.hasGroups ? take(Int32Array, rows) : undefined;
  const columns = header.columns.map(({ name, kind, levels = [], values = [] }): Column => {
    if (kind === 'number') return { name, kind, values: take(Float64Array, rows) };
    if (kind === 'category') return { name, kind, levels, codes: take(Int32Array, rows) };
    return { name, kind, values: values.map((value) => value ?? undefined) };
  });
  return { rows, labels, groups, table: { rows, columns }, pixels: header.pixels === 0 ? undefined : take(Uint8Array, header.pixels) };
}

/** Some of the rows, in the order given. */
export function pickRows(part: Part, rows: Uint32Array): Part {
  const count = rows.length;
  const frame = part.pixels === undefined || part.rows === 0 ? 0 : part.pixels.length / part.rows;
  const pixels = part.pixels === undefined ? undefined : new Uint8Array(count * frame);
  if (pixels !== undefined) rows.forEach((row, place) => pixels.set((part.pixels as Uint8Array).subarray(row * frame, (row + 1) * frame), place * frame));
  const columns = part.table.columns.map((column): Column => {
    if (column.kind === 'number') return { ...column, values: Float64Array.from(rows, (row) => column.values[row] ?? Number.NaN) };
    if (column.kind === 'category') return { ...column, codes: Int32Array.from(rows, (row) => column.codes[row] ?? -1) };
    return { ...column, values: Array.from(rows, (row) => column.values[row]) };
  });
  return {
    rows: count,
    labels: Float64Array.from(rows, (row) => part.labels[row] ?? Number.NaN),
    groups: part.groups === undefined ? undefined : Int32Array.from(rows, (row) => part.groups?.[row] ?? 0),
    table: { rows: count, columns },
    pixels,
  };
}

/** The record of a row as a device would be given it, of the columns named. */
export function recordOf({ columns }: Table, names: readonly string[], row: number): Record<string, string | number | null> {
  return Object.fromEntries(
    names.map((name) => {
      const column = columns.find((one) => one.name === name);
      if (column === undefined) return [name, null];
      if (column.kind === 'number') return [name, Number.isNaN(column.values[row] ?? Number.NaN) ? null : (column.values[row] as number)];
      if (column.kind === 'category') return [name, column.levels[column.codes[row] ?? -1] ?? null];
      return [name, column.values[row] ?? null];
    }),
  );
}
