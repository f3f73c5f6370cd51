import type { Device } from '@serin/protocol/api/resources';

/** One word per device, worst first; colour and shape follow it everywhere. */
export const healthOrder = ['failed', 'drifting', 'updating', 'online', 'offline', 'revoked'] as const;
export type Health = (typeof healthOrder)[number];

export const healthLabel: Record<Health, string> = {
  failed: 'Failing',
  drifting: 'Drifting',
  updating: 'Updating',
  online: 'Healthy',
  offline: 'Offline',
  revoked: 'Revoked',
};

type Judged = Pick<Device, 'state' | 'online' | 'error' | 'drift' | 'models'>;

/** The order that a device was given failed and is still wanted: a refusal of an order since withdrawn is history. */
function failsItsOrder({ models }: Judged): boolean {
  return models.some(
    ({ phase, version, desiredVersion, last }) =>
      phase === 'IDLE' && desiredVersion !== null && desiredVersion !== version && last?.version === desiredVersion && last.outcome !== 'COMMITTED',
  );
}

export function deviceHealth(device: Judged): Health {
  if (device.state === 'REVOKED') return 'revoked';
  if (!device.online) return 'offline';
  if (device.error !== null || failsItsOrder(device)) return 'failed';
  if (device.models.some(({ phase }) => phase !== 'IDLE')) return 'updating';
  if (device.drift?.alerting === true) return 'drifting';
  return 'online';
}

export const runningVersion = (device: Device): number | null => device.models[0]?.version ?? null;

export function countHealth(devices: readonly Device[]): Record<Health, number> {
  const counts: Record<Health, number> = { failed: 0, drifting: 0, updating: 0, online: 0, offline: 0, revoked: 0 };
  for (const device of devices) counts[deviceHealth(device)] += 1;
  return counts;
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
