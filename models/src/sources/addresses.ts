import { lookup as resolve, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Whether an address may be asked. It is consulted for what a name resolves to, at the moment of connecting. */
export type AddressPolicy = (address: string, host: string) => boolean;

/** Addresses that are not on the public network: this machine, private nets, link-local (clouds keep credentials there), and what stands for them. */
const notPublic = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  notPublic.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 9],
  ['ff00::', 8],
] as const)
  notPublic.addSubnet(net, prefix, 'ipv6');

export const publicOnly: AddressPolicy = (address) => {
  const family = isIP(address.replace(/%.*$/, ''));
  return family !== 0 && !notPublic.check(address.replace(/%.*$/, ''), family === 4 ? 'ipv4' : 'ipv6');
};

export const anyAddress: AddressPolicy = () => true;

export class AddressRefused extends Error {}

const refusal = (host: string): AddressRefused => new AddressRefused(`${host} is an address of a private network or of this machine`);

export const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** Names are checked when they are resolved, addresses here: nothing resolves those. */
export function refuseLiteral(url: URL, policy: AddressPolicy): void {
  const host = bareHost(url);
  if (isIP(host) !== 0 && !policy(host, host)) throw refusal(host);
}

/** Resolves a name once, for the check and the connection alike: a second answer could be another one. */
export function guardedLookup(policy: AddressPolicy): LookupFunction {
  return (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) return callback(error ?? new Error(`${host} has no address`), '', 4);
      if (addresses.some(({ address }) => !policy(address, host))) return callback(refusal(host), '', 4);
      if (options.all === true) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}
