import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { createSignInCode, replaceParentToken, type AccessContext } from './access.ts';
import { blobFile, openDiskBlobs } from './blobs/disk.ts';
import { createEmbeddedBroker, type EmbeddedBroker } from './broker/embedded.ts';
import { createChanges } from './changes.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createDemo } from './demo.ts';
import { initialDesired } from './desired/intent.ts';
import { createDesiredPublisher } from './desired/publisher.ts';
import { isActiveDevice, mayConnect, type DeviceContext } from './devices.ts';
import { createDriftGauge } from './drift/gauge.ts';
import { createDriftMonitor } from './drift/monitor.ts';
import { createProfiles } from './drift/profiles.ts';
import { createRetraining } from './drift/retraining.ts';
import { createDeviceListener } from './http/device-listener.ts';
import { createEventHub } from './http/events.ts';
import { readManifest } from './datasets/compose.ts';
import { createIngestJobs } from './datasets/ingest-job.ts';
import { createSourceSchedule, type SourceContext } from './datasets/sources.ts';
import { createUploads } from './datasets/uploads.ts';
import { apiRules } from './http/api-rules.ts';
import { createHandlers, type RolloutActions } from './http/handlers.ts';
import type { JobHandler } from './jobs/handler.ts';
import { createPipelineJobs, createTrialJobs, type PipelineJobContext } from './runs/pipeline-job.ts';
import { builtPages } from './http/pages.ts';
import { readSampleImage } from './http/sample-image.ts';
import { createApiServer } from './http/server.ts';
import { findJob, type JobKind } from './jobs/queue.ts';
import { createJobWorker } from './jobs/worker.ts';
import { openKeys } from './keys.ts';
import { createIngest } from './link/ingest.ts';
import { createServerLink } from './link/server-link.ts';
import { createTransfer } from './link/transfer.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { PublishContext } from './models/publish.ts';
import { createImportJobs, startImport } from './models/importing.ts';
import { pushReadyModel } from './models/push.ts';
import { createTraining, threadsOf } from './models/training.ts';
import { createRetention } from './retention.ts';
import { createRolloutEngine } from './rollouts/engine.ts';
import { orderRollout, startRollout, type RolloutOrders } from './rollouts/orders.ts';
import { composeServices, type Lifecycle, type Service } from './service.ts';
import type { Store } from './store/store.ts';
import { findDevices, type ViewSettings } from './views/devices.ts';
import { findDataset } from './views/data.ts';
import { viewOverview } from './views/overview.ts';
import { findRun } from './views/runs.ts';
import { findRollout } from './views/rollouts.ts';
import { findAlert, viewJob } from './views/work.ts';

/** What somebody who started the server waits for. */
export interface ServerReady {
  httpUrl: string;
  deviceUrl: string;
  brokerUrl: string;
  signInUrl: string;
}

export interface ControlPlane extends Lifecycle {
  ready(): Promise<ServerReady>;
  /** For the program that started this one. */
  parentToken(): Promise<string>;
}

function brokerAddress(config: Config, broker: EmbeddedBroker | undefined, host: string): string {
  if (config.mqttPublicUrl !== undefined) return config.mqttPublicUrl;
  if (broker !== undefined) return `mqtts://${host}:${broker.port}`;
  const url = new URL(config.mqttUrl ?? '');
  // Devices sign in by certificate; the server's own credentials are not theirs.
  url.username = '';
  url.password = '';
  return url.href;
}

