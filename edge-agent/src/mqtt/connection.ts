import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Clock } from '@serin/device/ports';
import { asSerinError, describeError, SerinError } from '@serin/protocol/errors';
import { packetBytesMax } from '@serin/protocol/limits';
import type { Identity } from '../identity.ts';
import type { Log } from '../log.ts';
import { createQuietLog } from '../quiet-log.ts';
import { checkBrokerUrl, type BrokerAddress } from './address.ts';

export interface MqttConnectionOptions {
  clientId: string;
  /** Asked at every attempt: the certificate may have been renewed meanwhile. */
  identity(): Identity;
  filters: readonly string[];
  /** What the broker publishes for us when connection number `conn` breaks. */
  will?(conn: number): { topic: string; payload: Uint8Array };
  /** Subscribed; throwing ends the connection. */
  onConnected(session: MqttSession): Promise<void>;
  onDisconnected(): void;
  onMessage(topic: string, payload: Uint8Array): void;
  clock: Clock;
  random(): number;
  log: Log;
  connectTimeoutMs?: number;
  publishTimeoutMs?: number;
}

/** One connection, from its being accepted to its end. */
export interface MqttSession {
  /** Counts the connections of this process, from 0. */
  conn: number;
  /** Resolves when the broker has it (QoS 1) or it left (QoS 0); rejects with BROKER_UNREACHABLE. Nothing is queued or sent again. */
  publish(topic: string, payload: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void>;
}

export interface MqttConnection {
  /** Begins to connect, and goes on until stopped. */
  start(): void;
  /** `farewell` is the last thing done on a connection that is up. */
  stop(farewell?: (session: MqttSession) => Promise<void>): Promise<void>;
  /** The connection, while it is up. */
  session(): MqttSession | undefined;
}

const firstWaitMs = 300;
const longestWaitMs = 15_000;
/** A connection that lived this long was a good one: the next attempt comes soon. */
const stableMs = 5_000;
const farewellMs = 2_000;

/** Doubles with every attempt in vain, and is spread so that a fleet does not come back as one. */
export const backoffMs = (attempt: number, random: number): number => Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(attempt, 10)) * (0.5 + random / 2);

/** MQTT 3.1.1 return codes 4 and 5, and the alert of TLS for a certificate on a revocation list. */
function isRefusal(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === 4 || code === 5 || code === 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED' || String(message).includes('certificate revoked');
}

function toCoded(thrown: unknown): SerinError {
  if (thrown instanceof SerinError) return thrown;
  if (isRefusal(thrown)) {
    return new SerinError('DEVICE_REVOKED', {
      detail: 'the broker refuses it',
      hint: 'Look at the device in the console; it is tried again by itself',
      cause: thrown,
    });
  }
  const detail = thrown instanceof Error ? thrown.message || (thrown as NodeJS.ErrnoException).code : String(thrown);
  return new SerinError('BROKER_UNREACHABLE', { hint: 'It is tried again by itself', cause: thrown, ...(detail === undefined ? {} : { detail }) });
}

/**
 * A client object lives for one connection: nothing of an old one is sent on a new one behind our back,
 * and every connection has a will of its own.
 */
