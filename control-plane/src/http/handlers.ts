import type { ModelName } from '@serin/protocol/ids';
import type { Rollout, Session } from '@serin/protocol/api/resources';
import type { ReplyOf } from '@serin/protocol/api/routes';
import { SerinError } from '@serin/protocol/errors';
import { digest, modelName, type Digest } from '@serin/protocol/ids';
import { productVersion } from '@serin/protocol/version';
import { eq } from 'drizzle-orm';
import { createToken, listTokens, revokeToken, signIn, signOut, type AccessContext, type Principal } from '../access.ts';
import { recordAudit } from '../audit.ts';
import type { BlobStore } from '../blobs/disk.ts';
import type { Changes } from '../changes.ts';
import type { Demo } from '../demo.ts';
import { createEnrolment, revokeDevice, type DeviceContext } from '../devices.ts';
import { cancelJob, enqueueJob, findJob, type JobEnd, type JobRow } from '../jobs/queue.ts';
import type { Keys } from '../keys.ts';
import type { ImportOrder } from '../models/importing.ts';
import type { PushRequest } from '../models/push.ts';
import type { VersionRow } from '../models/publish.ts';
import { models } from '../store/schema.ts';
import type { Db } from '../store/store.ts';
import { deviceHistory, deviceWindows, findDevices, listDevices, type ViewSettings } from '../views/devices.ts';
import { findVersion, listModels, listSamples, listVersions, viewVersion } from '../views/models.ts';
import { listAudit, viewOverview } from '../views/overview.ts';
import { findRollout, listRollouts } from '../views/rollouts.ts';
import { listAlerts, listJobs, viewJob } from '../views/work.ts';
import { readVersionReport, replyReport } from './version-report.ts';
import { createDataHandlers, type DataHandlerContext } from './data-handlers.ts';
import type { ApiRequest, Handlers } from './routes.ts';
import type { SessionCookie } from './server.ts';

/** What people do with rollouts; each returns the id of the rollout it acted on. */
export interface RolloutActions {
  start(request: { model: ModelName; version: number; strategy: 'canary' | 'all-at-once' }, actor: string): Promise<string>;
  pause(id: string, actor: string): Promise<void>;
  resume(id: string, actor: string): Promise<void>;
  abort(id: string, actor: string): Promise<void>;
}

export interface HandlerContext {
  access: AccessContext;
  devices: DeviceContext;
  keys: Keys;
  changes: Changes;
  windowMs: number;
  rollouts: RolloutActions;
  push(request: PushRequest): Promise<VersionRow>;
  importModel(order: ImportOrder, actor: string): Promise<{ missing: Digest[]; job?: JobRow }>;
  data: DataHandlerContext;
  blobs: BlobStore;
  /** What hangs on a job that ends before it began. */
  endJob(tx: Db, job: JobRow, end: JobEnd): Promise<void>;
  /** Only where the server runs the demo. */
  demo: Demo | undefined;
}

function found<Item>(item: Item | undefined, what: string): Item {
  if (item === undefined) throw new SerinError('NOT_FOUND', { detail: what });
  return item;
}

const labelsMax = 1000;

