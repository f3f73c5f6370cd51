import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { createApiClient, type ApiClient } from '@serin/protocol/api/client';
import type { Role } from '@serin/protocol/api/resources';
import { SerinError } from '@serin/protocol/errors';
import { fleetId, type DeviceId } from '@serin/protocol/ids';
import { createSignInCode, createToken, type AccessContext } from '../access.ts';
import { openDiskBlobs, type BlobStore } from '../blobs/disk.ts';
import { createChanges, type Changes } from '../changes.ts';
import type { SourceContext } from '../datasets/sources.ts';
import { createUploads } from '../datasets/uploads.ts';
import type { DeviceContext } from '../devices.ts';
import { openKeys } from '../keys.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { openTestStore, type TestStore } from '../store/testing.ts';
import { findDevices } from '../views/devices.ts';
import { findDataset } from '../views/data.ts';
import { viewOverview } from '../views/overview.ts';
import { findRun } from '../views/runs.ts';
import { apiRules } from './api-rules.ts';
import { createEventHub, type EventHub } from './events.ts';
import { createHandlers } from './handlers.ts';
import { readSampleImage } from './sample-image.ts';
import { createApiServer, type ApiServer } from './server.ts';

export interface TestApi {
  store: TestStore;
  access: AccessContext;
  devices: DeviceContext;
  blobs: BlobStore;
  changes: Changes;
  events: EventHub;
  server: ApiServer;
  disconnected: DeviceId[];
  /** Parts that tests switch off. */
  health: { broker: boolean };
  tokenFor(role: Role): Promise<string>;
  as(role: Role): Promise<ApiClient>;
  signInCode(): Promise<string>;
}

const unused = (): never => {
  throw new SerinError('UNAVAILABLE', { detail: 'not part of this test' });
};

/** The API as it ships, on a real database and real sockets; rollouts and training are other suites' matter. */
export async function startTestApi(options: { publicUrl?: string } = {}): Promise<TestApi> {
  const store = await openTestStore();
  const folder = await mkdtemp(path.join(tmpdir(), 'serin-api-'));
  const clock = () => Date.now();
  const changes = createChanges();
  const access: AccessContext = { store, clock };
  const blobs = await openDiskBlobs(path.join(folder, 'blobs'));
  const keys = await openKeys({ dataDir: folder, fleet: fleetId.parse('plant-1'), hosts: [], clock });
  const disconnected: DeviceId[] = [];
  const devices: DeviceContext = {
    store,
    keys,
    clock,
    changes,
    addresses: () => ({ brokerUrl: 'mqtts://127.0.0.1:1', deviceUrl: 'https://127.0.0.1:1' }),
    assignModels: async () => {},
    disconnect: (id) => disconnected.push(id),
  };
  const view = () => ({ windowMs: 1000, now: clock() });
  const events = createEventHub({
    changes,
    log: createLog('silent'),
    sources: {
      devices: (ids) => findDevices(store.db, ids, view()),
      rollout: async () => undefined,
      job: async () => undefined,
      alert: async () => undefined,
      dataset: (name) => findDataset(store.db, name),
      run: (id) => findRun(store.db, id),
      overview: () => viewOverview(store.db, view()),
    },
    limits: { batchMs: 20, overviewMs: 20, heartbeatMs: 50, eventsKept: 20 },
  });
  const uploads = createUploads({ folder: path.join(folder, 'uploads'), blobs, clock, log: createLog('silent'), idleMs: 3_600_000 });
  const datasets: SourceContext = {
    store,
    blobs,
    changes,
    clock,
    log: createLog('silent'),
    random: () => 0,
    env: {},
    sourceFolders: [path.join(folder, 'inbox')],
    sourcePrivateUrls: false,
    sourceStallMs: 30_000,
    sourceBytesMax: 1 << 20,
  };
  const health = { broker: true };
  const server = createApiServer({
    host: '127.0.0.1',
    port: 0,
    insecure: false,
    publicUrl: options.publicUrl,
    access,
    handlers: (session) =>
      createHandlers(
        {
          access,
          devices,
          keys,
          changes,
          windowMs: 1000,
          rollouts: { start: unused, pause: unused, resume: unused, abort: unused },
          push: unused,
          importModel: unused,
          blobs,
          data: { uploads, datasets, pipelines: { store, blobs, changes, clock, threads: 1 } },
          endJob: async () => {},
          demo: undefined,
        },
        session,
      ),
    rules: { ...apiRules, perMinute: { signIn: 10 }, bodyBytesMax: { ...apiRules.bodyBytesMax, pushVersion: 4 << 20 } },
    events,
    blobs,
    sampleImage: (id) => readSampleImage(store.db, id),
    probes: { database: () => store.ping().then(() => true), broker: async () => health.broker },
    metrics: createMetrics({ event_streams: { help: 'Open event streams', read: () => events.streams } }),
    pages: { console: path.join(folder, 'no-console'), web: path.join(folder, 'no-web') },
    log: createLog('silent'),
  });
  const { signal } = new AbortController();
  await events.start(signal);
  await uploads.start(signal);
  await server.start(signal);
  onTestFinished(async () => {
    await server.stop(1000);
    await events.stop(1000);
    await uploads.stop(1000);
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  const tokenFor = async (role: Role): Promise<string> => (await createToken(access, { name: `${role}-machine`, role, days: 1 }, 'test')).token;
  return {
    store,
    access,
    devices,
    blobs,
    changes,
    events,
    server,
    disconnected,
    health,
    tokenFor,
    as: async (role) => createApiClient({ baseUrl: server.url, fetch, token: await tokenFor(role) }),
    signInCode: () => createSignInCode(access),
  };
}
