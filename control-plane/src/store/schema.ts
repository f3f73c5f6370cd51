import { bigint, bigserial, boolean, customType, doublePrecision, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import type { Hello } from '@serin/protocol/messages/status';
import type { Reported } from '@serin/protocol/messages/reported';
import type { Predicted, Truth } from '@serin/protocol/messages/telemetry';
import type { DesiredModel } from '@serin/protocol/messages/desired';
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
    gate: jsonb('gate').$type<{ passed: boolean; checks: { name: string; value: number; limit: number; passed: boolean; words: string }[] }>(),
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
    kind: text('kind').$type<'train' | 'retrain' | 'spoil'>().notNull(),
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
