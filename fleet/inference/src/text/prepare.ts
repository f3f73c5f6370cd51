import type { TextPreprocessing, TextTokens } from '@serin/protocol/bundle/preprocessing';

import { visitGrams } from './grams.ts';
import { hashText } from './murmur3.ts';
import { splitWords, type Word } from './words.ts';

export type TextRecord = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** The words of a record, a list for each field of its preprocessing. */
export type RecordWords = readonly (readonly Word[])[];

/** Buckets in the order in which the text first fills them, with their weights. */
export interface TextEntries {
  readonly buckets: Int32Array;
  readonly weights: Float32Array;
}

/** Inputs of a text model by name. */
export type TextTensors = Readonly<
  Record<
    string,
    | { readonly type: 'int64'; readonly dims: readonly [number, number]; readonly data: BigInt64Array }
    | { readonly type: 'float32'; readonly dims: readonly [number, number]; readonly data: Float32Array }
  >
>;

/** Turns records into the inputs of a model. It keeps buffers between calls, so one serves one caller at a time. */
export interface TextPreparer {
  words(record: TextRecord): RecordWords;
  /** Only where the output is `buckets`. */
  entries(words: RecordWords): TextEntries;
  tensors(texts: readonly RecordWords[]): TextTensors;
}

/** The words of a record; those beyond the limit are left out, the first field's come first. */
export function readWords({ fields, unitsMax, wordsMax }: TextPreprocessing, record: TextRecord): RecordWords {
  let left = wordsMax;
  return fields.map(({ name }) => {
    const value = record[name];
    const words = value === null || value === undefined ? [] : splitWords(String(value), unitsMax, left);
    left -= words.length;
    return words;
  });
}

export function textPreparer(preprocessing: TextPreprocessing): TextPreparer {
  const { output } = preprocessing;
  const words = (record: TextRecord): RecordWords => readWords(preprocessing, record);
  if (output.kind === 'tokens') {
    const entries = (): never => {
      throw new RangeError('this preprocessing makes tokens, not buckets');
    };
    return { words, entries, tensors: (texts) => ({ tokens: tokensOf(preprocessing, output, texts) }) };
  }
  const entries = bucketCounter(preprocessing);
  return { words, entries, tensors: (texts) => padded(texts.map(entries)) };
}

function bucketCounter({ fields, output }: TextPreprocessing): (words: RecordWords) => TextEntries {
  if (output.kind !== 'buckets') throw new RangeError('no buckets');
  const counts = new Int32Array(2 ** output.bits);
  return (words) => {
    const buckets: number[] = [];
    fields.forEach(({ prefix }, field) =>
      visitGrams(words[field] ?? [], prefix, output, (bucket) => {
        if (counts[bucket] === 0) buckets.push(bucket);
        counts[bucket] = (counts[bucket] ?? 0) + 1;
      }),
    );
    const raw = new Float64Array(buckets.length);
    let squares = 0;
    buckets.forEach((bucket, index) => {
      const count = counts[bucket] ?? 0;
      counts[bucket] = 0;
      const weight = output.weighting === 'presence' ? 1 : output.weighting === 'count' ? count : 1 + naturalLog(count);
      raw[index] = weight;
      squares += weight * weight;
    });
    const scale = squares === 0 ? 0 : 1 / Math.sqrt(squares);
    return { buckets: Int32Array.from(buckets), weights: Float32Array.from(raw, (weight) => weight * scale) };
  };
}

const logs = new Map<number, number>();

/** The logarithm of a whole number from 1 by the four operations alone: engines may round that of `Math` each their own way. */
export function naturalLog(value: number): number {
  const known = logs.get(value);
  if (known !== undefined) return known;
  let mantissa = value;
  let doublings = 0;
  for (; mantissa >= 2; doublings += 1) mantissa /= 2;
  // ln m = 2 atanh((m - 1) / (m + 1)), and the quotient is below 1/3.
  const ratio = (mantissa - 1) / (mantissa + 1);
  let term = ratio;
  let sum = 0;
  for (let odd = 1; odd < 40; odd += 2) {
    sum += term / odd;
    term *= ratio * ratio;
  }
  const found = 2 * sum + doublings * Math.LN2;
  if (value <= 1000) logs.set(value, found);
  return found;
}

/** Rows of the same length: bucket 0 with weight 0 adds nothing. At least one column, for an empty text has none. */
function padded(rows: readonly TextEntries[]): TextTensors {
  const width = rows.reduce((most, { buckets }) => Math.max(most, buckets.length), 1);
  const dims = [rows.length, width] as const;
  const numbers = new Int32Array(rows.length * width);
  const weights = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    numbers.set(row.buckets, index * width);
    weights.set(row.weights, index * width);
  });
  return { buckets: { type: 'int64', dims, data: longs(numbers) }, weights: { type: 'float32', dims, data: weights } };
}

/** Between two fields stands a word of its own. */
const boundary = '<field>';

function tokensOf({ fields }: TextPreprocessing, { bits, length }: TextTokens, texts: readonly RecordWords[]): TextTensors[string] {
  const numbers = new Int32Array(texts.length * length);
  const idOf = (text: string, seed: number): number => 1 + (hashText(text, seed) % (2 ** bits - 1));
  const seeds = fields.map(({ prefix }) => (prefix === undefined ? 0 : hashText(prefix, 0)));
  texts.forEach((words, index) => {
    const row = numbers.subarray(index * length, (index + 1) * length);
    let at = 0;
    seeds.forEach((seed, field) => {
      if (field > 0 && at < length) row[at++] = idOf(boundary, 0);
      for (const { text } of words[field] ?? []) if (at < length) row[at++] = text === '' ? 0 : idOf(text, seed);
    });
  });
  return { type: 'int64', dims: [texts.length, length], data: longs(numbers) };
}

/** Whole numbers from 0 as int64. Filled by halves, which takes a tenth of the time of making big integers. */
function longs(values: Int32Array): BigInt64Array {
  const wide = new BigInt64Array(values.length);
  const low = isLittleEndian ? 0 : 1;
  const halves = new Int32Array(wide.buffer);
  for (let index = 0; index < values.length; index += 1) halves[2 * index + low] = values[index] ?? 0;
  return wide;
}

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