export function createMqttConnection(options: MqttConnectionOptions): MqttConnection {
  const { clock, log, connectTimeoutMs = 10_000, publishTimeoutMs = 20_000 } = options;
  const quiet = createQuietLog(() => clock.elapsed());
  let stopping = new AbortController();
  let running: Promise<void> | undefined;
  let current: { client: MqttClient; session: MqttSession } | undefined;
  let connections = 0;

  let isStopping = false;

  function clientOptions(conn: number, { protocol, host, port }: BrokerAddress): IClientOptions {
    const { caPem, keyPem, certificatePem } = options.identity();
    const will = options.will?.(conn);
    return {
      protocol,
      host,
      port,
      clientId: options.clientId,
      protocolVersion: 4,
      clean: true,
      keepalive: 20,
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      ...(will === undefined ? {} : { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1 as const, retain: true } }),
      ...(protocol === 'mqtts' ? { ca: caPem, key: keyPem, cert: certificatePem } : {}),
    };
  }

  function createSession(client: MqttClient, conn: number): MqttSession {
    return {
      conn,
      publish: (topic, payload, { qos, retain = false }) =>
        new Promise((resolve, reject) => {
          if (!client.connected) return reject(toCoded(new Error('the connection is down')));
          const timer = setTimeout(() => reject(toCoded(new Error(`not acknowledged within ${publishTimeoutMs} ms`))), publishTimeoutMs);
          // The end of the connection ends what waits on it, with an error.
          client.publish(topic, Buffer.from(payload), { qos, retain }, (error) => {
            clearTimeout(timer);
            if (error === undefined || error === null) resolve();
            else reject(toCoded(error));
          });
        }),
    };
  }

  /** From dialling to the end of the connection. Rejects with why it ended. */
  async function runOnce(conn: number): Promise<void> {
    const client = connect(clientOptions(conn, checkBrokerUrl(options.identity().brokerUrl)));
    const ended = createEnding();
    let reason: unknown = new Error('the broker hung up');
    client.on('error', (error) => {
      reason = error;
      // A refused sign-in is an error that no close follows.
      if (!client.connected) ended.end();
    });
    client.once('close', () => ended.end());
    limitPackets(client, (error) => {
      reason = error;
      ended.end();
    });
    client.on('message', (topic, payload) => options.onMessage(topic, payload));
    const stop = (): void => ended.end();
    stopping.signal.addEventListener('abort', stop);
    const orEnd = async <Result>(work: Promise<Result>): Promise<Result> => {
      const broken = new Promise<never>((_resolve, reject) => ended.tell(() => reject(reason as Error)));
      return Promise.race([work, broken]);
    };
    try {
      await orEnd(new Promise((resolve) => client.once('connect', resolve)));
      await orEnd(subscribe(client));
      const session = createSession(client, conn);
      current = { client, session };
      await orEnd(options.onConnected(session));
      await orEnd(new Promise<never>(() => {}));
    } finally {
      stopping.signal.removeEventListener('abort', stop);
      const wasUp = current?.client === client;
      if (wasUp) current = undefined;
      client.end(true);
      if (wasUp) options.onDisconnected();
    }
  }

  async function subscribe(client: MqttClient): Promise<void> {
    const granted = await client.subscribeAsync([...options.filters], { qos: 1 });
    if (granted.some(({ qos }) => qos === 128)) throw new SerinError('FORBIDDEN', { detail: 'the broker refuses a subscription of this device' });
  }

  async function run(): Promise<void> {
    let attempts = 0;
    while (!isStopping) {
      const beganAt = clock.elapsed();
      try {
        await runOnce(connections++);
      } catch (thrown) {
        if (isStopping) return;
        const error = toCoded(thrown);
        quiet(`${error.code} ${error.detail}`, (count) =>
          log.warn({ code: error.code, detail: error.detail, hint: error.hint, clientId: options.clientId, count }, describeError(error)),
        );
      }
      if (clock.elapsed() - beganAt > stableMs) attempts = 0;
      await clock.sleep(backoffMs(attempts++, options.random()), stopping.signal);
    }
  }

  return {
    session: () => current?.session,
    start() {
      if (running !== undefined) return;
      isStopping = false;
      stopping = new AbortController();
      running = run();
    },
    async stop(farewell) {
      isStopping = true;
      const last = current;
      if (last !== undefined) {
        const goodbye = async (): Promise<void> => {
          await farewell?.(last.session);
          await last.client.endAsync();
        };
        await Promise.race([goodbye().catch((error: unknown) => log.debug({ detail: asSerinError(error).message }, 'no farewell')), clock.sleep(farewellMs)]);
      }
      stopping.abort();
      await running;
      running = undefined;
    },
  };
}

interface Ending {
  end(): void;
  /** At the end, or at once when it is over. */
  tell(listener: () => void): void;
}

/** Over once, for whatever reason came first. */
function createEnding(): Ending {
  const listeners = new Set<() => void>();
  let isOver = false;
  return {
    end() {
      isOver = true;
      for (const listener of listeners) listener();
      listeners.clear();
    },
    tell(listener) {
      if (isOver) listener();
      else listeners.add(listener);
    },
  };
}

/** The parser gathers whatever length a broker declares; a peer that sends more than any message without ending one is left. */
function limitPackets(client: MqttClient, onExcess: (error: SerinError) => void): void {
  let sinceLast = 0;
  client.on('packetreceive', () => (sinceLast = 0));
  client.stream.on('data', (bytes: Uint8Array) => {
    sinceLast += bytes.length;
    if (sinceLast > 2 * packetBytesMax) onExcess(new SerinError('MESSAGE_TOO_LARGE', { detail: `the broker sent ${sinceLast} bytes without a whole packet` }));
  });
}
