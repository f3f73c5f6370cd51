import { link, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { checkImages } from '@serin/models/data/check-images';
import { noProblems, refuseProblems, type Problems } from '@serin/models/data/problems';
import { anomaliesOfProblems } from '@serin/models/data/quality/anomalies';
import { columnSummaries } from '@serin/models/data/quality/column-summary';
import { inferSchema } from '@serin/models/data/quality/infer-schema';
import { checkNamedColumns } from '@serin/models/data/quality/named-columns';
import { profileRecords, type ProfileState } from '@serin/models/data/quality/profile';
import { repeatedIds } from '@serin/models/data/quality/repeated-ids';
import { columnsApart, parseSchema, profileOptionsOf } from '@serin/models/data/quality/schema';
import { summarise } from '@serin/models/data/quality/summary';
import { validate } from '@serin/models/data/quality/validate';
import { readFolders } from '@serin/models/data/read-folders';
import type { RecordBatch } from '@serin/models/data/records/batch';
import { openRecords } from '@serin/models/data/records/open';
import { anyAddress, publicOnly } from '@serin/models/sources/addresses';
import { readSource } from '@serin/models/sources/read-source';
import type { SourceCursor } from '@serin/models/sources/source';
import { splitBatch, splitFile } from '@serin/models/datasets/splits';
import { anomaliesMax, type Anomaly, type DataSpec, type InputFile } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { decodeProfile, encodeProfile } from '../datasets/profile-blob.ts';
import { openSqlClient } from '../datasets/sql-client.ts';
import { writeIngestResult, type IngestFiles, type IngestRequest, type IngestResult, type SplitCounts } from './ingest-folder.ts';
import type { ChildTold } from './pipeline-child.ts';

type Batch = readonly (InputFile & { at: string; source?: string; time?: number })[];

const noCounts = (): SplitCounts => ({ train: 0, validation: 0, test: 0 });
const isEmptyOrShrunk = ({ kind }: Anomaly): boolean => kind === 'empty' || kind === 'shrunk';

/** Anomalies as they are kept: the gravest first, and a number for the rest. */
function listed(anomalies: readonly Anomaly[]): Pick<IngestResult, 'errors' | 'warnings' | 'anomalies' | 'anomaliesBeyond'> {
  const errors = anomalies.filter(({ severity }) => severity === 'error');
  const warnings = anomalies.filter(({ severity }) => severity === 'warning');
  const shown = [...errors, ...warnings].slice(0, anomaliesMax);
  return { errors: errors.length, warnings: warnings.length, anomalies: shown, anomaliesBeyond: anomalies.length - shown.length };
}

const blank = { cursor: null, brought: [], entries: [], splits: noCounts(), labels: [], columns: [], ...listed([]) };

interface Records {
  state: ProfileState;
  splits: SplitCounts;
  problems: Problems;
}

async function readRecords(batch: Batch, spec: DataSpec, options: { keys: string[]; apart: string[] }, told: ChildTold, signal: AbortSignal): Promise<Records> {
  const { format, encoding, delimiter } = spec;
  const problems = noProblems();
  const splits = noCounts();
  const total = batch.reduce((sum, { bytes }) => sum + bytes, 0);
  const began = performance.now();
  let bytes = 0;
  const records = openRecords(
    batch.map(({ path: name, at: file }) => ({ file, name })),
    {
      problems,
      signal,
      ...(format === undefined || format === 'folders' ? {} : { format }),
      encoding,
      delimiter,
      onProgress: (progress) => {
        bytes = progress.bytes;
      },
    },
  );
  async function* counted(): AsyncGenerator<RecordBatch> {
    for await (const one of records) {
      for (const side of splitBatch(one, spec)) splits[side] += 1;
      yield one;
    }
  }
  let toldAt = 0;
  const state = await profileRecords(counted(), {
    ...options,
    signal,
    onRows(rows) {
      const now = performance.now();
      if (now - toldAt < 250) return;
      toldAt = now;
      const fraction = total === 0 ? 0 : Math.min(1, bytes / total);
      const rate = Math.round(rows / Math.max(0.001, (now - began) / 1000));
      told.progress({ stage: 'read', fraction: fraction * 0.9, message: `${rows.toLocaleString('en')} records, ${rate.toLocaleString('en')} a second` });
    },
  });
  return { state, splits, problems };
}

async function ingestRecords(batch: Batch, request: IngestRequest, told: ChildTold, signal: AbortSignal): Promise<{ result: IngestResult } & IngestFiles> {
  const { spec, mode, reference, now } = request;
  const known = reference === null || reference.schema === null ? undefined : parseSchema(await readFile(reference.schema, 'utf8'));
  const named = [spec.id, spec.group].flatMap((name) => name ?? []);
  const options = known === undefined ? { keys: named, apart: [...(spec.id === undefined ? [] : [spec.id]), ...(spec.ignore ?? [])] } : profileOptionsOf(known);
  const { state, splits, problems } = await readRecords(batch, spec, options, told, signal);
  told.progress({ stage: 'validate', fraction: 0.95, message: 'held against what came before' });
  const roles = { label: spec.label, apart: known === undefined ? options.apart : columnsApart(known) };
  const profile = summarise(state, roles);
  const schema = known ?? inferSchema(profile, { spec });
  const before = reference === null || reference.profile === null ? undefined : decodeProfile(await readFile(reference.profile));
  if (profile.rows > 0) checkNamedColumns(spec, profile, problems);
  const accepted = request.source?.accept === true;
  // A part of something is no smaller than it should be.
  const found = [
    ...anomaliesOfProblems(problems),
    ...validate(profile, schema, before === undefined ? undefined : summarise(before, roles), { now, ...(mode === 'append' ? { shrinkMin: 0 } : {}) }),
    ...(mode === 'append' && before !== undefined ? repeatedIds(before, state, schema) : []),
  ];
  const anomalies = found.map((one) => (accepted && isEmptyOrShrunk(one) ? { ...one, severity: 'warning' as const } : one));
  const rows = new Map(state.files.map((file) => [file.name, file.rows]));
  const label = profile.columns.find(({ name }) => name === profile.label);
  const result: IngestResult = {
    ...blank,
    nothing: null,
    entries: batch.map(({ path: name, sha256, bytes, source, time }) => ({
      path: name,
      sha256,
      bytes,
      rows: rows.get(name) ?? 0,
      ...(source === undefined ? {} : { source }),
      ...(time === undefined ? {} : { time }),
    })),
    splits,
    labels: (label?.values ?? []).slice(0, 1000).map(({ value, count }) => ({ label: value, count })),
    columns: columnSummaries(profile, schema),
    ...listed(anomalies),
  };
  const nothingMore = profile.rows === 0 && problems.total === 0 && (accepted || (mode === 'append' && reference !== null));
  if (request.source !== null && nothingMore) return { result: { ...result, nothing: { ok: true, words: 'nothing new: what it brought has no record' } } };
  const missing = anomalies.find(isEmptyOrShrunk);
  if (request.source !== null && !accepted && missing !== undefined) return { result: { ...result, nothing: { ok: false, words: missing.words } } };
  if (profile.rows === 0) {
    refuseProblems(problems);
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', { detail: 'the files have no record' });
  }
  return { result, schema: JSON.stringify(schema), profile: encodeProfile(state) };
}

/** Pictures are only opened: how large they are is for the pipeline to say. */
const anyFrame = { width: 16, height: 16, channels: 1 } as const;

/** Files that are one example each, in a folder for each class. */
async function ingestFolders(folder: string, batch: Batch, { spec }: IngestRequest, told: ChildTold, signal: AbortSignal): Promise<{ result: IngestResult }> {
  const tree = path.join(folder, 'tree');
  for (const { path: name, at } of batch) {
    const place = path.join(tree, name);
    await mkdir(path.dirname(place), { recursive: true });
    await link(at, place);
  }
  let { dataset, problems } = await readFolders(tree);
  if (spec.kind === 'images') {
    const checked = await checkImages(dataset, anyFrame, {
      signal,
      onProgress: ({ done, total }) => told.progress({ stage: 'read', fraction: (0.95 * done) / total, message: `${done} of ${total} pictures` }),
    });
    problems = checked.problems;
    dataset = checked.dataset;
  }
  const splits = noCounts();
  const labels = new Map<string, number>();
  const found = new Map(dataset.examples.map((example) => [example.path, example]));
  const entries = batch.flatMap(({ path: name, sha256, bytes, source, time }) => {
    const label = dataset.labels[found.get(name)?.label ?? -1];
    if (label === undefined) return [];
    const split = splitFile(sha256);
    splits[split] += 1;
    labels.set(label, (labels.get(label) ?? 0) + 1);
    return [{ path: name, sha256, bytes, rows: 1, label, split, ...(source === undefined ? {} : { source }), ...(time === undefined ? {} : { time }) }];
  });
  if (entries.length === 0) {
    refuseProblems(problems);
    throw new SerinError('TRAINING_DATA_INSUFFICIENT', { detail: 'the files have no example' });
  }
  return {
    result: {
      ...blank,
      nothing: null,
      entries,
      splits,
      labels: [...labels].slice(0, 1000).map(([label, count]) => ({ label, count })),
      ...listed(anomaliesOfProblems(problems)),
    },
  };
}

interface Brought {
  batch: Batch;
  cursor: SourceCursor;
  nothing?: { ok: boolean; words: string };
}

/** Fetches what is new at a source into the folder of the job, with the secrets this process was given and no others. */
async function bring(
  folder: string,
  request: IngestRequest,
  source: NonNullable<IngestRequest['source']>,
  told: ChildTold,
  signal: AbortSignal,
): Promise<Brought> {
  const into = path.join(folder, 'files');
  await mkdir(into, { recursive: true });
  const reading = await readSource(source.settings, source.cursor as SourceCursor, {
    into,
    signal,
    secrets: (name) => process.env[name],
    policy: source.privateUrls ? anyAddress : publicOnly,
    sql: openSqlClient,
    mode: request.mode,
    accept: source.accept ? ['empty', 'shrunk'] : [],
    limits: { stallMs: source.stallMs, readBytesMax: source.bytesMax, fileBytesMax: source.bytesMax },
    onProgress: ({ files, bytes }) => told.progress({ stage: 'fetch', fraction: 0, message: `${files} files, ${bytes.toLocaleString('en')} bytes` }),
  });
  const { cursor, findings, words } = reading;
  const batch = reading.files.map(({ name, file, sha256, bytes, time }) => ({
    path: name,
    at: file,
    sha256,
    bytes,
    source: name,
    ...(time === undefined ? {} : { time }),
  }));
  if (findings.length > 0) return { batch: [], cursor, nothing: { ok: false, words } };
  return batch.length === 0 ? { batch, cursor, nothing: { ok: true, words } } : { batch, cursor };
}

/** Reads, profiles and validates a batch. What it finds is all it leaves: whoever started it decides what becomes of it. */
export async function runIngestJob(folder: string, request: IngestRequest, told: ChildTold, signal: AbortSignal): Promise<void> {
  const known = new Set<string>(request.known);
  const brought = request.source === null ? undefined : await bring(folder, request, request.source, told, signal);
  if (brought?.nothing !== undefined) {
    await writeIngestResult(folder, { ...blank, cursor: brought.cursor, nothing: brought.nothing });
    return;
  }
  const given: Batch = brought?.batch ?? request.files;
  const batch = given.filter(({ sha256 }) => !known.has(sha256));
  if (batch.length === 0) {
    const words = 'nothing new: every file is there already';
    await writeIngestResult(folder, { ...blank, cursor: brought?.cursor ?? null, nothing: { ok: true, words } });
    return;
  }
  const isFolders = request.spec.kind === 'images' || request.spec.format === 'folders';
  const { result, ...files } = isFolders ? await ingestFolders(folder, batch, request, told, signal) : await ingestRecords(batch, request, told, signal);
  const own = brought === undefined ? [] : batch.map(({ at, sha256 }) => ({ file: path.relative(folder, at), sha256 }));
  await writeIngestResult(folder, { ...result, cursor: brought?.cursor ?? null, brought: own }, files);
}
