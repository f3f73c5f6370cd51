import { createHash } from 'node:crypto';
import { request } from 'node:https';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { errorReply } from '@serin/protocol/api/routes';
import { isErrorCode, SerinError } from '@serin/protocol/errors';

const replyBytesMax = 256 * 1024;
const chainMax = 8;

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');
/** TLS has no server names for addresses. */
const serverNameOf = (host: string): { servername?: string } => (isIP(host) === 0 ? { servername: host } : {});

const toPem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;

function findAuthority(socket: TLSSocket, sha256: string): string | undefined {
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  for (let depth = 0; depth < chainMax && certificate?.raw !== undefined; depth++) {
    if (createHash('sha256').update(certificate.raw).digest('hex') === sha256) return toPem(certificate.raw);
    certificate = certificate.issuerCertificate === certificate ? undefined : certificate.issuerCertificate;
  }
  return undefined;
}

/**
 * The certificate with that digest out of the chain the server shows. Nothing is sent but the handshake;
 * whatever is sent later goes over a connection that trusts this certificate and no other.
 */
export function fetchAuthority(address: string, caSha256: string, timeoutMs: number): Promise<string> {
  const url = new URL(address);
  const host = hostOf(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(url.port || 443), rejectUnauthorized: false, ...serverNameOf(host) });
    const fail = (error: SerinError): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => fail(new SerinError('SERVER_UNREACHABLE', { detail: `${url.host}: no answer within ${timeoutMs} ms` })));
    socket.once('error', (cause) => fail(new SerinError('SERVER_UNREACHABLE', { detail: `${url.host}: ${cause.message}`, cause })));
    socket.once('close', () => reject(new SerinError('SERVER_UNREACHABLE', { detail: `${url.host}: it hung up` })));
    socket.once('secureConnect', () => {
      const authority = findAuthority(socket, caSha256);
      if (authority === undefined) return fail(new SerinError('JOIN_SERVER_MISMATCH', { detail: `${url.host} shows no certificate that the token names` }));
      socket.destroy();
      resolve(authority);
    });
  });
}

const isDistrust = (error: NodeJS.ErrnoException): boolean =>
  /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME_MISMATCH)/.test(error.code ?? '');

export interface SecurePost {
  /** The only authority trusted. */
  caPem: string;
  /** This device's own certificate, where the server wants to see one. */
  client?: { keyPem: string; certificatePem: string };
  timeoutMs: number;
}

/** Posts JSON over verified TLS and gives the JSON of a 2xx answer; anything else is a coded error. */
export function postJson(address: string, body: unknown, { caPem, client, timeoutMs }: SecurePost): Promise<unknown> {
  const url = new URL(address);
  const host = hostOf(url);
  const content = Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const unreachable = (detail: string, cause?: unknown): void => reject(new SerinError('SERVER_UNREACHABLE', { detail: `${url.host}: ${detail}`, cause }));
    const outgoing = request(
      url,
      {
        method: 'POST',
        agent: false,
        ca: caPem,
        ...serverNameOf(host),
        ...(client === undefined ? {} : { key: client.keyPem, cert: client.certificatePem }),
        headers: { 'content-type': 'application/json', 'content-length': content.length, accept: 'application/json' },
      },
      (incoming) => {
        const parts: Buffer[] = [];
        let sizeBytes = 0;
        incoming.on('data', (part: Buffer) => {
          sizeBytes += part.length;
          parts.push(part);
          if (sizeBytes > replyBytesMax) {
            reject(new SerinError('MESSAGE_TOO_LARGE', { detail: `answer of ${url.pathname}, limit ${replyBytesMax} bytes` }));
            outgoing.destroy();
          }
        });
        incoming.once('error', (cause) => unreachable(cause.message, cause));
        incoming.once('end', () => {
          try {
            resolve(readAnswer(incoming.statusCode ?? 0, Buffer.concat(parts).toString('utf8'), url));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
      },
    );
    const limit = setTimeout(() => {
      unreachable(`no answer within ${timeoutMs} ms`);
      outgoing.destroy();
    }, timeoutMs);
    outgoing.once('close', () => clearTimeout(limit));
    outgoing.once('error', (cause: NodeJS.ErrnoException) => {
      if (isDistrust(cause)) reject(new SerinError('JOIN_SERVER_MISMATCH', { detail: `${url.host}: ${cause.message}`, cause }));
      else unreachable(cause.message, cause);
    });
    outgoing.end(content);
  });
}

function readAnswer(status: number, text: string, url: URL): unknown {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = undefined;
  }
  if (status >= 200 && status < 300 && content !== undefined) return content;
  const fault = errorReply.safeParse(content);
  if (fault.success && isErrorCode(fault.data.code)) {
    const { code, hint, detail } = fault.data;
    throw new SerinError(code, { hint, ...(detail === undefined ? {} : { detail }) });
  }
  // A proxy in front of a server that restarts answers for it.
  throw new SerinError(status >= 500 ? 'SERVER_UNREACHABLE' : 'MESSAGE_MALFORMED', { detail: `${url.host}${url.pathname} answered HTTP ${status}` });
}
