import type { Device } from '@serin/protocol/api/resources';
import { deviceHealth, healthOrder, naturalOrder, runningVersion, type Health } from './device-health.ts';

export const sortKeys = ['id', 'health', 'site', 'version', 'rate', 'p95', 'bad', 'drift', 'seen'] as const;
export type SortKey = (typeof sortKeys)[number];

export const stateFilters = ['online', 'healthy', 'offline', 'failed', 'degraded', 'drifting', 'updating', 'empty', 'revoked'] as const;
export type StateFilter = (typeof stateFilters)[number];

export interface DeviceQuery {
  q?: string | undefined;
  state?: StateFilter | undefined;
  site?: string | undefined;
  version?: string | undefined;
  sort?: SortKey | undefined;
  desc?: boolean | undefined;
}

export function matchesState(device: Device, state: StateFilter): boolean {
  // "online" means connected, whatever else is wrong; the other words are the device's health.
  if (state === 'online') return device.state === 'ACTIVE' && device.online;
  return deviceHealth(device) === (state === 'healthy' ? 'online' : state);
}

export function filterDevices(devices: readonly Device[], { q, state, site, version }: DeviceQuery): Device[] {
  const needle = q?.trim().toLowerCase() ?? '';
  return devices.filter(
    (device) =>
      (needle === '' || `${device.id} ${device.site} ${device.platform} ${device.class}`.toLowerCase().includes(needle)) &&
      (state === undefined || matchesState(device, state)) &&
      (site === undefined || device.site === site) &&
      (version === undefined || String(runningVersion(device) ?? 'none') === version),
  );
}

const healthRank = (health: Health): number => healthOrder.indexOf(health);

const sortValue: Record<Exclude<SortKey, 'id' | 'site'>, (device: Device) => number | null> = {
  health: (device) => healthRank(deviceHealth(device)),
  version: runningVersion,
  rate: (device) => device.live?.inferencesPerS ?? null,
  p95: (device) => device.live?.p95Ms ?? null,
  bad: (device) => device.live?.badShare ?? null,
  drift: (device) => device.drift?.effect ?? null,
  seen: (device) => device.lastSeenAt,
};

/** Stable and total: equal values fall back to the id, absent values stay last in either direction. */
export function sortDevices(devices: readonly Device[], key: SortKey, desc: boolean): Device[] {
  const sign = desc ? -1 : 1;
  return devices.toSorted((one, other) => {
    if (key === 'id') return sign * naturalOrder(one.id, other.id);
    if (key === 'site') return sign * naturalOrder(one.site, other.site) || naturalOrder(one.id, other.id);
    const read = sortValue[key];
    const first = read(one);
    const second = read(other);
    if (first === null || second === null) return Number(first === null) - Number(second === null) || naturalOrder(one.id, other.id);
    return sign * (first - second) || naturalOrder(one.id, other.id);
  });
}
