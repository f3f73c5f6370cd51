import { z } from 'zod/mini';
import { count, digest, modelName, timestampMs, versionNumber } from '../ids.ts';

/** Data that models learn from, in versions that never change. Times are milliseconds since 1970, sizes bytes. */

const words = z.string().check(z.maxLength(1000));
const shortText = (most: number) => z.string().check(z.minLength(1), z.maxLength(most));
const columnName = shortText(128);

/** A dataset is named as a model is. */
export const datasetName = modelName;

export const datasetKind = z.enum(['table', 'text', 'images']);
export type DatasetKind = z.infer<typeof datasetKind>;

/** What the columns of records are for; found out where nothing is said. */
export const dataSpec = z.object({
  kind: datasetKind,
  label: z.optional(columnName),
  /** An id decides the split of a record, so the record never moves; a group keeps what belongs together on one side. */
  id: z.optional(columnName),
  group: z.optional(columnName),
  time: z.optional(columnName),
  /** Fields that are joined into the text. */
  text: z.optional(z.array(columnName).check(z.maxLength(16))),
  ignore: z.optional(z.array(columnName).check(z.maxLength(1000))),
  /** How files are read; by their names and contents where nothing is said. */
  format: z.optional(z.enum(['csv', 'jsonl', 'parquet', 'lines', 'folders'])),
  encoding: z.optional(z.enum(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252'])),
  delimiter: z.optional(z.enum([',', ';', '\t', '|'])),
});
export type DataSpec = z.infer<typeof dataSpec>;

export const anomaly = z.object({
  /** Stable name of what was found, `label-leak` say; docs/data-quality.md lists them. */
  kind: shortText(40),
  /** An error keeps a batch from being used until a person releases it; a warning is only shown. */
  severity: z.enum(['error', 'warning']),
  column: z.nullable(z.string().check(z.maxLength(128))),
  file: z.nullable(z.string().check(z.maxLength(1024))),
  /** The first few records concerned, as their file counts them. */
  rows: z.array(count).check(z.maxLength(20)),
  /** Records concerned. */
  count,
  /** One sentence: the number, the limit, what to do. */
  words,
});
export type Anomaly = z.infer<typeof anomaly>;
export const anomaliesMax = 500;

export const columnType = z.enum(['integer', 'number', 'boolean', 'category', 'text', 'time']);
export type ColumnType = z.infer<typeof columnType>;
export const columnRole = z.enum(['feature', 'label', 'id', 'group', 'time', 'ignored']);
export type ColumnRole = z.infer<typeof columnRole>;

/** One column at a glance. */
export const columnSummary = z.object({
  name: columnName,
  type: columnType,
  role: columnRole,
  count,
  missing: count,
  /** Exact up to some thousands, then estimated. */
  distinct: count,
  numbers: z.nullable(
    z.object({
      min: z.number(),
      max: z.number(),
      mean: z.number(),
      deviation: z.number(),
      /** At 1, 5, 25, 50, 75, 95 and 99 percent. */
      quantiles: z.array(z.number()).check(z.maxLength(16)),
      edges: z.array(z.number()).check(z.maxLength(65)),
      counts: z.array(count).check(z.maxLength(64)),
    }),
  ),
  /** The most frequent values of a category. */
  top: z.array(z.object({ value: z.string().check(z.maxLength(256)), count })).check(z.maxLength(20)),
  /** Letters of texts. */
  lengths: z.nullable(z.object({ min: count, mean: z.number(), max: count })),
  /** How much the column tells about the label, 0 to 1; null where it was not measured. */
  association: z.nullable(z.number()),
});
export type ColumnSummary = z.infer<typeof columnSummary>;

export const versionStatus = z.enum(['READY', 'QUARANTINED', 'DROPPED']);
export type DatasetVersionStatus = z.infer<typeof versionStatus>;

const splitCounts = z.object({ train: count, validation: count, test: count });

export const datasetVersion = z.object({
  dataset: datasetName,
  version: versionNumber,
  kind: datasetKind,
  spec: dataSpec,
  /** Of all that training sees of it: equal data, equal digest. */
  digest,
  status: versionStatus,
  /** The version it adds to; null for one that stands alone. */
  parent: z.nullable(versionNumber),
  createdAt: timestampMs,
  createdBy: z.string(),
  /** Which source it came from; null when a person brought it. */
  source: z.nullable(z.string()),
  note: z.string(),
  files: count,
  bytes: count,
  rows: count,
  splits: splitCounts,
  labels: z.array(z.object({ label: z.string(), count })).check(z.maxLength(1000)),
  errors: count,
  warnings: count,
  /** Who released or dropped a quarantined batch, when and why. */
  decision: z.nullable(z.object({ by: z.string(), at: timestampMs, note: z.string() })),
});
export type DatasetVersion = z.infer<typeof datasetVersion>;

export const datasetVersionDetail = z.extend(datasetVersion, {
  anomalies: z.array(anomaly).check(z.maxLength(anomaliesMax)),
  /** How many there are beyond the list. */
  anomaliesBeyond: count,
  columns: z.array(columnSummary).check(z.maxLength(4096)),
});
export type DatasetVersionDetail = z.infer<typeof datasetVersionDetail>;

export const dataset = z.object({
  name: datasetName,
  kind: datasetKind,
  createdAt: timestampMs,
  /** The newest version that may be used; null before there is one. */
  latest: z.nullable(versionNumber),
  rows: count,
  bytes: count,
  versions: count,
  quarantined: count,
  sources: count,
});
export type Dataset = z.infer<typeof dataset>;

// ---- sources ---------------------------------------------------------------------------------

/** A name of a variable of the server's environment; secrets are named, never told. */
const secretName = z.string().check(z.regex(/^SERIN_SOURCE_[A-Z0-9_]{1,64}$/));

export const sourceSettings = z.discriminatedUnion('kind', [
  /** Files below a folder of the server. */
  z.object({ kind: z.literal('folder'), path: shortText(1024), pattern: z.optional(shortText(256)) }),
  z.object({ kind: z.literal('url'), url: shortText(2048), headerSecret: z.optional(secretName) }),
  z.object({
    kind: z.literal('s3'),
    endpoint: shortText(2048),
    region: z._default(shortText(64), 'us-east-1'),
    bucket: shortText(256),
    prefix: z._default(z.string().check(z.maxLength(1024)), ''),
    keyIdSecret: secretName,
    keySecret: secretName,
  }),
  /** One query; `$1` in it is the largest value of `cursorColumn` read before. */
  z.object({
    kind: z.literal('sql'),
    urlSecret: secretName,
    query: shortText(10_000),
    cursorColumn: z.optional(columnName),
  }),
]);
export type SourceSettings = z.infer<typeof sourceSettings>;

export const source = z.object({
  name: modelName,
  dataset: datasetName,
  settings: sourceSettings,
  spec: dataSpec,
  /** `append`: a read adds to the newest version. `replace`: it is a version by itself. */
  mode: z.enum(['append', 'replace']),
  /** Five fields as cron has them, in UTC; null for one that is read only when asked. */
  schedule: z.nullable(z.string().check(z.maxLength(100))),
  enabled: z.boolean(),
  createdAt: timestampMs,
  createdBy: z.string(),
  lastReadAt: z.nullable(timestampMs),
  nextReadAt: z.nullable(timestampMs),
  /** What the last read brought, in words, and whether it went well. */
  last: z.nullable(z.object({ ok: z.boolean(), words, version: z.nullable(versionNumber) })),
});
export type Source = z.infer<typeof source>;

/** A file that is to be part of something: its bytes lie on the server already or are sent as a blob. */
export const inputFile = z.object({
  path: z.string().check(z.minLength(1), z.maxLength(1024)),
  sha256: digest,
  bytes: count,
});
export type InputFile = z.infer<typeof inputFile>;
export const inputFilesMax = 10_000;
