import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { Aedes, type Client } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import { onTestFinished } from 'vitest';
import type { TestAuthority } from './authority.ts';

export interface Received {
  topic: string;
  payload: Buffer;
  retain: boolean;
}

export interface TestBroker {
  url: string;
  /** The control plane's connection. */
  server: MqttClient;
  /** Everything that devices published, in order. */
  received: Received[];
  /** The first message of that topic for which `look` holds, come already or still to come. */
  until(topic: string, look?: (message: Received) => boolean): Promise<Received>;
  connected(): string[];
  /** Cuts a connection off without a word. */
  drop(clientId: string): void;
  /** Leaves what that client publishes unanswered from now on. */
  hold(clientId: string): void;
  /** Refuses sign-ins of that client from now on, or no more. */
  refuse(clientId: string, isRefused: boolean): void;
  /** Everything stops, retained messages are forgotten; `resume` listens again on the same port. */
  suspend(): Promise<void>;
  resume(): Promise<void>;
}

/** A real broker on mutual TLS, with a client that plays the control plane. */
export async function startBroker(authority: TestAuthority): Promise<TestBroker> {
  const own = await authority.issue('broker', { usage: 'serverAuth', hosts: ['127.0.0.1'] });
  const link = await authority.issue('srv');
  const clients = new Map<string, Client>();
  const refused = new Set<string>();
  const held = new Set<string>();
  const received: Received[] = [];
  const watchers = new Set<() => void>();
  const sockets = new Set<Socket>();
  let port = 0;

  async function listen(): Promise<{ stop(): Promise<void>; server: MqttClient }> {
    const aedes = await Aedes.createBroker({
      authenticate: (client, _user, _password, done) => {
        const commonName = (client.conn as TLSSocket).getPeerCertificate().subject.CN;
        const isOwn = client.id === commonName || client.id === `${String(commonName)}-x`;
        if (isOwn && !refused.has(client.id)) done(null, true);
        else done(Object.assign(new Error('refused'), { returnCode: 5 as const }), false);
      },
      authorizePublish: (client, _packet, done) => {
        if (client === null || !held.has(client.id)) done(null);
      },
    });
    aedes.on('client', (client) => clients.set(client.id, client));
    aedes.on('clientDisconnect', (client) => clients.get(client.id) === client && clients.delete(client.id));
    const listener = createServer({ key: own.keyPem, cert: own.certificatePem, ca: authority.caPem, requestCert: true, rejectUnauthorized: true }, (socket) =>
      aedes.handle(socket),
    );
    listener.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    listener.on('tlsClientError', () => undefined);
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
    ({ port } = listener.address() as AddressInfo);
    const server = await connectAsync(`mqtts://127.0.0.1:${port}`, {
      clientId: 'srv',
      ca: authority.caPem,
      key: link.keyPem,
      cert: link.certificatePem,
      reconnectPeriod: 0,
    });
    server.on('error', () => undefined);
    server.on('message', (topic, payload, { retain }) => {
      received.push({ topic, payload, retain });
      for (const look of watchers) look();
    });
    await server.subscribeAsync('serin/1/d/+/u/+', { qos: 1 });
    return {
      server,
      async stop() {
        server.end(true);
        listener.close();
        for (const socket of sockets) socket.destroy();
        sockets.clear();
        clients.clear();
        await new Promise<void>((resolve) => aedes.close(() => resolve()));
      },
    };
  }

  let running: Awaited<ReturnType<typeof listen>> | undefined = await listen();
  onTestFinished(async () => running?.stop());
  return {
    url: `mqtts://127.0.0.1:${port}`,
    get server() {
      if (running === undefined) throw new Error('the broker is suspended');
      return running.server;
    },
    received,
    until: (topic, holds = () => true) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = received.find((message) => message.topic === topic && holds(message));
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    connected: () => [...clients.keys()],
    drop(clientId) {
      (clients.get(clientId)?.conn as TLSSocket | undefined)?.destroy();
    },
    hold: (clientId) => void held.add(clientId),
    refuse(clientId, isRefused) {
      if (isRefused) refused.add(clientId);
      else refused.delete(clientId);
    },
    async suspend() {
      await running?.stop();
      running = undefined;
    },
    async resume() {
      running = await listen();
    },
  };
}
