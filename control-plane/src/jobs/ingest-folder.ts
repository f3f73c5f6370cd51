import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod/mini';
import { anomaly, columnSummary, dataSpec, inputFile, sourceSettings } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { count, digest, versionNumber } from '@serin/protocol/ids';
import { writeFileDurably } from '@serin/node/files';

/** What the child of an ingestion reads and leaves in the folder of its job. */
export const ingestRequest = z.object({
  kind: z.literal('ingest'),
  spec: dataSpec,
  mode: z.enum(['append', 'replace']),
  /** The batch, and where each file lies; empty where a source brings it. */
  files: z.array(z.extend(inputFile, { at: z.string() })),
  source: z.nullable(
    z.object({
      settings: sourceSettings,
      cursor: z.unknown(),
      /** What the server allows of sources. */
      folders: z.array(z.string()),
      privateUrls: z.boolean(),
      stallMs: z._default(z.number(), 30_000),
      bytesMax: z.number(),
      /** A person knows that the source shrank, or has nothing. */
      accept: z.boolean(),
    }),
  ),
  /** The newest version that may be used: what the batch is held against. */
  reference: z.nullable(z.object({ version: versionNumber, schema: z.nullable(z.string()), profile: z.nullable(z.string()) })),
  /** Contents that are there already, where the batch adds to them. */
  known: z.array(digest),
  now: z.int(),
});
export type IngestRequest = z.infer<typeof ingestRequest>;

const side = z.enum(['train', 'validation', 'test']);
export const splitCounts = z.object({ train: count, validation: count, test: count });
export type SplitCounts = z.infer<typeof splitCounts>;

const batchEntry = z.object({
  path: z.string(),
  sha256: digest,
  bytes: count,
  rows: z.optional(count),
  label: z.optional(z.string()),
  split: z.optional(side),
  source: z.optional(z.string()),
  time: z.optional(count),
});

const ingestHead = z.object({
  /** Why there is nothing to make a version of; null where there is. */
  nothing: z.nullable(z.object({ ok: z.boolean(), words: z.string() })),
  cursor: z.unknown(),
  /** Files that the source brought, below the folder of the job. */
  brought: z.array(z.object({ file: z.string(), sha256: digest })),
  entries: z.array(batchEntry),
  splits: splitCounts,
  labels: z.array(z.object({ label: z.string(), count })),
  errors: count,
  warnings: count,
  anomalies: z.array(anomaly),
  anomaliesBeyond: count,
  columns: z.array(columnSummary),
});
export type IngestResult = z.infer<typeof ingestHead>;

const headFile = 'ingest.json';
const schemaFile = 'schema.json';
const profileFile = 'profile.bin';

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

export async function writeIngestRequest(folder: string, request: IngestRequest): Promise<void> {
  // What an attempt before this one has left half done is not gone on with.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileDurably(path.join(folder, 'request.json'), JSON.stringify(request));
}

export interface IngestFiles {
  schema?: string | undefined;
  profile?: Uint8Array | undefined;
}

/** The head comes last: with it the folder counts as finished. */
export async function writeIngestResult(folder: string, result: IngestResult, { schema, profile }: IngestFiles = {}): Promise<void> {
  if (schema !== undefined) await writeFileDurably(path.join(folder, schemaFile), schema);
  if (profile !== undefined) await writeFileDurably(path.join(folder, profileFile), profile);
  await writeFileDurably(path.join(folder, headFile), JSON.stringify(result));
}

export async function readIngestResult(folder: string): Promise<(IngestResult & IngestFiles) | undefined> {
  if (!(await exists(path.join(folder, headFile)))) return undefined;
  const parsed = ingestHead.safeParse(JSON.parse(await readFile(path.join(folder, headFile), 'utf8')));
  if (!parsed.success) throw new SerinError('JOB_FAILED', { detail: `the result is malformed: ${z.prettifyError(parsed.error).slice(0, 400)}` });
  const [schema, profile] = [path.join(folder, schemaFile), path.join(folder, profileFile)];
  return {
    ...parsed.data,
    ...((await exists(schema)) ? { schema: await readFile(schema, 'utf8') } : {}),
    ...((await exists(profile)) ? { profile: new Uint8Array(await readFile(profile)) } : {}),
  };
}