/** The operator's API, route by route: read the request, call the use case, show the row. */
export function createHandlers(context: HandlerContext, session: SessionCookie): Handlers {
  const { access, devices, keys, changes, rollouts, demo } = context;
  const { store, clock } = access;
  const { db } = store;
  const settings = (): ViewSettings => ({ windowMs: context.windowMs, now: clock() });
  const showSession = ({ name, role }: Principal): Session => ({ name, role, fleet: keys.fleet, demo: demo !== undefined, product: productVersion });
  const showRollout = async (id: string): Promise<Rollout> => found(await findRollout(db, id), `rollout ${id}`);
  const showDevice = async (id: string) => found((await findDevices(db, [id], settings()))[0], `device ${id}`);
  const requireDemo = (): Demo => {
    if (demo === undefined) throw new SerinError('NOT_FOUND', { detail: 'this server does not run the demo', hint: 'Start it with --demo, or by `npm start`' });
    return demo;
  };
  const showJob = async (id: string) => viewJob(found(await findJob(db, id), `job ${id}`), clock());

  async function startJob({ body, actor }: ApiRequest<'startJob'>) {
    const row = await store.transaction(async (tx) => {
      const job = await enqueueJob(tx, { kind: body.kind, model: body.model, params: { seed: body.seed, rollout: body.rollout }, createdBy: actor }, clock());
      await recordAudit(tx, { at: clock(), actor, action: 'job.start', subject: job.id, words: `${body.kind} of ${body.model}` });
      return job;
    });
    changes.tell({ type: 'job', id: row.id });
    return viewJob(row, clock());
  }

  async function stopJob({ params, actor }: ApiRequest<'cancelJob'>) {
    await store.transaction(async (tx) => {
      const job = found(await findJob(tx, params.id), `job ${params.id}`);
      if (job.finishedAt !== null) throw new SerinError('CONFLICT', { detail: `the job is ${job.status}` });
      await cancelJob(tx, params.id, clock());
      // One that waited is over now; one that runs is ended by its worker.
      const present = await findJob(tx, params.id);
      if (present?.status === 'CANCELLED') await context.endJob(tx, present, { status: 'CANCELLED', message: present.message });
      await recordAudit(tx, { at: clock(), actor, action: 'job.cancel', subject: params.id, words: `cancelled the ${job.kind} of ${job.model}` });
    });
    changes.tell({ type: 'job', id: params.id });
    return showJob(params.id);
  }

  async function pushVersion({ params, query, actor, bytes }: ApiRequest<'pushVersion'>) {
    const labels = (query.labels ?? '')
      .split(',')
      .map((label) => label.trim())
      .filter((label) => label !== '');
    if (labels.length > labelsMax) throw new SerinError('BAD_REQUEST', { detail: `at most ${labelsMax} labels` });
    const row = await context.push({ model: params.name, bytes: bytes(), labels, note: query.note ?? '', createdBy: actor });
    await store.transaction((tx) =>
      recordAudit(tx, {
        at: clock(),
        actor,
        action: 'version.push',
        subject: `${row.model} ${row.version}`,
        words: `pushed version ${row.version} of ${row.model}`,
      }),
    );
    return viewVersion(row);
  }

  async function importModel({ params, body, actor }: ApiRequest<'importModel'>) {
    const { missing, job } = await context.importModel({ ...body, model: params.name }, actor);
    return { missing, job: job === undefined ? null : viewJob(job, clock()) };
  }

  async function versionReport({ params, query, http }: ApiRequest<'getVersionReport'>): Promise<ReplyOf<'getVersionReport'>> {
    const { row, report } = await readVersionReport(db, context.blobs, params.name, params.version);
    return replyReport(http, query.format, report, { version: row.version, manifest: row.manifest, signedBy: row.signedBy });
  }

  async function webChannel({ params }: ApiRequest<'getWebChannel'>): Promise<ReplyOf<'getWebChannel'>> {
    const [model] = await db.select().from(models).where(eq(models.name, params.name));
    const champion = model?.champion ?? undefined;
    const row = champion === undefined ? undefined : await findVersion(db, params.name, champion);
    const version = found(row, `${params.name} has no version in service`);
    return {
      fleet: keys.fleet,
      model: modelName.parse(version.model),
      version: version.version,
      manifestDigest: digest.parse(version.manifest),
      manifest: version.document,
      keyset: keys.keysetDocument,
      rootKeyId: keys.keyset.roles.root.keys[0]?.id ?? '',
    };
  }

  async function enrol({ body, actor }: ApiRequest<'createEnrolment'>) {
    const { token, expiresAt } = await createEnrolment(devices, { minutes: body.minutes, ...(body.name === undefined ? {} : { name: body.name }) }, actor);
    const { deviceUrl } = devices.addresses();
    const name = body.name === undefined ? '' : ` --name ${body.name}`;
    return { token, expiresAt, joinUrl: deviceUrl, command: `npm run agent -- --join ${deviceUrl} --token ${token}${name}` };
  }

  const act =
    (action: 'pause' | 'resume' | 'abort') =>
    async ({ params, actor }: { params: { id: string }; actor: string }) => {
      await rollouts[action](params.id, actor);
      return showRollout(params.id);
    };

  return {
    async signIn({ body, http }) {
      const { secret, principal } = await signIn(access, body.code);
      session.set(http.reply, secret);
      return showSession(principal);
    },
    getSession: async ({ principal }) => showSession(found(principal, 'session')),
    async signOut({ principal, http }) {
      await signOut(access, found(principal, 'session'));
      session.clear(http.reply);
      return {};
    },
    createToken: ({ body, actor }) => createToken(access, body, actor),
    listTokens: async () => ({ items: await listTokens(access) }),
    async revokeToken({ params, actor }) {
      await revokeToken(access, params.id, actor);
      return {};
    },
    getOverview: () => viewOverview(db, settings()),
    listDevices: ({ query }) => listDevices(db, defined(query), settings()),
    getDevice: ({ params }) => showDevice(params.id),
    async getDeviceHistory({ params, query }) {
      await showDevice(params.id);
      return { items: await deviceHistory(db, params.id, query.limit) };
    },
    listDeviceWindows: ({ params, query }) => deviceWindows(db, params.id, query.limit, query.cursor),
    async revokeDevice({ params, actor }) {
      await revokeDevice(devices, params.id, actor);
      return showDevice(params.id);
    },
    createEnrolment: enrol,
    listModels: async () => ({ items: await listModels(db) }),
    listVersions: async ({ params }) => ({ items: await listVersions(db, params.name) }),
    getVersionReport: versionReport,
    pushVersion,
    importModel,
    startRollout: async ({ body, actor }) => showRollout(await rollouts.start(body, actor)),
    listRollouts: async ({ query }) => ({ items: await listRollouts(db, query) }),
    getRollout: ({ params }) => showRollout(params.id),
    pauseRollout: act('pause'),
    resumeRollout: act('resume'),
    abortRollout: act('abort'),
    startJob,
    listJobs: async ({ query }) => ({ items: await listJobs(db, query.limit, clock()) }),
    getJob: ({ params }) => showJob(params.id),
    cancelJob: stopJob,
    listAlerts: async ({ query }) => ({ items: await listAlerts(db, query) }),
    listSamples: async ({ query }) => ({ items: await listSamples(db, query) }),
    listAudit: async ({ query }) => ({ items: await listAudit(db, query.limit) }),
    getWebChannel: webChannel,
    ...createDataHandlers(context.data),
    async demoLight({ body }) {
      await requireDemo().setLight(body);
      return {};
    },
    demoPublish: async ({ body, actor }) => showRollout(await requireDemo().publish(body.kind, actor)),
  };
}

type Defined<Type> = { [Key in keyof Type]: Exclude<Type[Key], undefined> };

/** Parts that were not given are absent rather than undefined. */
function defined<Type extends object>(value: Type): Defined<Type> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Defined<Type>;
}
