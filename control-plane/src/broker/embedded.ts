import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { Aedes, type AedesPublishPacket, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { DeviceId } from '@serin/protocol/ids';
import { chunkBytes, creditChunksMax, packetBytesMax } from '@serin/protocol/limits';
import { serverUser } from '@serin/protocol/topics';
import type { Service } from '../service.ts';
import { accessOf, mayUseClientId, principalName, principalOf, type Access } from './access.ts';
import { capParser, neverDropAsDuplicate, neverWaitForReader } from './guards.ts';
import { createMemoryPersistence } from './memory-persistence.ts';
import { createBuckets, type Rate } from './token-bucket.ts';

export interface BrokerLog {
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
}

export interface BrokerLimits {
  /** New connections per address, before TLS costs anything; loopback gets the larger one. */
  accept: Rate;
  acceptLoopback: Rate;
  connectionsMax: number;
  handshakeTimeoutMs: number;
  connectTimeoutMs: number;
  keepaliveMaxS: number;
  bytesBeforeConnectMax: number;
  packetBytesMax: number;
  /** Bytes waiting for a reader; beyond it the reader is dropped. */
  backlogBytesMax: number;
  /** What one device may publish; faster ones are read more slowly. */
  publish: Rate;
  publishBytes: Rate;
  retainedPerDeviceMax: number;
  retainedBytesMax: number;
}

export const brokerLimits: BrokerLimits = {
  accept: { perSecond: 20, burst: 100 },
  acceptLoopback: { perSecond: 2_000, burst: 5_000 },
  connectionsMax: 20_000,
  handshakeTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  keepaliveMaxS: 300,
  bytesBeforeConnectMax: 16 * 1024,
  packetBytesMax,
  // What a slow device has asked for may all be waiting for it, and 4 MiB beyond.
  backlogBytesMax: creditChunksMax * chunkBytes + 4 * 1024 * 1024,
  publish: { perSecond: 200, burst: 1_000 },
  publishBytes: { perSecond: 4 * 1024 * 1024, burst: 8 * 1024 * 1024 },
  retainedPerDeviceMax: 4,
  retainedBytesMax: 256 * 1024 * 1024,
};

export interface EmbeddedBrokerOptions {
  host: string;
  /** 0 picks a free one. */
  port: number;
  caPem: string;
  keyPem: string;
  certPem: string;
  /** Asked at every connection of a device: false for unknown and revoked ones, and for a certificate that was replaced. */
  isActive(device: DeviceId, certificateSerial: string): Promise<boolean>;
  now(): number;
  log: BrokerLog;
  limits?: Partial<BrokerLimits>;
}

export interface EmbeddedBroker extends Service {
  /** Where the server itself reaches it, once started. */
  readonly url: string;
  readonly port: number;
  readonly connections: number;
  /** What it refused, ended or slowed down, logged or not. */
  readonly refused: number;
  /** Ends the sessions of a device at once. */
  disconnect(device: DeviceId): void;
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');

/** Every refused connection and publish is logged at most once a minute for each name. */
const quietMs = 60_000;

/** MQTT over mutual TLS in this process: aedes with guards, one policy table, no sessions to restore, QoS 0 and 1. */
export function createEmbeddedBroker(options: EmbeddedBrokerOptions): EmbeddedBroker {
  const { host, now, log } = options;
  const limits: BrokerLimits = { ...brokerLimits, ...options.limits };
  const sessions = new Set<Client>();
  const byClientId = new Map<string, Client>();
  const accepts = createBuckets(limits.accept, 10_000);
  const acceptsLoopback = createBuckets(limits.acceptLoopback, 16);
  const publishes = createBuckets(limits.publish, limits.connectionsMax);
  const publishedBytes = createBuckets(limits.publishBytes, limits.connectionsMax);
  const said = new Map<string, number>();
  let refused = 0;

  const warn = (name: string, event: string, fields: object = {}): void => {
    refused++;
    const key = `${name} ${event}`;
    if (now() - (said.get(key) ?? -quietMs) < quietMs) return;
    if (said.size > 10_000) said.clear();
    said.set(key, now());
    log.warn({ ...fields, name }, event);
  };

  const persistence = createMemoryPersistence(
    { topicsPerOwnerMax: limits.retainedPerDeviceMax, bytesMax: limits.retainedBytesMax },
    (owner) => owner === serverUser,
    (owner, topic) => warn(owner, 'retained message not kept', { topic: topic.slice(0, 100) }),
  );

  // Held by the client object itself: aedes publishes a will some turns after the connection has closed.
  const admitted = new WeakMap<Client, Access>();
  const accessOfClient = (client: Client | null): Access | undefined => (client === null ? undefined : admitted.get(client));

  const aedes = new Aedes({
    persistence,
    // No cap on parallel deliveries: none of them waits for a reader.
    concurrency: 0,
    connectTimeout: limits.connectTimeoutMs,
    keepaliveLimit: limits.keepaliveMaxS,
    maxTopicLevels: 8,
    queueLimit: 16,
    preConnect(_client, packet, done) {
      // No stored sessions: what matters is retained or asked for again.
      packet.clean = true;
      done(null, true);
    },
    authenticate(client, _user, _password, done) {
      const answer = async (): Promise<void> => {
        const refusal = await refusalOf(client);
        done(refusal, refusal === null);
      };
      void answer();
    },
    authorizePublish(client, packet, done) {
      const access = accessOfClient(client);
      if (client === null || access === undefined) return done(new Error('not signed in'));
      if (packet.qos === 2) return done(new Error('QoS 2 is not offered'));
      const name = principalName(access.principal);
      if (!access.mayPublish(packet.topic)) {
        warn(name, 'publish refused', { topic: packet.topic.slice(0, 100) });
        discard(packet);
        return done(null);
      }
      // Tells the retained store whose quota it is.
      (packet as { clientId?: string }).clientId = name;
      if (access.principal.role === 'server') return done(null);
      const at = now();
      const waitMs = Math.max(publishes.takeLater(name, 1, at), publishedBytes.takeLater(name, packet.payload.length, at));
      if (waitMs === 0) return done(null);
      warn(name, 'publishing too fast, slowed down');
      // The client's next bytes are read only after this: the sender feels it, nobody else does.
      setTimeout(done, Math.min(waitMs, 5_000), null).unref();
    },
    authorizeSubscribe(client, subscription, done) {
      const access = accessOfClient(client);
      if (access?.maySubscribe(subscription.topic) === true && subscription.qos < 2) return done(null, subscription);
      warn(access === undefined ? client.id : principalName(access.principal), 'subscription refused', { filter: subscription.topic.slice(0, 100) });
      done(null, null);
    },
    authorizeForward(client, packet: AedesPublishPacket) {
      return accessOfClient(client)?.mayReceive(packet.topic) === true ? packet : null;
    },
  });

  const certificateOf = (client: Client) => (client.conn as TLSSocket).getPeerCertificate?.();

  async function admit(client: Client): Promise<void> {
    const certificate = certificateOf(client);
    const principal = principalOf(certificate?.subject?.CN);
    if (principal === undefined) throw new SerinError('FORBIDDEN', { detail: 'the certificate names no device' });
    if (!mayUseClientId(principal, client.id)) throw new SerinError('FORBIDDEN', { detail: `client id ${client.id.slice(0, 64)}` });
    const access = accessOf(principal);
    const will = (client as unknown as { _will: PublishPacket | null })._will;
    if (will !== null && will !== undefined && !access.mayPublish(will.topic))
      throw new SerinError('FORBIDDEN', { detail: `will on ${will.topic.slice(0, 100)}` });
    if (principal.role === 'device' && !(await withinMs(options.isActive(principal.id, certificate?.serialNumber ?? ''), limits.connectTimeoutMs)))
      throw new SerinError('DEVICE_REVOKED');
    if (client.closed) throw new SerinError('UNAVAILABLE', { detail: 'the client left' });
    const before = byClientId.get(client.id);
    if (before !== undefined && before !== client && !before.closed) {
      log.info({ clientId: client.id }, 'session taken over');
      before.close();
    }
    admitted.set(client, access);
    sessions.add(client);
    byClientId.set(client.id, client);
  }

  async function refusalOf(client: Client): Promise<AuthenticateError | null> {
    try {
      await admit(client);
      return null;
    } catch (thrown) {
      const error = asSerinError(thrown);
      warn(String(certificateOf(client)?.subject?.CN), 'connection refused', { code: error.code, detail: error.detail });
      const forbidden = error.code === 'FORBIDDEN' || error.code === 'DEVICE_REVOKED';
      // MQTT 3.1.1, 3.2.2.3: 5 not authorized, 3 server unavailable.
      return Object.assign(new Error(error.message), { returnCode: forbidden ? 5 : 3 });
    }
  }

  const forget = (client: Client): void => {
    sessions.delete(client);
    if (byClientId.get(client.id) === client) byClientId.delete(client.id);
  };

  const secure: TlsServer = createTlsServer(
    {
      key: options.keyPem,
      cert: options.certPem,
      ca: options.caPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.handshakeTimeoutMs,
    },
    (socket) => {
      const client = aedes.handle(socket);
      neverDropAsDuplicate(client);
      neverWaitForReader(client, limits.backlogBytesMax, () => warn(client.id ?? 'unknown', 'reader too slow, dropped'));
      capParser(client, limits);
      socket.once('close', () => forget(client));
    },
  );
  secure.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    warn(socket.remoteAddress ?? 'unknown', 'handshake failed', { code: error.code, detail: error.message.slice(0, 200) });
    socket.destroy();
  });
  aedes.on('clientError', (client, error) => warn(client.id, 'connection ended by an error', { detail: error.message.slice(0, 200) }));
  aedes.on('connectionError', (_client, error) => warn('unknown', 'connection refused before sign-in', { detail: error.message.slice(0, 200) }));
  // Without a listener an internal error of the broker would end the process.
  aedes.on('error' as 'closed', ((error: Error) => log.warn({ detail: error.message }, 'broker error')) as () => void);

  const sockets = new Set<Socket>();
  const tcp: Server = createTcpServer({ noDelay: true }, (socket) => {
    const address = socket.remoteAddress ?? '';
    const bucket = isLoopback(address) ? acceptsLoopback : accepts;
    if (!bucket.tryTake(address, 1, now())) {
      warn(address, 'connecting too fast, refused');
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    secure.emit('connection', socket);
  });
  tcp.maxConnections = limits.connectionsMax;

  let port = 0;
  const wildcard = host === '0.0.0.0' || host === '::';
  const reachable = wildcard ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const broker: EmbeddedBroker = {
    name: 'broker',
    get port() {
      return port;
    },
    get url() {
      return `mqtts://${reachable}:${port}`;
    },
    get refused() {
      return refused;
    },
    get connections() {
      return sessions.size;
    },
    disconnect(device) {
      for (const client of sessions) {
        const principal = admitted.get(client)?.principal;
        if (principal?.role !== 'device' || principal.id !== device) continue;
        client.close();
        client.conn.destroy();
      }
    },
    async start() {
      await aedes.listen();
      await new Promise<void>((resolve, reject) => {
        tcp.once('error', (cause: NodeJS.ErrnoException) =>
          reject(
            cause.code === 'EADDRINUSE'
              ? new SerinError('PORT_TAKEN', { detail: `broker, ${host}:${options.port}`, cause })
              : new SerinError('START_FAILED', { detail: 'broker', cause }),
          ),
        );
        tcp.listen({ host, port: options.port, backlog: 1024 }, resolve);
      });
      tcp.on('error', (error) => log.warn({ detail: error.message }, 'broker listener error'));
      port = (tcp.address() as AddressInfo).port;
      log.info({ url: broker.url }, 'broker listening');
    },
    async stop(deadlineMs) {
      if (port === 0 && aedes.closed) return;
      const closed = new Promise<void>((resolve) => {
        tcp.close(() => resolve());
      });
      await withinMs(
        new Promise<void>((resolve) => {
          aedes.close(() => resolve());
        }),
        deadlineMs,
      ).catch(() => undefined);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return broker;
}

/** A forbidden publish is acknowledged and goes nowhere, as Mosquitto does: an answer would tell more than silence. */
function discard(packet: PublishPacket): void {
  packet.topic = '$refused';
  packet.payload = Buffer.alloc(0);
  packet.retain = false;
}

async function withinMs<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new SerinError('UNAVAILABLE', { detail: `no answer within ${timeoutMs} ms` })), timeoutMs);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
