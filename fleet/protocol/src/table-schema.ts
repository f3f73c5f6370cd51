import { z } from 'zod/mini';
import { columnRole, columnType } from './api/datasets.ts';

/**
 * What the records of a table must be like, as a JSON file that people may edit. It is made from a profile of records that
 * were found good, and what people wrote wins. Limits that were inferred have room for chance; written ones are meant as written.
 */
const value = z.string().check(z.maxLength(256));

export const schemaColumn = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(128)),
  type: columnType,
  role: columnRole,
  /** Every file must have the column, and every record a value. */
  required: z._default(z.boolean(), false),
  min: z.optional(z.number()),
  max: z.optional(z.number()),
  levels: z.optional(z.array(value).check(z.maxLength(10_000))),
  /** Any other level is a mistake; else only as many as chance cannot explain. */
  closed: z.optional(z.boolean()),
  /** The share of missing values that is borne with. */
  missingMax: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
  unique: z._default(z.boolean(), false),
  /** Times never go back from one record of a file to the next. */
  ordered: z._default(z.boolean(), false),
  /** A regular expression for the whole of a value. */
  pattern: z.optional(z.string().check(z.maxLength(256))),
});
export type SchemaColumn = z.infer<typeof schemaColumn>;

export const tableSchema = z.strictObject({
  v: z.literal(1),
  /** Of the records it was inferred from; 0 for a schema that was written. */
  rows: z._default(z.number().check(z.minimum(0)), 0),
  columns: z.array(schemaColumn).check(z.minLength(1), z.maxLength(4096)),
});
export type TableSchema = z.infer<typeof tableSchema>;
