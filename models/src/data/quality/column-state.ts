import type { Cell } from '../records/batch.ts';
import { isMissing, someTime } from './cells.ts';
import { countDistinct, emptyRegisters, mergeRegisters, mixInto } from './hashes.ts';
import { addKey, copiesOf, emptyKeys, mergeKeys, type KeyTable } from './key-table.ts';
import { mark, mergeMarks, noMarks, type Marks, type Place } from './marks.ts';
import { addValue, emptySketch, mergeSketches, type QuantileSketch } from './quantile-sketch.ts';
import { emptyValue, readValue, type SeenValue, type Vote } from './seen-value.ts';

export interface Extreme {
  readonly value: number;
  readonly place: Place;
}

/** All that one pass keeps of a column, in bounded memory. Plain data: it can be sent to another thread, and parts merge. */
export interface ColumnState {
  readonly name: string;
  count: number;
  missing: Marks;
  votes: Record<Vote, Marks>;
  /** Of finite numbers: their count, mean and sum of squared deviations. While there are few values, these have the numbers. */
  moments: Moments;
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
  readonly valuesMax: number;
  lengths: { min: number; max: number; total: number; count: number };
  damaged: Marks;
}

export interface Moments {
  readonly count: number;
  readonly mean: number;
  readonly squares: number;
}

/** All columns together keep no more than this, so a wide table takes no more memory than a narrow one; each at most as much, and some at least. */
const valuesOfAll = 2 ** 18;
const valuesMax = 2048;
const valuesMin = 128;
const valueLengthMax = 256;
const extremesMax = 10;
const keySlotsMax = 2 ** 22;
const guessedSlotsOfAll = 2 ** 21;
const guessedSlotsMax = 2 ** 17;
const guessedSlotsMin = 2 ** 11;
const guessAfter = 1000;
const guessedCopiesMax = 0.05;

const powerBelow = (value: number): number => 2 ** Math.floor(Math.log2(value));
const within = (least: number, value: number, most: number): number => Math.min(most, Math.max(least, value));

/** `columns` is how many there are in all. */
export const emptyColumn = (name: string, isKey: boolean, columns: number): ColumnState => ({
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
  keys: emptyKeys(isKey ? keySlotsMax : within(guessedSlotsMin, powerBelow(guessedSlotsOfAll / columns), guessedSlotsMax)),
  isKey,
  valuesMax: within(valuesMin, Math.floor(valuesOfAll / columns), valuesMax),
  lengths: { min: Number.POSITIVE_INFINITY, max: 0, total: 0, count: 0 },
  damaged: noMarks(),
});

/** Finite numbers of one batch and column, so that their mean is found before their deviations from it. */
let scratch = new Float64Array(4096);
/** The value at hand, where it is not kept: one for all cells, for one each would be garbage. */
const passing = emptyValue();
const nothing = readValue(emptyValue(), '');

/** Takes in the cells of a batch; `words` gathers the hashes of its rows where the column counts towards them. */
export function addCells(state: ColumnState, cells: readonly Cell[], rows: number, numbers: Int32Array, file: number, words: Uint32Array | undefined): void {
  if (scratch.length < rows) scratch = new Float64Array(rows);
  let finite = 0;
  for (let row = 0; row < rows; row += 1) {
    const cell = cells[row] as Cell;
    const number = numbers[row] as number;
    if (isMissing(cell)) {
      mark(state.missing, file, number);
      if (words !== undefined) mixInto(words, row, nothing.high, nothing.low);
      continue;
    }
    const value = valueOf(state, typeof cell === 'string' ? cell : String(cell), file, number);
    if (words !== undefined) mixInto(words, row, value.high, value.low);
    if (state.keys !== null) addToKeys(state, state.keys, value.high, value.low, file, number);
    mark(state.votes[value.vote], file, number);
    if (value.damaged) mark(state.damaged, file, number);
    if (value.time === value.time && value.time !== someTime) addTime(state.times, value.time, file, number);
    if (value.number === value.number) {
      addExtreme(state, value.number, file, number);
      if (state.values === null) {
        scratch[finite] = value.number;
        finite += 1;
      }
    } else if (value.vote !== 'infinite') addLength(state.lengths, value.length);
  }
  state.count += rows;
  addNumbers(state, scratch, finite);
}

function addNumbers(state: ColumnState, values: Float64Array, count: number): void {
  if (count === 0) return;
  state.moments = mergeMoments(state.moments, momentsOfNumbers(values, count));
  for (let at = 0; at < count; at += 1) addValue(state.sketch, values[at] as number);
}

/** What is known of a cell's text: looked up while values are few, worked out anew from then on. */
function valueOf(state: ColumnState, text: string, file: number, row: number): SeenValue {
  const { values } = state;
  if (values !== null) {
    const seen = values.get(text);
    if (seen !== undefined) {
      seen.count += 1;
      return seen;
    }
    if (values.size < state.valuesMax && text.length <= valueLengthMax) {
      const value = readValue({ ...emptyValue(), count: 1, place: [file, row] }, text);
      values.set(text, value);
      return value;
    }
    dropValues(state);
  }
  readValue(passing, text);
  countDistinct(state.registers as Uint8Array, passing.high, passing.low);
  return passing;
}

/** From the values on to sketches of them. */
function dropValues(state: ColumnState): void {
  if (state.values === null) return;
  const registers = state.registers ?? emptyRegisters();
  for (const { high, low } of state.values.values()) countDistinct(registers, high, low);
  state.moments = momentsOf(state);
  state.sketch = sketchOf(state);
  state.registers = registers;
  state.values = null;
}

