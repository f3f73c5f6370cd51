import { deviceId, type DeviceId } from '@serin/protocol/ids';
import { clientIds, filterCovers, grantsFor, serverUser, type Grant } from '@serin/protocol/topics';

export type Principal = { role: 'server' } | { role: 'device'; id: DeviceId };

/**
 * Who a client certificate speaks for. A device may not be called like another device's transfer connection or
 * like the server: on every broker a client id used twice throws the first user out.
 */
export function principalOf(commonName: unknown): Principal | undefined {
  if (commonName === serverUser) return { role: 'server' };
  const parsed = deviceId.safeParse(commonName);
  if (!parsed.success || isReservedName(parsed.data)) return undefined;
  return { role: 'device', id: parsed.data };
}

/** Names that no device may have, because their client ids would collide. */
export const isReservedName = (name: string): boolean => name.startsWith(serverUser) || name.endsWith('-x');

export const principalName = (principal: Principal): string => (principal.role === 'server' ? serverUser : principal.id);

/** The client ids a principal may use. */
export function mayUseClientId(principal: Principal, clientId: string): boolean {
  if (principal.role === 'server') return clientId.startsWith(serverUser);
  const { control, transfer } = clientIds(principal.id);
  return clientId === control || clientId === transfer;
}

export interface Access {
  principal: Principal;
  mayPublish(topic: string): boolean;
  /** The filter asked for must lie inside a granted one. */
  maySubscribe(filter: string): boolean;
  mayReceive(topic: string): boolean;
}

/** The policy table of the protocol, asked; nothing is granted here. */
export function accessOf(principal: Principal): Access {
  const grants = grantsFor(principal);
  const filters = (action: Grant['action']): string[] => grants.filter((grant) => grant.action === action).map((grant) => grant.filter);
  const publish = filters('publish');
  const subscribe = filters('subscribe');
  const isConcrete = (topic: string): boolean => !topic.includes('+') && !topic.includes('#');
  return {
    principal,
    mayPublish: (topic) => isConcrete(topic) && publish.some((filter) => filterCovers(filter, topic)),
    maySubscribe: (filter) => subscribe.some((granted) => filterCovers(granted, filter)),
    mayReceive: (topic) => isConcrete(topic) && subscribe.some((filter) => filterCovers(filter, topic)),
  };
}
