import type { Device } from '@serin/protocol/api/resources';
import { formatPercent, humanise, plural } from './format.ts';

/** One word per device, worst first; colour and shape follow it everywhere. */
export const healthOrder = ['failed', 'degraded', 'drifting', 'updating', 'empty', 'online', 'offline', 'revoked'] as const;
export type Health = (typeof healthOrder)[number];

export const healthLabel: Record<Health, string> = {
  failed: 'Failing',
  degraded: 'Degraded',
  drifting: 'Drifting',
  updating: 'Updating',
  empty: 'No version',
  online: 'Healthy',
  offline: 'Offline',
  revoked: 'Revoked',
};

type Judged = Pick<Device, 'state' | 'online' | 'error' | 'drift' | 'models' | 'live'>;

/** The share is over a few windows, each perhaps of few frames: some of those being wrong must not make a device blink. */
const badShareMost = 0.2;

/** The order that a device was given failed and is still wanted: a refusal of an order since withdrawn is history. */
function failedOrder({ models }: Judged): Device['models'][number] | undefined {
  return models.find(
    ({ phase, version, desiredVersion, last }) =>
      phase === 'IDLE' && desiredVersion !== null && desiredVersion !== version && last?.version === desiredVersion && last.outcome !== 'COMMITTED',
  );
}

export function deviceHealth(device: Judged): Health {
  if (device.state === 'REVOKED') return 'revoked';
  if (!device.online) return 'offline';
  if (device.error !== null || failedOrder(device) !== undefined) return 'failed';
  if (device.models.some(({ phase }) => phase !== 'IDLE')) return 'updating';
  if (device.drift?.alerting === true) return 'drifting';
  if ((device.live?.badShare ?? 0) >= badShareMost) return 'degraded';
  return device.models.some(({ version }) => version !== null) ? 'online' : 'empty';
}

const verbs = { REJECTED: 'refused', FAILED: 'could not install', ROLLED_BACK: 'went back from', COMMITTED: 'runs' } as const;

/** Why a device is not simply healthy, as the second half of a sentence; null where the state says it all. */
export function healthReason(device: Judged): string | null {
  const order = failedOrder(device);
  const bad = (device.live?.badShare ?? 0) >= 0.1 ? `${formatPercent(device.live?.badShare, 0)} of its latest frames are bad` : null;
  switch (deviceHealth(device)) {
    case 'failed':
      return order?.last ? `it ${verbs[order.last.outcome]} v${order.last.version}, which it is wanted to run` : null;
    case 'drifting':
      return [`${humanise(device.drift?.statistic ?? '').toLowerCase()} moved most`, bad].filter((words) => words !== null).join(', ');
    case 'degraded':
      return bad;
    case 'empty':
      return 'it waits for its first version';
    default:
      return null;
  }
}

export const runningVersion = (device: Device): number | null => device.models[0]?.version ?? null;

export function countHealth(devices: readonly Device[]): Record<Health, number> {
  const counts: Record<Health, number> = { failed: 0, degraded: 0, drifting: 0, updating: 0, empty: 0, online: 0, offline: 0, revoked: 0 };
  for (const device of devices) counts[deviceHealth(device)] += 1;
  return counts;
}

/** How many are not well, in words; null when all are. */
export function unwellWords(devices: readonly Device[]): string | null {
  const counts = countHealth(devices);
  const words = (['failed', 'degraded', 'drifting'] as const)
    .filter((health) => counts[health] > 0)
    .map((health, index) => `${index === 0 ? plural(counts[health], 'device') : String(counts[health])} ${healthLabel[health].toLowerCase()}`);
  return words.length === 0 ? null : words.join(', ');
}

export interface SiteGroup {
  site: string;
  devices: Device[];
}

/** Sites in name order, devices within by id: a cell keeps its place while its state changes. */
export function groupBySite(devices: readonly Device[]): SiteGroup[] {
  const groups = new Map<string, Device[]>();
  for (const device of devices) {
    const group = groups.get(device.site);
    if (group === undefined) groups.set(device.site, [device]);
    else group.push(device);
  }
  return [...groups].map(([site, members]) => ({ site, devices: members.toSorted(byId) })).toSorted((one, other) => naturalOrder(one.site, other.site));
}

const collator = new Intl.Collator('en', { numeric: true });
export const naturalOrder = (one: string, other: string): number => collator.compare(one, other);
const byId = (one: Device, other: Device): number => naturalOrder(one.id, other.id);

export interface VersionShare {
  version: number | null;
  devices: number;
  share: number;
}

/** Which versions the fleet runs, newest first; devices that run none come last. */
export function versionShares(devices: readonly Device[]): VersionShare[] {
  const counts = new Map<number | null, number>();
  for (const device of devices) {
    if (device.state === 'REVOKED') continue;
    const version = runningVersion(device);
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return [...counts]
    .map(([version, count]) => ({ version, devices: count, share: total === 0 ? 0 : count / total }))
    .toSorted((one, other) => (other.version ?? -1) - (one.version ?? -1));
}

/** Devices that a rollout of `version` would change: in service, and on something else. */
export function devicesChangedBy(devices: readonly Device[], model: string, version: number): Device[] {
  return devices
    .filter((device) => device.state === 'ACTIVE' && device.class !== 'browser' && device.models.find((entry) => entry.model === model)?.version !== version)
    .toSorted(byId);
}
