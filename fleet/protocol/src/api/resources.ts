import { z } from 'zod/mini';
import { gateVerdict } from '../bundle/gate.ts';
import { count, deviceId, digest, modelName, timestampMs, versionNumber } from '../ids.ts';
import { labelOrigin } from '../messages/telemetry.ts';
import { measuredVariant, updateOutcome, updatePhase } from '../messages/reported.ts';
import { deviceClass } from '../messages/status.ts';

/** Things the console and the command line show. All times are milliseconds since 1970, all sizes bytes. */

export const role = z.enum(['admin', 'operator', 'viewer']);
export type Role = z.infer<typeof role>;

export const session = z.object({ name: z.string(), role, fleet: z.string(), demo: z.boolean(), product: z.string() });
export type Session = z.infer<typeof session>;

export const deviceState = z.enum(['ACTIVE', 'REVOKED']);

export const deviceModel = z.object({
  model: modelName,
  version: z.nullable(versionNumber),
  variant: z.nullable(z.string()),
  /** What the device found of the variants it tried when it installed this version, the one that runs among them. */
  measured: z.array(measuredVariant),
  desiredVersion: z.nullable(versionNumber),
  phase: updatePhase,
  progress: z.nullable(z.number()),
  last: z.nullable(z.object({ version: versionNumber, outcome: updateOutcome, code: z.nullable(z.string()), detail: z.nullable(z.string()) })),
});

export const device = z.object({
  id: deviceId,
  class: deviceClass,
  site: z.string(),
  synthetic: z.boolean(),
  state: deviceState,
  online: z.boolean(),
  lastSeenAt: z.nullable(timestampMs),
  joinedAt: timestampMs,
  agent: z.string(),
  platform: z.string(),
  models: z.array(deviceModel),
  /** From the newest telemetry window, shares from the last few. */
  live: z.nullable(
    z.object({
      at: timestampMs,
      inferencesPerS: z.number(),
      p50Ms: z.nullable(z.number()),
      p95Ms: z.nullable(z.number()),
      /** Share of frames that were bad: failed, not finite, late, or wrong by their outcome. */
      badShare: z.nullable(z.number()),
      /** Share of judged frames that were right, and who judged; null where nobody did. */
      rightShare: z.nullable(z.number()),
      meanConfidence: z.nullable(z.number()),
    }),
  ),
  /** Worst open drift effect of the device (corrected PSI), null without evidence. */
  drift: z.nullable(z.object({ statistic: z.string(), effect: z.number(), alerting: z.boolean() })),
  /** Windows received, gaps seen in their numbering, dropped by the device's full spool. */
  windows: z.object({ received: count, missing: count, dropped: count }),
  /** Messages of this device that were refused, and the last reason. */
  refused: z.object({ count, lastCode: z.nullable(z.string()) }),
  error: z.nullable(z.object({ code: z.string(), detail: z.string() })),
});
export type Device = z.infer<typeof device>;

/** Recent windows of one device, oldest first, for its charts. */
export const devicePoint = z.object({
  at: timestampMs,
  version: versionNumber,
  inferencesPerS: z.number(),
  p50Ms: z.nullable(z.number()),
  p95Ms: z.nullable(z.number()),
  badShare: z.nullable(z.number()),
  meanConfidence: z.nullable(z.number()),
  meanBrightness: z.nullable(z.number()),
  drift: z.nullable(z.number()),
});
export type DevicePoint = z.infer<typeof devicePoint>;

export const versionOrigin = z.enum(['trained', 'retrained', 'pushed', 'demo-spoiled']);

export const modelVersion = z.object({
  model: modelName,
  version: versionNumber,
  manifest: digest,
  bytes: count,
  createdAt: timestampMs,
  createdBy: z.string(),
  origin: versionOrigin,
  note: z.string(),
  jobId: z.nullable(z.string()),
  metrics: z.record(z.string(), z.number()),
  /** The gate's verdict; null where nothing was compared. */
  gate: z.nullable(gateVerdict),
  /** With the devices that run each, and the median of what devices measured of it as their median time. */
  variants: z.array(z.object({ name: z.string(), bytes: count, devices: count, p50Ms: z.nullable(z.number()) })),
  labels: z.array(z.string()),
  /** Whether what was measured of it came with it: `getVersionReport`. */
  hasReport: z.boolean(),
  signedBy: z.string(),
  devices: count,
});
export type ModelVersion = z.infer<typeof modelVersion>;

export const model = z.object({
  name: modelName,
  createdAt: timestampMs,
  /** What devices that join get; set by the last completed rollout. */
  champion: z.nullable(versionNumber),
  versions: count,
  devices: count,
});
export type Model = z.infer<typeof model>;

export const rolloutStatus = z.enum([
  'SCHEDULED',
  'DISPATCH',
  'JUDGE',
  'PAUSED',
  'ROLLING_BACK',
  'ROLLED_BACK',
  'ROLLBACK_INCOMPLETE',
  'COMPLETED',
  'SUPERSEDED',
]);
export type RolloutStatus = z.infer<typeof rolloutStatus>;

