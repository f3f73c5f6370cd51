import type { DeviceId, TransferId } from './ids.ts';
import { deviceId } from './ids.ts';

/** Topic root: `serin/<protocol version>`. At most eight levels of `[A-Za-z0-9_-]`. */
const root = 'serin/1';

export type UpKind = 'status' | 'reported' | 'tel' | 'smp' | 'get';
export type DownKind = 'desired' | 'ack' | 'cmd';

export const up = (device: DeviceId, kind: UpKind): string => `${root}/d/${device}/u/${kind}`;
export const down = (device: DeviceId, kind: DownKind): string => `${root}/d/${device}/c/${kind}`;
export const chunkTopic = (device: DeviceId, transfer: TransferId): string => `${root}/d/${device}/c/chunk/${transfer}`;
export const serverStatus = `${root}/srv/status`;

/** What the server subscribes to: no filter overlaps another. */
export const serverFilters: readonly string[] = [`${root}/d/+/u/+`];
/** What a device subscribes to on its control connection. */
export const controlFilters = (device: DeviceId): string[] => [down(device, 'desired'), down(device, 'ack'), down(device, 'cmd'), serverStatus];
/** What a device subscribes to on its transfer connection. */
export const transferFilters = (device: DeviceId): string[] => [`${root}/d/${device}/c/chunk/+`];

/** MQTT user name, and certificate common name, of the server itself. */
export const serverUser = 'srv';
/** A device has two client ids: control and transfer. */
export const clientIds = (device: DeviceId): { control: string; transfer: string } => ({ control: device, transfer: `${device}-x` });

const upKinds: readonly string[] = ['status', 'reported', 'tel', 'smp', 'get'] satisfies UpKind[];

/** Which device sent what, or undefined for a topic nobody owns. */
export function parseUp(topic: string): { device: DeviceId; kind: UpKind } | undefined {
  const levels = topic.split('/');
  if (levels.length !== 6 || levels[0] !== 'serin' || levels[1] !== '1' || levels[2] !== 'd' || levels[4] !== 'u') return undefined;
  const device = deviceId.safeParse(levels[3]);
  const kind = levels[5] ?? '';
  return device.success && upKinds.includes(kind) ? { device: device.data, kind: kind as UpKind } : undefined;
}

/** The device whose own topic this is, whatever it says there: who to blame for a topic that means nothing. */
export function senderOf(topic: string): DeviceId | undefined {
  const [product, version, kind, device, direction] = topic.split('/', 6);
  if (product !== 'serin' || version !== '1' || kind !== 'd' || direction !== 'u') return undefined;
  return deviceId.safeParse(device).data;
}

export type Grant = { action: 'publish' | 'subscribe'; filter: string };

/** The whole policy: what a principal may do. Everything else is denied. Broker adapters only translate it. */
export function grantsFor(principal: { role: 'server' } | { role: 'device'; id: DeviceId }): Grant[] {
  if (principal.role === 'server') {
    return [
      { action: 'publish', filter: `${root}/d/+/c/#` },
      { action: 'publish', filter: serverStatus },
      ...serverFilters.map((filter): Grant => ({ action: 'subscribe', filter })),
    ];
  }
  const { id } = principal;
  return [
    { action: 'publish', filter: `${root}/d/${id}/u/+` },
    { action: 'subscribe', filter: `${root}/d/${id}/c/#` },
    { action: 'subscribe', filter: serverStatus },
  ];
}

/** MQTT filter match; also used to ask whether a requested filter lies inside a granted one. */
export function filterCovers(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (let index = 0; index < wanted.length; index++) {
    const level = wanted[index];
    if (level === '#') return true;
    if (index >= levels.length) return false;
    if (levels[index] === '#') return false;
    if (level !== '+' && level !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}
