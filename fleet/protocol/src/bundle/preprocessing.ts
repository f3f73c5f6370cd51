import { z } from 'zod/mini';

/**
 * How a record becomes the tensors of a model, where the graph cannot do it itself: the file of role `preprocessing`.
 * The trainer, agents and pages prepare records by the same code (`fleet/inference`), so they cannot differ.
 */
const columnName = z.string().check(z.minLength(1), z.maxLength(128));

export const featureColumn = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('number'), name: columnName }),
  /** Becomes the index of its level; a level that was never seen counts as missing. */
  z.object({ kind: z.literal('category'), name: columnName, levels: z.array(z.string().check(z.maxLength(256))).check(z.maxLength(10_000)) }),
]);
export type FeatureColumn = z.infer<typeof featureColumn>;

/** A row becomes `features`, float32 [1, columns]; a missing cell is NaN. */
export const tablePreprocessing = z.object({
  v: z.literal(1),
  kind: z.literal('table'),
  columns: z.array(featureColumn).check(z.minLength(1), z.maxLength(4096)),
});
export type TablePreprocessing = z.infer<typeof tablePreprocessing>;

export const textField = z.object({
  name: columnName,
  /** Words of fields with another prefix are other words. A field may be listed twice, with a prefix and without. */
  prefix: z.optional(z.string().check(z.regex(/^[a-z0-9-]{1,16}$/))),
});

/** Which runs of words and letters are counted, and into how many buckets they are hashed. */
export const textBuckets = z.object({
  kind: z.literal('buckets'),
  /** 2 to the power of this many buckets. */
  bits: z.int().check(z.gte(8), z.lte(22)),
  /** Runs of up to so many words. */
  words: z.int().check(z.gte(1), z.lte(3)),
  /** Runs of letters within a word whose ends are marked. */
  letters: z.optional(
    z
      .object({ from: z.int().check(z.gte(2), z.lte(8)), to: z.int().check(z.gte(2), z.lte(8)) })
      .check(z.refine(({ from, to }) => from <= to, 'from is larger than to')),
  ),
  /** What being there n times weighs: 1, n or 1 + ln n. All weights of a text together have length 1. */
  weighting: z.enum(['presence', 'count', 'log']),
});
export type TextBuckets = z.infer<typeof textBuckets>;

/** Words as numbers in their order: 0 is padding, others are hashed into what is left of 2 to the power of `bits`. */
export const textTokens = z.object({
  kind: z.literal('tokens'),
  bits: z.int().check(z.gte(8), z.lte(20)),
  /** Words a text is cut or padded to. */
  length: z.int().check(z.gte(1), z.lte(8192)),
});
export type TextTokens = z.infer<typeof textTokens>;

/**
 * The fields of a record are read as words (`fleet/inference/src/text/words.ts` defines them) and become `buckets`, int64 [1, K],
 * with `weights`, float32 [1, K], where K is how many there are; or `tokens`, int64 [1, length].
 */
export const textPreprocessing = z.object({
  v: z.literal(1),
  kind: z.literal('text'),
  fields: z.array(textField).check(z.minLength(1), z.maxLength(16)),
  /** UTF-16 units of each field that are read, and words of a record; the rest is left out. */
  unitsMax: z.int().check(z.gte(1), z.lte(1_000_000)),
  wordsMax: z.int().check(z.gte(1), z.lte(100_000)),
  output: z.discriminatedUnion('kind', [textBuckets, textTokens]),
});
export type TextPreprocessing = z.infer<typeof textPreprocessing>;

export const preprocessing = z.discriminatedUnion('kind', [tablePreprocessing, textPreprocessing]);
export type Preprocessing = z.infer<typeof preprocessing>;
