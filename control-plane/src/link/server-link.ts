import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { encode } from '@serin/protocol/codec';
import { describeError, SerinError } from '@serin/protocol/errors';
import { serverFilters, serverStatus, serverUser } from '@serin/protocol/topics';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';
import { backoffMs } from './backoff.ts';
import { checkBrokerAddress } from './broker-address.ts';
import { createQuietLog } from './log-quietly.ts';

export interface ServerLinkOptions {
  /** Asked at every attempt: the embedded broker knows its port only once it listens. */
  address(): string;
  caPem: string;
  keyPem: string;
  certPem: string;
  insecure: boolean;
  /** New at every start: devices that see another one report again. */
  epoch: string;
  clock: Clock;
  random(): number;
  log: Log;
  connectTimeoutMs?: number;
  publishTimeoutMs?: number;
}

export type MessageHandler = (topic: string, payload: Uint8Array) => void;

export interface ServerLink extends Service {
  readonly connected: boolean;
  /** Resolves when the broker has it (QoS 1) or it left (QoS 0); rejects with BROKER_UNREACHABLE. Nothing is queued here. */
  publish(topic: string, payload: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void>;
  onMessage(handler: MessageHandler): () => void;
  /** After every (re)connection, once subscribed. */
  onConnected(handler: () => void): () => void;
}

function unreachable(cause?: unknown): SerinError {
  const detail = cause instanceof Error ? cause.message : typeof cause === 'string' ? cause : undefined;
  return new SerinError('BROKER_UNREACHABLE', { ...(detail === undefined ? {} : { detail }), cause });
}

/** The server as an ordinary MQTT client, of the embedded broker as of any other. */
export function createServerLink(options: ServerLinkOptions): ServerLink {
  const { clock, log, connectTimeoutMs = 10_000, publishTimeoutMs = 30_000 } = options;
  const messageHandlers = new Set<MessageHandler>();
  const connectedHandlers = new Set<() => void>();
  const quiet = createQuietLog(clock);
  let client: MqttClient | undefined;
  let isReady = false;
  let isStopping = false;
  let attempts = 0;
  let retry: NodeJS.Timeout | undefined;

  const statusBytes = (online: boolean): Buffer => Buffer.from(encode('serverStatus', { v: 1, online, epoch: options.epoch, ts: clock() }));

  const clientOptions = (url: URL): IClientOptions => ({
    clientId: serverUser,
    protocolVersion: 4,
    clean: true,
    keepalive: 30,
    connectTimeout: connectTimeoutMs,
    // Attempts are made here, with growing waits; a client object lives for one connection.
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
    will: { topic: serverStatus, payload: statusBytes(false), qos: 1, retain: true },
    ...(url.protocol === 'mqtts:' ? { ca: options.caPem, key: options.keyPem, cert: options.certPem } : {}),
  });

  const lose = (lost: MqttClient, cause: unknown): void => {
    if (client !== lost) return;
    client = undefined;
    const wasReady = isReady;
    isReady = false;
    lost.end(true);
    if (isStopping) return;
    if (wasReady) attempts = 0;
    quiet.say('unreachable', (swallowed) => {
      const error = unreachable(cause);
      log.warn({ code: error.code, detail: error.detail, hint: error.hint, swallowed }, describeError(error));
    });
    retry = setTimeout(attempt, backoffMs(attempts++, options.random()));
  };

  const enter = async (entered: MqttClient): Promise<void> => {
    const granted = await entered.subscribeAsync([...serverFilters], { qos: 1 });
    if (granted.some(({ qos }) => qos === 128)) throw new SerinError('FORBIDDEN', { detail: 'the broker refused the subscription of the server' });
    await entered.publishAsync(serverStatus, statusBytes(true), { qos: 1, retain: true });
    if (client !== entered) return;
    isReady = true;
    attempts = 0;
    log.info({}, 'connected to the broker');
    for (const handler of connectedHandlers) handler();
  };

  function attempt(): Promise<void> {
    return new Promise((resolve) => {
      let made: MqttClient;
      try {
        const url = checkBrokerAddress(options.address(), options.insecure);
        made = connect(url.href, clientOptions(url));
      } catch (error) {
        log.error({ err: error }, 'broker address unusable');
        resolve();
        return;
      }
      client = made;
      let reason: unknown = 'the connection ended';
      made.on('error', (error) => {
        reason = error;
        // A refused sign-in is not followed by a close.
        if (!made.connected) lose(made, error);
      });
      made.on('message', (topic, payload) => {
        for (const handler of messageHandlers) handler(topic, payload);
      });
      made.once('connect', () => {
        enter(made)
          .catch((error: unknown) => lose(made, error))
          .finally(resolve);
      });
      made.once('close', () => {
        lose(made, reason);
        resolve();
      });
    });
  }

  return {
    name: 'server link',
    get connected() {
      return isReady;
    },
    async publish(topic, payload, { qos, retain = false }) {
      const used = client;
      if (used === undefined || !isReady) throw unreachable();
      let timer: NodeJS.Timeout | undefined;
      try {
        await Promise.race([
          used.publishAsync(topic, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength), { qos, retain }),
          new Promise<never>((_resolve, reject) => {
            timer = setTimeout(() => reject(new Error(`no answer within ${publishTimeoutMs} ms`)), publishTimeoutMs);
          }),
        ]);
      } catch (cause) {
        throw unreachable(cause);
      } finally {
        clearTimeout(timer);
      }
    },
    onMessage(handler) {
      messageHandlers.add(handler);
      return () => messageHandlers.delete(handler);
    },
    onConnected(handler) {
      connectedHandlers.add(handler);
      return () => connectedHandlers.delete(handler);
    },
    async start() {
      checkBrokerAddress(options.address(), options.insecure);
      isStopping = false;
      await attempt();
    },
    async stop(deadlineMs) {
      isStopping = true;
      clearTimeout(retry);
      const last = client;
      client = undefined;
      const wasReady = isReady;
      isReady = false;
      if (last === undefined) return;
      if (!wasReady) {
        last.end(true);
        return;
      }
      let timer: NodeJS.Timeout | undefined;
      const farewell = async (): Promise<void> => {
        await last.publishAsync(serverStatus, statusBytes(false), { qos: 1, retain: true });
        await last.endAsync();
      };
      await Promise.race([
        farewell().catch(() => undefined),
        new Promise<void>((resolve) => {
          last.once('close', () => resolve());
          timer = setTimeout(resolve, deadlineMs);
        }),
      ]);
      clearTimeout(timer);
      last.end(true);
    },
  };
}
