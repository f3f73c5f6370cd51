import type { Cell } from '../records/batch.ts';
import { booleanOf, isDamaged, isMissing, isPadded, numberOf, someTime, timeOf } from './cells.ts';
import { countDistinct, emptyRegisters, hashed, hashText, mergeRegisters, mixInto } from './hashes.ts';
import { addKey, copiesOf, emptyKeys, mergeKeys, type KeyTable } from './key-table.ts';
import { mark, mergeMarks, noMarks, type Marks, type Place } from './marks.ts';
import { addValue, emptySketch, mergeSketches, type QuantileSketch } from './quantile-sketch.ts';

/** What a cell looks like by itself; `padded` is a whole number that begins with zeros. */
export type Vote = 'integer' | 'number' | 'infinite' | 'padded' | 'boolean' | 'time' | 'text';

export interface Extreme {
  readonly value: number;
  readonly place: Place;
}

export interface SeenValue {
  count: number;
  readonly place: Place;
}

/** All that one pass keeps of a column, in bounded memory. Plain data: it can be sent to another thread, and parts merge. */
export interface ColumnState {
  readonly name: string;
  count: number;
  missing: Marks;
  votes: Record<Vote, Marks>;
  /** Of finite numbers: their count, mean and sum of squared deviations. */
  moments: { count: number; mean: number; squares: number };
  sketch: QuantileSketch;
  lowest: Extreme[];
  highest: Extreme[];
  times: { count: number; first: number; last: number; min: number; max: number; outOfOrder: Marks };
  /** Every value with its count, until there are too many. */
  values: Map<string, SeenValue> | null;
  /** From then on. */
  registers: Uint8Array | null;
  /** As long as the column may be an id. */
  keys: KeyTable | null;
  /** The column is said to be one, so its keys are kept whatever comes. */
  readonly isKey: boolean;
  lengths: { min: number; max: number; total: number; count: number };
  damaged: Marks;
}

export const valuesMax = 2048;
const valueLengthMax = 256;
const extremesMax = 10;
const keySlotsMax = 2 ** 22;
const guessedKeySlotsMax = 2 ** 17;
const guessAfter = 1000;
const guessedCopiesMax = 0.05;

export const emptyColumn = (name: string, isKey: boolean): ColumnState => ({
  name,
  count: 0,
  missing: noMarks(),
  votes: { integer: noMarks(), number: noMarks(), infinite: noMarks(), padded: noMarks(), boolean: noMarks(), time: noMarks(), text: noMarks() },
  moments: { count: 0, mean: 0, squares: 0 },
  sketch: emptySketch(),
  lowest: [],
  highest: [],
  times: { count: 0, first: Number.NaN, last: Number.NaN, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, outOfOrder: noMarks() },
  values: new Map(),
  registers: null,
  keys: emptyKeys(isKey ? keySlotsMax : guessedKeySlotsMax),
  isKey,
  lengths: { min: Number.POSITIVE_INFINITY, max: 0, total: 0, count: 0 },
  damaged: noMarks(),
});

/** Finite numbers of one batch and column, so that their mean is found before their deviations from it. */
let scratch = new Float64Array(4096);

