import { queryOptions } from '@tanstack/react-query';
import type { DeviceId, ModelName } from '@serin/protocol/ids';
import type { Alert, Device, Job, Rollout } from '@serin/protocol/api/resources';
import { api } from './api.ts';
import { keys } from './keys.ts';

/** The console holds this many devices; beyond it the server's filters narrow the list first. */
export const devicesMax = 10_000;
const devicesPerPage = '500';

async function fetchDevices(signal: AbortSignal): Promise<readonly Device[]> {
  const devices: Device[] = [];
  let cursor: string | undefined;
  do {
    // Pages follow one another by their cursor.
    const page = await api('listDevices', { query: { limit: devicesPerPage, ...(cursor === undefined ? {} : { cursor }) }, signal });
    devices.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && devices.length < devicesMax);
  return devices;
}

// Live lists never go stale by age: the event stream keeps them, and a reset fetches them again.
const live = { staleTime: Infinity } as const;

export const sessionQuery = queryOptions({ queryKey: keys.session, queryFn: ({ signal }) => api('getSession', { signal }), ...live, retry: false });
export const overviewQuery = queryOptions({ queryKey: keys.overview, queryFn: ({ signal }) => api('getOverview', { signal }), ...live });
export const devicesQuery = queryOptions<readonly Device[]>({ queryKey: keys.devices, queryFn: ({ signal }) => fetchDevices(signal), ...live });
export const rolloutsQuery = queryOptions<readonly Rollout[]>({
  queryKey: keys.rollouts,
  queryFn: async ({ signal }) => (await api('listRollouts', { query: { limit: '100' }, signal })).items,
  ...live,
});
export const jobsQuery = queryOptions<readonly Job[]>({
  queryKey: keys.jobs,
  queryFn: async ({ signal }) => (await api('listJobs', { query: {}, signal })).items,
  ...live,
});
export const alertsQuery = queryOptions<readonly Alert[]>({
  queryKey: keys.alerts,
  queryFn: async ({ signal }) => (await api('listAlerts', { query: { limit: '100' }, signal })).items,
  ...live,
});
export const modelsQuery = queryOptions({ queryKey: keys.models, queryFn: async ({ signal }) => (await api('listModels', { signal })).items, ...live });
export const versionsQuery = (name: ModelName) =>
  queryOptions({ queryKey: keys.versions(name), queryFn: async ({ signal }) => (await api('listVersions', { params: { name }, signal })).items, ...live });

export const rolloutQuery = (id: string) =>
  queryOptions({ queryKey: keys.rollout(id), queryFn: ({ signal }) => api('getRollout', { params: { id }, signal }), ...live });
export const historyQuery = (id: DeviceId) =>
  queryOptions({
    queryKey: keys.history(id),
    queryFn: async ({ signal }) => (await api('getDeviceHistory', { params: { id }, query: { limit: '500' }, signal })).items,
    staleTime: 1000,
  });
export const samplesQuery = (filter: { model?: ModelName; device?: DeviceId }) =>
  queryOptions({
    queryKey: keys.samples(filter),
    queryFn: async ({ signal }) => (await api('listSamples', { query: { limit: '48', ...filter }, signal })).items,
    refetchInterval: 5000,
  });
export const tokensQuery = queryOptions({ queryKey: keys.tokens, queryFn: async ({ signal }) => (await api('listTokens', { signal })).items });
export const auditQuery = queryOptions({
  queryKey: keys.audit,
  queryFn: async ({ signal }) => (await api('listAudit', { query: { limit: '300' }, signal })).items,
  refetchInterval: 10_000,
});
