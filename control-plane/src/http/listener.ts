import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { SerinError } from '@serin/protocol/errors';

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'));

/** Listens, with the codes of what goes wrong when many programs want ports. Returns the port in use. */
export async function listenOn(app: FastifyInstance, host: string, port: number, what: string): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new SerinError('PORT_TAKEN', { detail: `${port} (${what})`, cause });
    if (code === 'EACCES')
      throw new SerinError('START_FAILED', { detail: `this user may not open port ${port} (${what})`, hint: 'Choose a port above 1023', cause });
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new SerinError('START_FAILED', {
        detail: `${host} (${what}) is no address of this machine`,
        hint: 'Choose one of its addresses, or 0.0.0.0 for all',
        cause,
      });
    throw cause;
  }
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** A plain listener would carry cookies and tokens in the clear. */
export function requireLoopback(host: string, insecure: boolean): void {
  if (!insecure && !isLoopback(host)) throw new SerinError('LISTENER_INSECURE', { detail: `the console would listen on ${host} without TLS` });
}
