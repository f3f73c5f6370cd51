import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { createAuthority, issueOwn, loadAuthority, type KeyAndCertificate } from '../certificates.ts';

export interface TestAuthority {
  caPem: string;
  /** For a listener on this machine. */
  server: KeyAndCertificate;
  /** A client certificate of that name, `srv` being the server itself. */
  client(commonName: string): Promise<KeyAndCertificate>;
}

/** A certificate authority in memory, with the server's own code. */
export async function createTestAuthority(): Promise<TestAuthority> {
  const pair = await createAuthority('test', Date.now());
  const authority = await loadAuthority(pair);
  return {
    caPem: pair.certPem,
    server: await issueOwn(authority, { commonName: 'localhost', usage: 'serverAuth', hosts: ['localhost', '127.0.0.1'], days: 1 }, Date.now()),
    client: (commonName) => issueOwn(authority, { commonName, usage: 'clientAuth', days: 1 }, Date.now()),
  };
}

/** A client as devices are, without reconnecting: what the broker does is to be seen. */
export function connectAs(url: string, caPem: string, identity: KeyAndCertificate, options: IClientOptions = {}): Promise<MqttClient> {
  return connectAsync(
    url,
    {
      ca: caPem,
      key: identity.keyPem,
      cert: identity.certPem,
      reconnectPeriod: 0,
      connectTimeout: 10_000,
      keepalive: 60,
      clean: true,
      queueQoSZero: false,
      ...options,
    },
    false,
  );
}

export interface Received {
  topic: string;
  payload: Buffer;
  retain: boolean;
  qos: number;
}

/** Everything a client was sent, with waiting for what is still to come. */
export function inboxOf(client: MqttClient): {
  all: Received[];
  until(isEnough: (all: readonly Received[]) => boolean, timeoutMs?: number): Promise<Received[]>;
} {
  const all: Received[] = [];
  const waiting = new Set<() => void>();
  client.on('message', (topic, payload, packet) => {
    all.push({ topic, payload, retain: packet.retain, qos: packet.qos });
    for (const look of waiting) look();
  });
  return {
    all,
    until(isEnough, timeoutMs = 10_000) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          if (!isEnough(all)) return;
          finish();
          resolve(all);
        };
        const timer = setTimeout(() => {
          finish();
          reject(
            new Error(
              `waited ${timeoutMs} ms, got ${all.length} messages: ${all
                .map((message) => message.topic)
                .join(', ')
                .slice(0, 500)}`,
            ),
          );
        }, timeoutMs);
        const finish = (): void => {
          clearTimeout(timer);
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      });
    },
  };
}
