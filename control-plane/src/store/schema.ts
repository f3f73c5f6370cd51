import { bigint, bigserial, boolean, customType, doublePrecision, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import type { Anomaly, ColumnSummary, DataSpec, DatasetKind, DatasetVersionStatus, InputFile, SourceSettings } from '@serin/protocol/api/datasets';
import type { Job } from '@serin/protocol/api/resources';
import type { Environment, ParameterValue, Run, RunDetail, RunStatus } from '@serin/protocol/api/runs';
import type { PipelineFile } from '@serin/protocol/pipeline';
import type { SearchState } from '@serin/models/search/asha';
import type { Hello } from '@serin/protocol/messages/status';
import type { Reported } from '@serin/protocol/messages/reported';
import type { Predicted, Truth } from '@serin/protocol/messages/telemetry';
import type { DesiredModel } from '@serin/protocol/messages/desired';
import type { GateVerdictRecord } from '@serin/protocol/bundle/gate';
import type { SignedDocument } from '@serin/protocol/bundle/signing';

/** PostgreSQL 15's SQL only: PGlite is newer than the servers people run. Times are milliseconds since 1970. */

const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => 'bytea',
  // One database answers with a Buffer, the other with a plain array.
  fromDriver: (value) => new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
});
const time = (name: string) => bigint(name, { mode: 'number' });
const long = (name: string) => bigint(name, { mode: 'number' });

export const meta = pgTable('meta', { key: text('key').primaryKey(), value: text('value').notNull() });

// ---- people and machines -------------------------------------------------------------------
export const tokens = pgTable('tokens', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  role: text('role').$type<'admin' | 'operator' | 'viewer'>().notNull(),
  /** SHA-256 of the secret: the secret itself is shown once and stored nowhere. */
  hash: text('hash').notNull().unique(),
  createdAt: time('created_at').notNull(),
  expiresAt: time('expires_at').notNull(),
  lastUsedAt: time('last_used_at'),
});

export const sessions = pgTable('sessions', {
  hash: text('hash').primaryKey(),
  name: text('name').notNull(),
  role: text('role').$type<'admin' | 'operator' | 'viewer'>().notNull(),
  createdAt: time('created_at').notNull(),
  expiresAt: time('expires_at').notNull(),
});

export const signInCodes = pgTable('sign_in_codes', {
  hash: text('hash').primaryKey(),
  role: text('role').$type<'admin' | 'operator' | 'viewer'>().notNull(),
  expiresAt: time('expires_at').notNull(),
  usedAt: time('used_at'),
});

// ---- devices -------------------------------------------------------------------------------
export const enrolments = pgTable('enrolments', {
  hash: text('hash').primaryKey(),
  name: text('name'),
  createdBy: text('created_by').notNull(),
  expiresAt: time('expires_at').notNull(),
  usedAt: time('used_at'),
  device: text('device'),
  /** SHA-256 of the public key that used it: a device that lost the answer may ask again with the same key. */
  keyHash: text('key_hash'),
});

export const devices = pgTable(
  'devices',
  {
    id: text('id').primaryKey(),
    state: text('state').$type<'ACTIVE' | 'REVOKED'>().notNull(),
    hello: jsonb('hello').$type<Hello>().notNull(),
    certificateSerial: text('certificate_serial').notNull(),
    /** The certificate before the last renewal: good until the device has used the new one. */
    previousSerial: text('previous_serial'),
    certificateExpiresAt: time('certificate_expires_at').notNull(),
    joinedAt: time('joined_at').notNull(),
    online: boolean('online').notNull().default(false),
    boot: text('boot'),
    conn: integer('conn').notNull().default(0),
    lastSeenAt: time('last_seen_at'),
    reported: jsonb('reported').$type<Reported>(),
    reportedAt: time('reported_at'),
    windowsReceived: long('windows_received').notNull().default(0),
    windowsMissing: long('windows_missing').notNull().default(0),
    windowsDropped: long('windows_dropped').notNull().default(0),
    refusedCount: long('refused_count').notNull().default(0),
    refusedCode: text('refused_code'),
  },
  (table) => [index('devices_online').on(table.online)],
);