/** Takes in the cells of a batch; `words` gathers the hashes of its rows where the column counts towards them. */
export function addCells(state: ColumnState, cells: readonly Cell[], rows: number, numbers: Int32Array, file: number, words: Uint32Array | undefined): void {
  if (scratch.length < rows) scratch = new Float64Array(rows);
  let finite = 0;
  for (let row = 0; row < rows; row += 1) {
    const cell = cells[row] as Cell;
    const number = numbers[row] as number;
    if (isMissing(cell)) {
      mark(state.missing, file, number);
      if (words !== undefined) {
        hashText('');
        mixInto(words, row);
      }
      continue;
    }
    const text = typeof cell === 'string' ? cell : String(cell);
    hashText(text);
    addIdentity(state, text, file, number);
    if (!hashed.isAscii && isDamaged(text)) mark(state.damaged, file, number);
    // The last use of the hash: mixing leaves that of the row in its place.
    if (words !== undefined) mixInto(words, row);
    const value = typeof cell === 'number' ? cell : numberOf(text);
    if (value === value) {
      if (!Number.isFinite(value)) mark(state.votes.infinite, file, number);
      else {
        scratch[finite] = value;
        finite += 1;
        addExtreme(state, value, file, number);
        mark(state.votes[Number.isInteger(value) ? (isPadded(text) ? 'padded' : 'integer') : 'number'], file, number);
      }
    } else addWords(state, text, file, number);
  }
  state.count += rows;
  addMoments(state.moments, scratch, finite);
  for (let at = 0; at < finite; at += 1) addValue(state.sketch, scratch[at] as number);
}

/** Which value it is: by its text while there are few, by its hash from then on. */
function addIdentity(state: ColumnState, text: string, file: number, row: number): void {
  const { high, low } = hashed;
  if (state.keys !== null) addToKeys(state, state.keys, high, low, file, row);
  if (state.values === null) {
    countDistinct(state.registers as Uint8Array, high, low);
    return;
  }
  const seen = state.values.get(text);
  if (seen !== undefined) seen.count += 1;
  else if (state.values.size < valuesMax && text.length <= valueLengthMax) state.values.set(text, { count: 1, place: [file, row] });
  else {
    dropValues(state);
    hashText(text);
    countDistinct(state.registers as Uint8Array, high, low);
  }
}

function dropValues(state: ColumnState): void {
  const registers = state.registers ?? emptyRegisters();
  for (const value of state.values?.keys() ?? []) {
    hashText(value);
    countDistinct(registers, hashed.high, hashed.low);
  }
  state.registers = registers;
  state.values = null;
}

function addToKeys(state: ColumnState, keys: KeyTable, high: number, low: number, file: number, row: number): void {
  addKey(keys, high, low, file, row);
  if (state.isKey || keys.used + keys.copies < guessAfter) return;
  if (keys.copies > guessedCopiesMax * (keys.used + keys.copies)) state.keys = null;
}

function addExtreme(state: ColumnState, value: number, file: number, row: number): void {
  const { lowest, highest } = state;
  if (lowest.length < extremesMax || value < (lowest[extremesMax - 1] as Extreme).value) insert(lowest, { value, place: [file, row] }, 1);
  if (highest.length < extremesMax || value > (highest[extremesMax - 1] as Extreme).value) insert(highest, { value, place: [file, row] }, -1);
}

function insert(list: Extreme[], extreme: Extreme, sign: number): void {
  let at = list.length;
  while (at > 0 && sign * (list[at - 1] as Extreme).value > sign * extreme.value) at -= 1;
  list.splice(at, 0, extreme);
  if (list.length > extremesMax) list.pop();
}

function addWords(state: ColumnState, text: string, file: number, row: number): void {
  const { lengths } = state;
  lengths.count += 1;
  lengths.total += text.length;
  if (text.length < lengths.min) lengths.min = text.length;
  if (text.length > lengths.max) lengths.max = text.length;
  if (booleanOf(text) !== undefined) return mark(state.votes.boolean, file, row);
  const time = timeOf(text);
  if (time !== time) return mark(state.votes.text, file, row);
  mark(state.votes.time, file, row);
  if (time !== someTime) addTime(state.times, time, file, row);
}

function addTime(times: ColumnState['times'], time: number, file: number, row: number): void {
  if (times.count === 0) times.first = time;
  else if (time < times.last) mark(times.outOfOrder, file, row);
  times.count += 1;
  times.last = time;
  if (time < times.min) times.min = time;
  if (time > times.max) times.max = time;
}

