import type { DeviceId } from '../ids.ts';

/**
 * A device's place in a rollout, in [0, 1): stable for a salt, unrelated between salts. FNV-1a with murmur's
 * finaliser; it only has to spread devices evenly, not to resist anybody.
 */
export function devicePlace(salt: string, device: DeviceId): number {
  let hash = 0x811c9dc5;
  for (const character of `${salt}/${device}`) {
    hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** Devices in the order in which they get the version. */
export function inOrder<T extends { device: DeviceId }>(salt: string, devices: readonly T[]): T[] {
  const placed = devices.map((entry) => ({ entry, place: devicePlace(salt, entry.device) }));
  placed.sort((a, b) => a.place - b.place || (a.entry.device < b.entry.device ? -1 : 1));
  return placed.map(({ entry }) => entry);
}