/** Of all numbers, whether they are kept as values or in the sketch. */
export function momentsOf({ moments, values }: ColumnState): Moments {
  if (values === null) return moments;
  const numbers = [...values.values()].filter((value) => value.number === value.number);
  const count = numbers.reduce((sum, value) => sum + value.count, 0);
  if (count === 0) return moments;
  const mean = numbers.reduce((sum, value) => sum + value.number * (value.count / count), 0);
  return mergeMoments(moments, { count, mean, squares: numbers.reduce((sum, value) => sum + value.count * (value.number - mean) ** 2, 0) });
}

function sketchOf({ sketch, values }: ColumnState): QuantileSketch {
  if (values === null) return sketch;
  const whole = mergeSketches(sketch, emptySketch());
  for (const value of values.values()) if (value.number === value.number) for (let at = 0; at < value.count; at += 1) addValue(whole, value.number);
  return whole;
}

function addToKeys(state: ColumnState, keys: KeyTable, high: number, low: number, file: number, row: number): void {
  addKey(keys, high, low, file, row);
  if (state.isKey || keys.used + keys.copies < guessAfter) return;
  // Decimals measure, they do not name.
  if (keys.copies > guessedCopiesMax * (keys.used + keys.copies) || state.votes.number.count > 0) state.keys = null;
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

function addLength(lengths: ColumnState['lengths'], length: number): void {
  lengths.count += 1;
  lengths.total += length;
  if (length < lengths.min) lengths.min = length;
  if (length > lengths.max) lengths.max = length;
}

function addTime(times: ColumnState['times'], time: number, file: number, row: number): void {
  if (times.count === 0) times.first = time;
  else if (time < times.last) mark(times.outOfOrder, file, row);
  times.count += 1;
  times.last = time;
  if (time < times.min) times.min = time;
  if (time > times.max) times.max = time;
}

function momentsOfNumbers(values: Float64Array, count: number): Moments {
  let sum = 0;
  for (let at = 0; at < count; at += 1) sum += values[at] as number;
  const mean = sum / count;
  let squares = 0;
  for (let at = 0; at < count; at += 1) squares += ((values[at] as number) - mean) ** 2;
  return { count, mean, squares };
}

/** Chan, Golub, LeVeque 1983. */
function mergeMoments(one: Moments, other: Moments): Moments {
  const count = one.count + other.count;
  if (count === 0) return one;
  const apart = other.mean - one.mean;
  return { count, mean: one.mean + (apart * other.count) / count, squares: one.squares + other.squares + (apart * apart * one.count * other.count) / count };
}

export function mergeColumns(one: ColumnState, other: ColumnState, files: number): ColumnState {
  const marks = (a: Marks, b: Marks): Marks => mergeMarks(a, b, files);
  const moved = ({ value, place: [file, row] }: Extreme): Extreme => ({ value, place: [file + files, row] });
  const values = mergedValues(one, other, files);
  const isSmall = values !== null;
  const merged: ColumnState = {
    name: one.name,
    count: one.count + other.count,
    missing: marks(one.missing, other.missing),
    votes: Object.fromEntries(Object.entries(one.votes).map(([vote, seen]) => [vote, marks(seen, other.votes[vote as Vote])])) as ColumnState['votes'],
    // Numbers that are still values stay there if both sides have them so.
    moments: isSmall ? mergeMoments(one.moments, other.moments) : mergeMoments(momentsOf(one), momentsOf(other)),
    sketch: isSmall ? mergeSketches(one.sketch, other.sketch) : mergeSketches(sketchOf(one), sketchOf(other)),
    lowest: [...one.lowest, ...other.lowest.map(moved)].sort((a, b) => a.value - b.value).slice(0, extremesMax),
    highest: [...one.highest, ...other.highest.map(moved)].sort((a, b) => b.value - a.value).slice(0, extremesMax),
    times: mergeTimes(one.times, other.times, files),
    values,
    registers: isSmall ? null : mergeRegisters(registersOf(one), registersOf(other)),
    keys: one.keys === null || other.keys === null ? null : mergeKeys(one.keys, other.keys, files),
    isKey: one.isKey,
    valuesMax: one.valuesMax,
    lengths: {
      min: Math.min(one.lengths.min, other.lengths.min),
      max: Math.max(one.lengths.max, other.lengths.max),
      total: one.lengths.total + other.lengths.total,
      count: one.lengths.count + other.lengths.count,
    },
    damaged: marks(one.damaged, other.damaged),
  };
  const { keys } = merged;
  if (
    keys !== null &&
    !merged.isKey &&
    keys.used + keys.copies >= guessAfter &&
    (copiesOf(keys) > guessedCopiesMax * merged.count || merged.votes.number.count > 0)
  )
    merged.keys = null;
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

/** Null when they are too many together. */
function mergedValues(one: ColumnState, other: ColumnState, files: number): ColumnState['values'] {
  if (one.values === null || other.values === null) return null;
  const merged = new Map(Array.from(one.values, ([text, value]) => [text, { ...value }]));
  for (const [text, value] of other.values) {
    const seen = merged.get(text);
    if (seen !== undefined) seen.count += value.count;
    else merged.set(text, { ...value, place: [value.place[0] + files, value.place[1]] });
  }
  return merged.size <= one.valuesMax ? merged : null;
}

function registersOf({ registers, values }: ColumnState): Uint8Array {
  const own = registers ?? emptyRegisters();
  for (const { high, low } of values?.values() ?? []) countDistinct(own, high, low);
  return own;
}

/** The clock starts anew with every file. */
export function beginFile(state: ColumnState): void {
  state.times.last = Number.NaN;
}