function addMoments(moments: ColumnState['moments'], values: Float64Array, count: number): void {
  if (count === 0) return;
  let sum = 0;
  for (let at = 0; at < count; at += 1) sum += values[at] as number;
  const mean = sum / count;
  let squares = 0;
  for (let at = 0; at < count; at += 1) squares += ((values[at] as number) - mean) ** 2;
  Object.assign(moments, mergeMoments(moments, { count, mean, squares }));
}

/** Chan, Golub, LeVeque 1983. */
function mergeMoments(one: ColumnState['moments'], other: ColumnState['moments']): ColumnState['moments'] {
  const count = one.count + other.count;
  if (count === 0) return one;
  const apart = other.mean - one.mean;
  return { count, mean: one.mean + (apart * other.count) / count, squares: one.squares + other.squares + (apart * apart * one.count * other.count) / count };
}

export function mergeColumns(one: ColumnState, other: ColumnState, files: number): ColumnState {
  const marks = (a: Marks, b: Marks): Marks => mergeMarks(a, b, files);
  const moved = ({ value, place: [file, row] }: Extreme): Extreme => ({ value, place: [file + files, row] });
  const merged: ColumnState = {
    name: one.name,
    count: one.count + other.count,
    missing: marks(one.missing, other.missing),
    votes: Object.fromEntries(Object.entries(one.votes).map(([vote, seen]) => [vote, marks(seen, other.votes[vote as Vote])])) as ColumnState['votes'],
    moments: mergeMoments(one.moments, other.moments),
    sketch: mergeSketches(one.sketch, other.sketch),
    lowest: [...one.lowest, ...other.lowest.map(moved)].sort((a, b) => a.value - b.value).slice(0, extremesMax),
    highest: [...one.highest, ...other.highest.map(moved)].sort((a, b) => b.value - a.value).slice(0, extremesMax),
    times: mergeTimes(one.times, other.times, files),
    values: one.values === null || other.values === null ? null : new Map(Array.from(one.values, ([value, seen]) => [value, { ...seen }])),
    registers: one.registers?.slice() ?? null,
    keys: one.keys === null || other.keys === null ? null : mergeKeys(one.keys, other.keys, files),
    isKey: one.isKey,
    lengths: {
      min: Math.min(one.lengths.min, other.lengths.min),
      max: Math.max(one.lengths.max, other.lengths.max),
      total: one.lengths.total + other.lengths.total,
      count: one.lengths.count + other.lengths.count,
    },
    damaged: marks(one.damaged, other.damaged),
  };
  mergeValues(merged, one, other, files);
  const { keys } = merged;
  if (keys !== null && !merged.isKey && keys.used + keys.copies >= guessAfter && copiesOf(keys) > guessedCopiesMax * merged.count) merged.keys = null;
  return merged;
}

/** The first part's last time and the second's first say whether they follow each other; files may lie in any order, so they do not count. */
function mergeTimes(one: ColumnState['times'], other: ColumnState['times'], files: number): ColumnState['times'] {
  return {
    count: one.count + other.count,
    first: one.count > 0 ? one.first : other.first,
    last: other.count > 0 ? other.last : one.last,
    min: Math.min(one.min, other.min),
    max: Math.max(one.max, other.max),
    outOfOrder: mergeMarks(one.outOfOrder, other.outOfOrder, files),
  };
}

function mergeValues(merged: ColumnState, one: ColumnState, other: ColumnState, files: number): void {
  for (const [value, { count, place }] of other.values ?? []) {
    const seen = merged.values?.get(value);
    if (seen !== undefined) seen.count += count;
    else merged.values?.set(value, { count, place: [place[0] + files, place[1]] });
  }
  if (merged.values !== null && merged.values.size <= valuesMax) return;
  merged.values ??= new Map([...(one.values ?? []), ...(other.values ?? [])]);
  dropValues(merged);
  if (other.registers !== null) merged.registers = mergeRegisters(merged.registers as Uint8Array, other.registers);
}

/** The clock starts anew with every file. */
export function beginFile(state: ColumnState): void {
  state.times.last = Number.NaN;
}