export const rolloutMember = z.object({
  device: deviceId,
  stage: count,
  outcome: z.string(),
  code: z.nullable(z.string()),
});

/** What the judge says of the canary against the control, with its figures. */
export const rolloutVerdict = z.object({
  state: z.enum(['good', 'bad', 'pending']),
  words: z.string(),
  canaryBad: z.nullable(z.number()),
  controlBad: z.nullable(z.number()),
  /** Interval of the difference canary minus control. */
  interval: z.nullable(z.tuple([z.number(), z.number()])),
  canaryFrames: count,
  controlFrames: count,
  framesNeeded: count,
  /** Evidence so far against "no worse" and against "worse by the margin"; each decides at `threshold`. */
  eWorse: z.number(),
  eNotWorse: z.number(),
  threshold: z.number(),
});
export type RolloutVerdict = z.infer<typeof rolloutVerdict>;

export const rollout = z.object({
  id: z.string(),
  model: modelName,
  version: versionNumber,
  previous: z.nullable(versionNumber),
  status: rolloutStatus,
  stageIndex: count,
  stages: z.array(z.object({ label: z.string(), devices: count, state: z.enum(['done', 'now', 'planned']) })),
  /** One sentence: what is happening and why. */
  words: z.string(),
  reason: z.nullable(z.string()),
  verdict: z.nullable(rolloutVerdict),
  members: z.array(rolloutMember),
  createdAt: timestampMs,
  createdBy: z.string(),
  updatedAt: timestampMs,
  finishedAt: z.nullable(timestampMs),
  history: z.array(z.object({ at: timestampMs, status: rolloutStatus, words: z.string() })),
});
export type Rollout = z.infer<typeof rollout>;

export const jobStatus = z.enum(['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']);
export const job = z.object({
  id: z.string(),
  kind: z.enum(['train', 'retrain', 'spoil', 'ingest', 'pipeline', 'trial', 'import']),
  model: modelName,
  status: jobStatus,
  stage: z.string(),
  fraction: z.number(),
  message: z.string(),
  etaMs: z.nullable(z.number()),
  attempts: count,
  createdAt: timestampMs,
  createdBy: z.string(),
  startedAt: z.nullable(timestampMs),
  finishedAt: z.nullable(timestampMs),
  error: z.nullable(z.object({ code: z.string(), detail: z.string(), hint: z.string() })),
  version: z.nullable(versionNumber),
  metrics: z.record(z.string(), z.number()),
  log: z.array(z.string()),
});
export type Job = z.infer<typeof job>;

export const alert = z.object({
  id: z.string(),
  model: modelName,
  version: versionNumber,
  statistic: z.string(),
  state: z.enum(['OPEN', 'CLEARED']),
  severity: z.enum(['low', 'medium', 'high']),
  openedAt: timestampMs,
  clearedAt: z.nullable(timestampMs),
  /** Start of the run of windows that raised it. */
  since: timestampMs,
  effect: z.number(),
  evidence: z.number(),
  threshold: z.number(),
  devices: z.array(deviceId),
  words: z.string(),
  assumption: z.string(),
  jobId: z.nullable(z.string()),
  reference: z.array(count),
  live: z.array(count),
  edges: z.array(z.number()),
});
export type Alert = z.infer<typeof alert>;

const placed = { label: z.string(), x: z.number(), y: z.number(), angle: z.number() };
const detectedObject = z.object({ ...placed, score: z.number() });
const trueObject = z.object({ ...placed, visible: z.optional(z.number()) });

export const sample = z.object({
  id: z.string(),
  device: deviceId,
  at: timestampMs,
  version: versionNumber,
  /** Of the picture, in pixels; objects are placed in it. */
  width: count,
  height: count,
  predicted: z.union([z.object({ label: z.string(), confidence: z.number() }), z.object({ objects: z.array(detectedObject) })]),
  truth: z.nullable(z.union([z.object({ label: z.string(), origin: labelOrigin }), z.object({ objects: z.array(trueObject), origin: labelOrigin })])),
  /** Whether what was predicted is right; null where nobody knows. */
  right: z.nullable(z.boolean()),
});
export type Sample = z.infer<typeof sample>;

export const auditEntry = z.object({ id: z.string(), at: timestampMs, actor: z.string(), action: z.string(), subject: z.string(), words: z.string() });
export type AuditEntry = z.infer<typeof auditEntry>;

export const overview = z.object({
  at: timestampMs,
  devices: z.object({ total: count, online: count, synthetic: count }),
  inferencesPerS: z.number(),
  windowsPerMinute: z.number(),
  openAlerts: count,
  activeRollouts: count,
  runningJobs: count,
  attention: z.array(
    z.object({ kind: z.enum(['alert', 'rollout', 'device', 'job', 'dataset', 'source']), id: z.string(), words: z.string(), since: timestampMs }),
  ),
});
export type Overview = z.infer<typeof overview>;
