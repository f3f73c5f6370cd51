import { isIP } from 'node:net';
import { SerinError } from '@serin/protocol/errors';

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

export interface BrokerAddress {
  protocol: 'mqtt' | 'mqtts';
  host: string;
  port: number;
}

/** Without TLS a broker is talked to on this machine only. */
export function checkBrokerUrl(address: string): BrokerAddress {
  const protocol = /^(mqtts?):\/\//.exec(address)?.[1];
  // `mqtt:` is no special scheme to URL, so its host is read through one that is.
  const plain = address.replace(/^mqtts?:/, 'http:');
  const url = URL.canParse(plain) ? new URL(plain) : undefined;
  if (url === undefined || (protocol !== 'mqtt' && protocol !== 'mqtts')) {
    throw new SerinError('BROKER_UNREACHABLE', {
      detail: `"${address.slice(0, 100)}" is no address of a broker`,
      hint: 'Check the broker address that the server tells',
    });
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'mqtt' && !isLoopback(host)) throw new SerinError('LISTENER_INSECURE', { detail: address.slice(0, 100), hint: 'Let the broker use TLS' });
  // URL leaves out the port that is usual for its scheme.
  const port = /:(\d{1,5})\/?$/.exec(address)?.[1] ?? (protocol === 'mqtt' ? 1883 : 8883);
  return { protocol, host, port: Number(port) };
}