/** Builds every part and what each needs of the others; nothing runs before `start`. */
export async function wireControlPlane(config: Config, store: Store, log: Log): Promise<ControlPlane> {
  const clock = systemClock;
  const changes = createChanges();
  const keys = await openKeys({ dataDir: config.data, fleet: config.fleet, hosts: config.publicHosts, clock });
  const blobFolder = path.join(config.data, 'blobs');
  const blobs = await openDiskBlobs(blobFolder);
  await blobs.put(keys.keysetBytes);
  const access: AccessContext = { store, clock };
  const publicHost = config.publicHosts[0] ?? '127.0.0.1';
  const view = (): ViewSettings => ({ windowMs: config.windowMs, now: clock() });

  const broker =
    config.mqttUrl === undefined
      ? createEmbeddedBroker({
          host: config.mqttHost,
          port: config.mqttPort,
          caPem: keys.caPem,
          ...keys.server,
          isActive: (device, serial) => mayConnect({ store }, device, serial),
          now: clock,
          log,
        })
      : undefined;
  const link = createServerLink({
    address: () => config.mqttUrl ?? broker?.url ?? '',
    caPem: keys.caPem,
    ...keys.link,
    insecure: config.insecure,
    epoch: randomBytes(8).toString('hex'),
    clock,
    random: Math.random,
    log,
  });
  const transfer = createTransfer({ blobs, link, isActive: (device) => isActiveDevice({ store }, device), clock, log });
  const profiles = createProfiles(blobs);
  const ingest = createIngest({
    store,
    link,
    changes,
    clock,
    log,
    gauge: createDriftGauge((model, version) => profiles.of(store.db, model, version)),
    onChunkRequest: (device, request) => transfer.request(device, request),
  });
  const publisher = createDesiredPublisher({ store, link, keys, fleet: keys.fleet, clock, log, windowMs: config.windowMs });

  const devices: DeviceContext = {
    store,
    keys,
    clock,
    changes,
    addresses: () => ({ brokerUrl: brokerAddress(config, broker, publicHost), deviceUrl: `https://${publicHost}:${deviceListener.port}` }),
    assignModels: (tx, device) => initialDesired(tx, device, config.samplesPerWindow, clock()),
    disconnect: (device) => broker?.disconnect(device),
  };
  const deviceListener = createDeviceListener({ host: config.deviceHost, port: config.devicePort, context: devices, blobs, log });

  const orders: RolloutOrders = { store, changes, clock, policy: config.rolloutPolicy, wakePublisher: publisher.wake };
  const rollouts: RolloutActions = {
    start: (request, actor) => startRollout(orders, { ...request, by: actor }),
    pause: (id, by) => orderRollout(orders, id, { type: 'pause', by }),
    resume: (id, by) => orderRollout(orders, id, { type: 'resume', by }),
    abort: (id, by) => orderRollout(orders, id, { type: 'abort', by }),
  };
  const engine = createRolloutEngine({ ...orders, evidence: { rule: config.canaryRule, windowMs: config.windowMs }, log });

  const publishing: PublishContext = { store, blobs, changes, clock, fleet: keys.fleet, release: keys.release };
  const trainingSettings = { framesPerWindow: config.referenceFrames, threads: config.jobThreads };
  const training = createTraining(publishing, trainingSettings);
  const threads = threadsOf(trainingSettings);
  const pipelineJobs: PipelineJobContext = {
    ...publishing,
    threads,
    cacheFolder: path.join(config.data, 'pipelines', 'cache'),
    cacheBytesMax: config.pipelineCacheMb * 2 ** 20,
    trialsAtOnce: config.searchTrialsAtOnce,
    filesOf: async (manifest) => (await readManifest(blobs, manifest)).entries.map(({ path: name, sha256, bytes }) => ({ path: name, sha256, bytes })),
  };
  const data: SourceContext = {
    store,
    blobs,
    changes,
    clock,
    log,
    random: Math.random,
    env: process.env,
    sourceFolders: config.sourceFolders,
    sourcePrivateUrls: config.sourcePrivateUrls,
    sourceStallMs: config.sourceStallMs,
    sourceBytesMax: config.sourceMb * 2 ** 20,
  };
  const handlers: Record<JobKind, JobHandler> = {
    train: training,
    retrain: training,
    spoil: training,
    ingest: createIngestJobs(data),
    pipeline: createPipelineJobs(pipelineJobs),
    trial: createTrialJobs(pipelineJobs),
    import: createImportJobs(publishing, trainingSettings),
  };
  const uploads = createUploads({ folder: path.join(config.data, 'uploads'), blobs, clock, log, idleMs: config.uploadHours * 3_600_000 });
  const workers = Array.from({ length: config.jobWorkers }, () =>
    createJobWorker({ store, changes, clock, log, dataDir: config.data, heapMiB: config.jobHeapMb, handlers }),
  );
  const retraining = createRetraining({
    store,
    changes,
    clock,
    log,
    wakePublisher: publisher.wake,
    samplesWanted: config.retrainSamples,
    collectPerWindow: config.retrainSamplesPerWindow,
    usualPerWindow: config.samplesPerWindow,
    collectLimitMs: config.retrainCollectMs,
  });

  const events = createEventHub({
    changes,
    log,
    sources: {
      devices: (ids) => findDevices(store.db, ids, view()),
      rollout: (id) => findRollout(store.db, id),
      job: async (id) => {
        const row = await findJob(store.db, id);
        return row === undefined ? undefined : viewJob(row, clock());
      },
      alert: (id) => findAlert(store.db, id),
      dataset: (name) => findDataset(store.db, name),
      run: (id) => findRun(store.db, id),
      overview: () => viewOverview(store.db, view()),
    },
  });
  const demo = config.demo
    ? createDemo({
        store,
        changes,
        clock,
        publishing,
        locateBlob: (digest) => blobFile(blobFolder, digest),
        sceneFile: config.demoScene,
        startRollout: rollouts.start,
      })
    : undefined;
  const metrics = createMetrics({
    event_streams: { help: 'Open event streams', read: () => events.streams },
    broker_connections: { help: 'Connections to the embedded broker', read: () => broker?.connections ?? 0 },
    messages_total: { help: 'Messages of devices', read: () => ingest.counts.messages },
    messages_refused_total: { help: 'Messages of devices that were refused', read: () => ingest.counts.refused },
    messages_stale_total: { help: 'Reports of devices that were older than the known one', read: () => ingest.counts.stale },
    broker_refused_total: { help: 'Connections, packets and subscriptions that the embedded broker refused', read: () => broker?.refused ?? 0 },
    windows_inserted_total: { help: 'Telemetry windows committed', read: () => ingest.counts.windowsInserted },
    transfer_bytes_total: { help: 'Bytes of bundles sent to devices', read: () => transfer.counts.bytes },
  });
  const api = createApiServer({
    host: config.httpHost,
    port: config.httpPort,
    insecure: config.insecure,
    publicUrl: config.publicUrl,
    access,
    handlers: (session) =>
      createHandlers(
        {
          access,
          devices,
          keys,
          changes,
          windowMs: config.windowMs,
          rollouts,
          push: (request) => pushReadyModel(publishing, trainingSettings, config.data, request),
          importModel: (order, actor) => startImport(publishing, order, actor),
          blobs,
          data: { uploads, datasets: data, pipelines: { store, blobs, changes, clock, threads } },
          endJob: async (tx, job, end) => handlers[job.kind].onEnd?.(tx, job, end),
          demo,
        },
        session,
      ),
    rules: apiRules,
    events,
    blobs,
    sampleImage: (id) => readSampleImage(store.db, id),
    probes: { database: () => store.ping().then(() => true), broker: async () => link.connected },
    metrics,
    pages: builtPages,
    log,
  });

  // Ingest listens before the link connects: what the broker has retained comes with the subscription.
  const services: Service[] = [
    ...(broker === undefined ? [] : [broker]),
    transfer,
    ingest,
    publisher,
    link,
    createDriftMonitor({ store, profiles, changes, clock, log, rule: config.driftRule, windowMs: config.windowMs }),
    ...(config.retrainOnDrift ? [retraining] : []),
    engine,
    uploads,
    createSourceSchedule(data),
    ...workers,
    createRetention({ store, clock, log, limits: config }),
    events,
    deviceListener,
    api,
  ];
  const lifecycle = composeServices(services, (event, service, error) => {
    if (error === undefined) log.debug({ service }, event);
    else log.error({ service, err: error }, event);
  });
  const httpUrl = (): string => config.publicUrl?.replace(/\/$/, '') ?? api.url;
  return {
    ...lifecycle,
    parentToken: () => replaceParentToken(access),
    async ready() {
      return { httpUrl: httpUrl(), ...devices.addresses(), signInUrl: `${httpUrl()}/signin#${await createSignInCode(access)}` };
    },
  };
}
