import { z } from 'zod/mini';
import { deviceId, digest, modelName, versionNumber } from '../ids.ts';
import { report } from '../bundle/report.ts';
import { signedDocument } from '../bundle/signing.ts';
import { importSpec } from '../import-spec.ts';
import { dataRoutes } from './data-routes.ts';
import { inputFile, inputFilesMax } from './datasets.ts';
import { alert, auditEntry, device, devicePoint, job, model, modelVersion, overview, role, rollout, sample, session } from './resources.ts';

export type Access = 'open' | 'viewer' | 'operator' | 'admin';

export interface Route {
  method: 'GET' | 'POST' | 'DELETE';
  /** `:name` marks a path parameter. */
  path: string;
  /** The least role that may call it. */
  access: Access;
  summary: string;
  params?: z.ZodMiniType;
  query?: z.ZodMiniType;
  body?: z.ZodMiniType;
  reply: z.ZodMiniType;
}

/** Query strings are text; numbers in them are read here. */
const queryNumber = (least: number, most: number, usual: number) =>
  z._default(z.pipe(z.string().check(z.regex(/^\d{1,9}$/)), z.pipe(z.transform(Number), z.int().check(z.gte(least), z.lte(most)))), usual);

const text = (most: number) => z.string().check(z.minLength(1), z.maxLength(most));
const page = { limit: queryNumber(1, 500, 100), cursor: z.optional(text(200)) };
const listOf = <Item extends z.ZodMiniType>(item: Item) => z.object({ items: z.array(item), next: z.nullable(z.string()), total: z.int() });
const byId = z.object({ id: text(64) });
const empty = z.object({});

export const errorReply = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  detail: z.optional(z.string()),
  requestId: z.optional(z.string()),
});
export type ErrorReply = z.infer<typeof errorReply>;

