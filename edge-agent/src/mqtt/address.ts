import { isIP } from 'node:net';
import { SerinError } from '@serin/protocol/errors';

function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** Without TLS a broker is talked to on this machine only. */
export function checkBrokerUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  // `mqtt:` is no special scheme to URL, so its host is read through one that is.
  const host = url === undefined ? '' : new URL(address.replace(/^mqtts?:/, 'http:')).hostname;
  if (url === undefined || host === '' || !['mqtt:', 'mqtts:'].includes(url.protocol)) {
    throw new SerinError('BROKER_UNREACHABLE', {
      detail: `"${address.slice(0, 100)}" is no address of a broker`,
      hint: 'Check the broker address that the server tells',
    });
  }
  if (url.protocol === 'mqtt:' && !isLoopback(host))
    throw new SerinError('LISTENER_INSECURE', { detail: address.slice(0, 100), hint: 'Let the broker use TLS' });
  return url;
}