/** Intent per device; the signed document is made from it when it is published. */
export const desired = pgTable('desired', {
  device: text('device').primaryKey(),
  rev: integer('rev').notNull(),
  models: jsonb('models').$type<DesiredModel[]>().notNull(),
  samplesPerWindow: integer('samples_per_window').notNull().default(0),
  updatedAt: time('updated_at').notNull(),
});

// ---- models --------------------------------------------------------------------------------
export const models = pgTable('models', {
  name: text('name').primaryKey(),
  createdAt: time('created_at').notNull(),
  champion: integer('champion'),
});

export const versions = pgTable(
  'versions',
  {
    model: text('model').notNull(),
    version: integer('version').notNull(),
    manifest: text('manifest').notNull(),
    manifestBytes: integer('manifest_bytes').notNull(),
    bundleBytes: long('bundle_bytes').notNull(),
    document: jsonb('document').$type<SignedDocument>().notNull(),
    createdAt: time('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    origin: text('origin').$type<'trained' | 'retrained' | 'pushed' | 'demo-spoiled'>().notNull(),
    note: text('note').notNull().default(''),
    jobId: text('job_id'),
    metrics: jsonb('metrics').$type<Record<string, number>>().notNull(),
    gate: jsonb('gate').$type<GateVerdictRecord>(),
    signedBy: text('signed_by').notNull(),
  },
  (table) => [primaryKey({ columns: [table.model, table.version] })],
);

// ---- evidence ------------------------------------------------------------------------------
export const windows = pgTable(
  'windows',
  {
    device: text('device').notNull(),
    boot: text('boot').notNull(),
    seq: long('seq').notNull(),
    model: text('model').notNull(),
    version: integer('version').notNull(),
    fromAt: time('from_at').notNull(),
    toAt: time('to_at').notNull(),
    receivedAt: time('received_at').notNull(),
    run: integer('run').notNull(),
    bad: integer('bad').notNull(),
    judged: integer('judged').notNull(),
    wrong: integer('wrong').notNull(),
    p50Ms: doublePrecision('p50_ms'),
    p95Ms: doublePrecision('p95_ms'),
    /** Largest corrected PSI of the window's statistics against the version's profile; null without a profile. */
    drift: doublePrecision('drift'),
    driftStatistic: text('drift_statistic'),
    /** The whole window as it came, CBOR. */
    body: bytes('body').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.device, table.boot, table.seq] }),
    index('windows_by_version').on(table.model, table.version, table.toAt),
    index('windows_by_device').on(table.device, table.toAt),
    index('windows_by_time').on(table.receivedAt),
  ],
);

export const samples = pgTable(
  'samples',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    device: text('device').notNull(),
    boot: text('boot').notNull(),
    seq: long('seq').notNull(),
    model: text('model').notNull(),
    version: integer('version').notNull(),
    takenAt: time('taken_at').notNull(),
    height: integer('height').notNull(),
    width: integer('width').notNull(),
    channels: integer('channels').notNull(),
    predicted: jsonb('predicted').$type<Predicted>().notNull(),
    truth: jsonb('truth').$type<Truth>(),
    pixels: bytes('pixels').notNull(),
  },
  (table) => [uniqueIndex('samples_once').on(table.device, table.boot, table.seq), index('samples_by_model').on(table.model, table.takenAt)],
);