/** The operator's API, once: the server registers it, the console and the command line call it, /docs describes it. */
export const routes = {
  signIn: {
    method: 'POST',
    path: '/api/session',
    access: 'open',
    summary: 'Trade a one-time code for a session cookie',
    body: z.object({ code: text(200) }),
    reply: session,
  },
  getSession: { method: 'GET', path: '/api/session', access: 'viewer', summary: 'Who is signed in', reply: session },
  signOut: { method: 'DELETE', path: '/api/session', access: 'viewer', summary: 'End the session', reply: empty },
  createToken: {
    method: 'POST',
    path: '/api/tokens',
    access: 'admin',
    summary: 'Make a token for a machine; shown once',
    body: z.object({ name: text(64), role, days: z._default(z.int().check(z.gte(1), z.lte(365)), 30) }),
    reply: z.object({ id: z.string(), token: z.string(), expiresAt: z.int() }),
  },
  listTokens: {
    method: 'GET',
    path: '/api/tokens',
    access: 'admin',
    summary: 'Tokens, without their secrets',
    reply: z.object({
      items: z.array(z.object({ id: z.string(), name: z.string(), role, createdAt: z.int(), expiresAt: z.int(), lastUsedAt: z.nullable(z.int()) })),
    }),
  },
  revokeToken: { method: 'DELETE', path: '/api/tokens/:id', access: 'admin', summary: 'Revoke a token', params: byId, reply: empty },
  getOverview: { method: 'GET', path: '/api/overview', access: 'viewer', summary: 'The fleet at a glance, and what needs attention', reply: overview },
  listDevices: {
    method: 'GET',
    path: '/api/devices',
    access: 'viewer',
    summary: 'Devices, a page at a time',
    query: z.object({
      ...page,
      q: z.optional(text(64)),
      state: z.optional(z.enum(['online', 'offline', 'drifting', 'failed', 'revoked'])),
      version: z.optional(text(12)),
    }),
    reply: listOf(device),
  },
  getDevice: { method: 'GET', path: '/api/devices/:id', access: 'viewer', summary: 'One device', params: z.object({ id: deviceId }), reply: device },
  getDeviceHistory: {
    method: 'GET',
    path: '/api/devices/:id/history',
    access: 'viewer',
    summary: 'Recent windows of a device',
    params: z.object({ id: deviceId }),
    query: z.object({ limit: queryNumber(1, 500, 200) }),
    reply: z.object({ items: z.array(devicePoint) }),
  },
  listDeviceWindows: {
    method: 'GET',
    path: '/api/devices/:id/windows',
    access: 'viewer',
    summary: 'Every telemetry window of a device that is committed, oldest first, a page at a time',
    params: z.object({ id: deviceId }),
    query: z.object({ limit: queryNumber(1, 5000, 1000), cursor: z.optional(text(200)) }),
    reply: z.object({
      items: z.array(
        z.object({ boot: z.string(), seq: z.int(), model: modelName, version: versionNumber, from: z.int(), to: z.int(), run: z.int(), bad: z.int() }),
      ),
      next: z.nullable(z.string()),
    }),
  },
  revokeDevice: {
    method: 'POST',
    path: '/api/devices/:id/revoke',
    access: 'admin',
    summary: 'Revoke a device: its connections end at once',
    params: z.object({ id: deviceId }),
    reply: device,
  },
  createEnrolment: {
    method: 'POST',
    path: '/api/enrolments',
    access: 'operator',
    summary: 'Make a single-use join token',
    body: z.object({ name: z.optional(deviceId), minutes: z._default(z.int().check(z.gte(1), z.lte(10_080)), 60) }),
    reply: z.object({ token: z.string(), expiresAt: z.int(), joinUrl: z.string(), command: z.string() }),
  },
  listModels: { method: 'GET', path: '/api/models', access: 'viewer', summary: 'Models', reply: z.object({ items: z.array(model) }) },
  listVersions: {
    method: 'GET',
    path: '/api/models/:name/versions',
    access: 'viewer',
    summary: 'Versions of a model, newest first',
    params: z.object({ name: modelName }),
    reply: z.object({ items: z.array(modelVersion) }),
  },
  /** The page itself with `format=html`, or where a browser asks for one. */
  getVersionReport: {
    method: 'GET',
    path: '/api/models/:name/versions/:version/report',
    access: 'viewer',
    summary: 'What was measured of a version before it was signed; with format=html as a page',
    params: z.object({ name: modelName, version: z.pipe(z.string().check(z.regex(/^\d{1,10}$/)), z.pipe(z.transform(Number), versionNumber)) }),
    query: z.object({ format: z.optional(z.enum(['json', 'html'])) }),
    reply: report,
  },
  /** The body is the ONNX file itself (application/octet-stream); see pushVersionQuery. */
  pushVersion: {
    method: 'POST',
    path: '/api/models/:name/versions',
    access: 'operator',
    summary: 'Push a ready ONNX file: checked, packaged, signed',
    params: z.object({ name: modelName }),
    query: z.object({ note: z.optional(text(200)), labels: z.optional(text(4000)) }),
    reply: modelVersion,
  },
  /** Which of the files are not on the server yet: send these first, then ask again. */
  importModel: {
    method: 'POST',
    path: '/api/models/:name/imports',
    access: 'operator',
    summary: 'Import a model that was made elsewhere: checked, quantised, gated, packaged, signed',
    params: z.object({ name: modelName }),
    body: z.object({
      file: inputFile,
      /** What it is calibrated and judged by. */
      pictures: z._default(z.array(inputFile).check(z.maxLength(inputFilesMax)), []),
      spec: importSpec,
      note: z._default(z.string().check(z.maxLength(500)), ''),
    }),
    reply: z.object({ missing: z.array(digest), job: z.nullable(job) }),
  },
  startRollout: {
    method: 'POST',
    path: '/api/rollouts',
    access: 'operator',
    summary: 'Roll a version out: one device first, the rest when its windows are good',
    body: z.object({ model: modelName, version: versionNumber, strategy: z._default(z.enum(['canary', 'all-at-once']), 'canary') }),
    reply: rollout,
  },
  listRollouts: {
    method: 'GET',
    path: '/api/rollouts',
    access: 'viewer',
    summary: 'Rollouts, newest first',
    query: z.object({ limit: queryNumber(1, 200, 50), model: z.optional(modelName) }),
    reply: z.object({ items: z.array(rollout) }),
  },
  getRollout: { method: 'GET', path: '/api/rollouts/:id', access: 'viewer', summary: 'One rollout', params: byId, reply: rollout },
  pauseRollout: { method: 'POST', path: '/api/rollouts/:id/pause', access: 'operator', summary: 'Hold a rollout', params: byId, reply: rollout },
  resumeRollout: { method: 'POST', path: '/api/rollouts/:id/resume', access: 'operator', summary: 'Go on with a held rollout', params: byId, reply: rollout },
  abortRollout: { method: 'POST', path: '/api/rollouts/:id/abort', access: 'operator', summary: 'Stop a rollout and go back', params: byId, reply: rollout },
  startJob: {
    method: 'POST',
    path: '/api/jobs',
    access: 'operator',
    summary: 'Train a model',
    body: z.object({
      kind: z.enum(['train', 'retrain']),
      model: modelName,
      seed: z._default(z.int().check(z.gte(0), z.lte(4_294_967_295)), 1),
      rollout: z._default(z.boolean(), false),
    }),
    reply: job,
  },
  listJobs: {
    method: 'GET',
    path: '/api/jobs',
    access: 'viewer',
    summary: 'Jobs, newest first',
    query: z.object({ limit: queryNumber(1, 200, 50) }),
    reply: z.object({ items: z.array(job) }),
  },
  getJob: { method: 'GET', path: '/api/jobs/:id', access: 'viewer', summary: 'One job with its log tail', params: byId, reply: job },
  cancelJob: { method: 'POST', path: '/api/jobs/:id/cancel', access: 'operator', summary: 'Cancel a job', params: byId, reply: job },
  listAlerts: {
    method: 'GET',
    path: '/api/alerts',
    access: 'viewer',
    summary: 'Drift alerts, newest first',
    query: z.object({ limit: queryNumber(1, 200, 50), state: z.optional(z.enum(['OPEN', 'CLEARED'])) }),
    reply: z.object({ items: z.array(alert) }),
  },
  listSamples: {
    method: 'GET',
    path: '/api/samples',
    access: 'viewer',
    summary: 'Frames devices sent along, newest first',
    query: z.object({ limit: queryNumber(1, 200, 50), model: z.optional(modelName), device: z.optional(deviceId) }),
    reply: z.object({ items: z.array(sample) }),
  },
  listAudit: {
    method: 'GET',
    path: '/api/audit',
    access: 'viewer',
    summary: 'Who did what, newest first',
    query: z.object({ limit: queryNumber(1, 500, 100) }),
    reply: z.object({ items: z.array(auditEntry) }),
  },
  /** What a browser on this origin should run: the signed documents, to be verified in the page. */
  getWebChannel: {
    method: 'GET',
    path: '/api/web/:name',
    access: 'viewer',
    summary: 'The present version of a model for browsers, with its signed manifest and keyset',
    params: z.object({ name: modelName }),
    reply: z.object({
      fleet: z.string(),
      model: modelName,
      version: versionNumber,
      manifestDigest: digest,
      manifest: signedDocument,
      keyset: signedDocument,
      rootKeyId: z.string(),
    }),
  },
  ...dataRoutes,
  /** Only where the server runs the demo. */
  demoLight: {
    method: 'POST',
    path: '/api/demo/light',
    access: 'operator',
    summary: 'Demo: change the light in the hall',
    body: z.object({ level: z.number().check(z.gte(0.1), z.lte(1.5)), warmth: z.number().check(z.gte(0), z.lte(1)) }),
    reply: empty,
  },
  demoPublish: {
    method: 'POST',
    path: '/api/demo/publish',
    access: 'operator',
    summary: 'Demo: publish a version that misbehaves, or one that was tampered with',
    body: z.object({ kind: z.enum(['misbehaving', 'corrupted', 'wrong-signature']) }),
    reply: rollout,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
type SchemaOf<Name extends RouteName, Part extends 'params' | 'query' | 'body' | 'reply'> =
  (typeof routes)[Name] extends Record<Part, infer Schema extends z.ZodMiniType> ? Schema : never;
export type RequestOf<Name extends RouteName> = {
  [Part in 'params' | 'query' | 'body' as SchemaOf<Name, Part> extends never ? never : Part]: z.input<SchemaOf<Name, Part>>;
};
export type ReplyOf<Name extends RouteName> = z.infer<SchemaOf<Name, 'reply'>>;

/** Raw routes beside the table: `GET /api/events` (event stream), `GET /api/samples/:id/image` (PPM-free PNG), `GET /blobs/:sha256`, `/healthz`, `/metrics`, `/docs`. */
export const eventsPath = '/api/events';
