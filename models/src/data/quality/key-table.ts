import { mark, noMarks, placesMax, type Marks, type Place } from './marks.ts';

/**
 * Which 64-bit keys were seen before, and where first, in bounded memory. Once the table is full, only keys whose first
 * bits are zero stay (a half, a quarter, ...). All copies of a key share its bits, so what is left is a fair sample of
 * keys with all their copies, and shares found in it are shares of the whole. Plain data: it can be sent to another thread.
 */
export interface KeyTable {
  readonly slotsMax: number;
  high: Uint32Array;
  low: Uint32Array;
  /** How often the key was seen; 0 for a free slot. */
  seen: Uint32Array;
  file: Uint16Array;
  row: Int32Array;
  used: number;
  /** Keys are kept whose first `level` bits are zero. */
  level: number;
  /** Records that have the key of an earlier one, among the keys kept. */
  copies: number;
  /** Where copies stand. */
  marks: Marks;
}

const slotsFirst = 1024;
const fill = 0.7;

export const emptyKeys = (slotsMax: number): KeyTable => ({
  slotsMax,
  ...slotsOf(slotsFirst),
  used: 0,
  level: 0,
  copies: 0,
  marks: noMarks(),
});

const slotsOf = (count: number): Pick<KeyTable, 'high' | 'low' | 'seen' | 'file' | 'row'> => ({
  high: new Uint32Array(count),
  low: new Uint32Array(count),
  seen: new Uint32Array(count),
  file: new Uint16Array(count),
  row: new Int32Array(count),
});

const isKept = (high: number, level: number): boolean => level === 0 || high >>> (32 - level) === 0;

/** The slot of a key, or the free one it would take. */
function slotOf(table: KeyTable, high: number, low: number): number {
  const last = table.seen.length - 1;
  let slot = low & last;
  while (table.seen[slot] !== 0 && (table.low[slot] !== low || table.high[slot] !== high)) slot = (slot + 1) & last;
  return slot;
}

export function addKey(table: KeyTable, high: number, low: number, file: number, row: number): void {
  if (!isKept(high, table.level)) return;
  const slot = slotOf(table, high, low);
  if (table.seen[slot] !== 0) {
    table.seen[slot] = (table.seen[slot] as number) + 1;
    table.copies += 1;
    mark(table.marks, file, row);
    return;
  }
  take(table, slot, high, low, 1, file, row);
}

function take(table: KeyTable, slot: number, high: number, low: number, seen: number, file: number, row: number): void {
  table.high[slot] = high;
  table.low[slot] = low;
  table.seen[slot] = seen;
  table.file[slot] = file;
  table.row[slot] = row;
  table.used += 1;
  if (table.used > table.seen.length * fill) grow(table);
}

function grow(table: KeyTable): void {
  const { high, low, seen, file, row } = table;
  const isFull = seen.length >= table.slotsMax;
  if (isFull) table.level += 1;
  Object.assign(table, slotsOf(isFull ? seen.length : seen.length * 2));
  table.used = 0;
  table.copies = 0;
  for (let slot = 0; slot < seen.length; slot += 1) {
    if (seen[slot] === 0 || !isKept(high[slot] as number, table.level)) continue;
    const free = slotOf(table, high[slot] as number, low[slot] as number);
    table.copies += (seen[slot] as number) - 1;
    take(table, free, high[slot] as number, low[slot] as number, seen[slot] as number, file[slot] as number, row[slot] as number);
  }
}

/** Copies in all, scaled up from the keys that were kept. */
export const copiesOf = (table: KeyTable): number => table.copies * 2 ** table.level;

export const isExact = (table: KeyTable): boolean => table.level === 0;

export function* entriesOf(table: KeyTable): Generator<{ high: number; low: number; seen: number; file: number; row: number }> {
  for (let slot = 0; slot < table.seen.length; slot += 1) {
    if (table.seen[slot] === 0) continue;
    yield {
      high: table.high[slot] as number,
      low: table.low[slot] as number,
      seen: table.seen[slot] as number,
      file: table.file[slot] as number,
      row: table.row[slot] as number,
    };
  }
}

export const hasKey = (table: KeyTable, high: number, low: number): boolean => table.seen[slotOf(table, high, low)] !== 0;

export function mergeKeys(one: KeyTable, other: KeyTable, files: number): KeyTable {
  const merged = emptyKeys(one.slotsMax);
  merged.level = Math.max(one.level, other.level);
  let across: Place[] = [];
  let count = 0;
  const add = (table: KeyTable, offset: number): void => {
    for (const { high, low, seen, file, row } of entriesOf(table)) {
      if (!isKept(high, merged.level)) continue;
      const slot = slotOf(merged, high, low);
      if (merged.seen[slot] === 0) {
        merged.copies += seen - 1;
        take(merged, slot, high, low, seen, file + offset, row);
        continue;
      }
      merged.seen[slot] = (merged.seen[slot] as number) + seen;
      merged.copies += seen;
      across.push([file + offset, row]);
      count += 1;
      if (across.length > 64 * placesMax) across = firstPlaces(across);
    }
  };
  add(one, 0);
  add(other, files);
  const places = [...one.marks.places, ...other.marks.places.map(([file, row]): Place => [file + files, row]), ...across];
  merged.marks = { count: one.marks.count + other.marks.count + count, places: firstPlaces(places) };
  return merged;
}

/** The order of slots is that of hashes, so the first of all must be looked for. */
const firstPlaces = (places: readonly Place[]): Place[] => places.toSorted((one, other) => one[0] - other[0] || one[1] - other[1]).slice(0, placesMax);