/** One row per monitored statistic of a version: the detector's state survives a restart. */
export const detectors = pgTable(
  'detectors',
  {
    model: text('model').notNull(),
    version: integer('version').notNull(),
    statistic: text('statistic').notNull(),
    state: jsonb('state').notNull(),
    updatedAt: time('updated_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.model, table.version, table.statistic] })],
);

export const alerts = pgTable(
  'alerts',
  {
    id: text('id').primaryKey(),
    model: text('model').notNull(),
    version: integer('version').notNull(),
    statistic: text('statistic').notNull(),
    state: text('state').$type<'OPEN' | 'CLEARED'>().notNull(),
    openedAt: time('opened_at').notNull(),
    clearedAt: time('cleared_at'),
    jobId: text('job_id'),
    /** The rest of the alert resource: words, effect, histograms, devices. */
    body: jsonb('body').notNull(),
  },
  (table) => [index('alerts_by_state').on(table.state, table.openedAt)],
);

// ---- work ----------------------------------------------------------------------------------
export const rollouts = pgTable(
  'rollouts',
  {
    id: text('id').primaryKey(),
    model: text('model').notNull(),
    version: integer('version').notNull(),
    previous: integer('previous'),
    status: text('status').notNull(),
    /** Compare-and-set: a writer that read an older number has lost. */
    cas: integer('cas').notNull(),
    state: jsonb('state').notNull(),
    verdict: jsonb('verdict'),
    history: jsonb('history').$type<{ at: number; status: string; words: string }[]>().notNull(),
    createdAt: time('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    updatedAt: time('updated_at').notNull(),
    finishedAt: time('finished_at'),
  },
  (table) => [index('rollouts_by_model').on(table.model, table.createdAt), index('rollouts_by_status').on(table.status)],
);

export const jobs = pgTable(
  'jobs',
  {
    id: text('id').primaryKey(),
    kind: text('kind').$type<Job['kind']>().notNull(),
    model: text('model').notNull(),
    status: text('status').$type<'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED'>().notNull(),
    params: jsonb('params').$type<Record<string, unknown>>().notNull(),
    stage: text('stage').notNull().default(''),
    fraction: doublePrecision('fraction').notNull().default(0),
    message: text('message').notNull().default(''),
    attempts: integer('attempts').notNull().default(0),
    /** Whoever runs it renews this; past it the job is free for another worker. */
    leaseUntil: time('lease_until'),
    worker: text('worker'),
    cancelWanted: boolean('cancel_wanted').notNull().default(false),
    notBefore: time('not_before').notNull(),
    createdAt: time('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    startedAt: time('started_at'),
    finishedAt: time('finished_at'),
    version: integer('version'),
    metrics: jsonb('metrics').$type<Record<string, number>>().notNull(),
    error: jsonb('error').$type<{ code: string; detail: string; hint: string }>(),
    log: jsonb('log').$type<string[]>().notNull(),
  },
  (table) => [index('jobs_by_status').on(table.status, table.notBefore)],
);

// ---- data ----------------------------------------------------------------------------------
export const datasets = pgTable('datasets', {
  name: text('name').primaryKey(),
  kind: text('kind').$type<DatasetKind>().notNull(),
  createdAt: time('created_at').notNull(),
  /** The newest version that may be used. */
  latest: integer('latest'),
});

export const datasetVersions = pgTable(
  'dataset_versions',
  {
    dataset: text('dataset').notNull(),
    version: integer('version').notNull(),
    kind: text('kind').$type<DatasetKind>().notNull(),
    spec: jsonb('spec').$type<DataSpec>().notNull(),
    digest: text('digest').notNull(),
    /** The blob that lists its files. */
    manifest: text('manifest').notNull(),
    /** Blobs of what the next batch is held against; null where the kind of data has none. */
    schema: text('schema'),
    profile: text('profile'),
    status: text('status').$type<DatasetVersionStatus>().notNull(),
    parent: integer('parent'),
    createdAt: time('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    source: text('source'),
    note: text('note').notNull(),
    files: integer('files').notNull(),
    bytes: long('bytes').notNull(),
    rows: long('rows').notNull(),
    splits: jsonb('splits').$type<{ train: number; validation: number; test: number }>().notNull(),
    labels: jsonb('labels').$type<{ label: string; count: number }[]>().notNull(),
    errors: integer('errors').notNull(),
    warnings: integer('warnings').notNull(),
    decision: jsonb('decision').$type<{ by: string; at: number; note: string }>(),
    /** What a list does not show. */
    detail: jsonb('detail').$type<{ anomalies: Anomaly[]; anomaliesBeyond: number; columns: ColumnSummary[] }>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.dataset, table.version] }), index('dataset_versions_by_status').on(table.status)],
);

export const sources = pgTable(
  'sources',
  {
    name: text('name').primaryKey(),
    dataset: text('dataset').notNull(),
    settings: jsonb('settings').$type<SourceSettings>().notNull(),
    spec: jsonb('spec').$type<DataSpec>().notNull(),
    mode: text('mode').$type<'append' | 'replace'>().notNull(),
    schedule: text('schedule'),
    enabled: boolean('enabled').notNull(),
    createdAt: time('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    /** How far reading has come; written with the version it led to. */
    cursor: jsonb('cursor').$type<unknown>(),
    lastReadAt: time('last_read_at'),
    nextReadAt: time('next_read_at'),
    last: jsonb('last').$type<{ ok: boolean; words: string; version: number | null }>(),
    /** The read that is under way. */
    jobId: text('job_id'),
  },
  (table) => [index('sources_due').on(table.nextReadAt)],
);

// ---- runs ----------------------------------------------------------------------------------
export const pipelines = pgTable('pipelines', {
  name: text('name').primaryKey(),
  /** As it was last run. */
  file: jsonb('file').$type<PipelineFile>().notNull(),
  createdAt: time('created_at').notNull(),
  updatedAt: time('updated_at').notNull(),
});

/** What a list of runs does not show. */
export type RunReport = Pick<RunDetail, 'series' | 'artifacts' | 'importance' | 'confusion' | 'intervals' | 'slices' | 'assumptions'>;

export const runs = pgTable(
  'runs',
  {
    id: text('id').primaryKey(),
    model: text('model').notNull(),
    pipeline: text('pipeline'),
    status: text('status').$type<RunStatus>().notNull(),
    jobId: text('job_id'),
    createdAt: time('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    finishedAt: time('finished_at'),
    seed: long('seed').notNull(),
    code: jsonb('code').$type<Run['code']>().notNull(),
    data: jsonb('data').$type<Run['data']>(),
    parameters: jsonb('parameters').$type<Record<string, ParameterValue>>().notNull(),
    environment: jsonb('environment').$type<Environment>().notNull(),
    stages: jsonb('stages').$type<Run['stages']>().notNull(),
    metrics: jsonb('metrics').$type<Record<string, number>>().notNull(),
    baseline: jsonb('baseline').$type<Run['baseline']>(),
    weightDigest: text('weight_digest'),
    gate: jsonb('gate').$type<Run['gate']>(),
    version: integer('version'),
    error: jsonb('error').$type<{ code: string; detail: string; hint: string }>(),
    repeats: text('repeats'),
    verdict: jsonb('verdict').$type<Run['verdict']>(),
    report: jsonb('report').$type<RunReport>().notNull(),
    log: jsonb('log').$type<string[]>().notNull(),
    /** What it was asked to do, so that it can be done again: the file, and the files it names. */
    file: jsonb('file').$type<PipelineFile>(),
    inputs: jsonb('inputs').$type<InputFile[]>().notNull(),
    /** The version it was compared with; a repetition is compared with the same. */
    champion: integer('champion'),
    /** Where its search has come to: what is tried next follows from this alone. */
    search: jsonb('search').$type<SearchState>(),
  },
  (table) => [index('runs_by_model').on(table.model, table.createdAt), index('runs_by_time').on(table.createdAt), index('runs_by_job').on(table.jobId)],
);

/** Intent written in the same transaction as the rows it follows from; published at least once, then deleted. */
export const outbox = pgTable('outbox', {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  /** `desired`: publish the present desired document of `subject`. */
  kind: text('kind').$type<'desired'>().notNull(),
  subject: text('subject').notNull(),
  createdAt: time('created_at').notNull(),
});

export const audit = pgTable('audit', {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  at: time('at').notNull(),
  actor: text('actor').notNull(),
  action: text('action').notNull(),
  subject: text('subject').notNull(),
  words: text('words').notNull(),
  /** SHA-256 over the previous hash and this row: a changed or missing row shows. */
  previous: text('previous').notNull(),
  hash: text('hash').notNull(),
});
