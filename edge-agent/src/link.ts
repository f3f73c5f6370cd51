import type { Clock, ControlHandlers, ControlLink } from '@serin/device/ports';
import { decode, encode, type Message, type MessageName } from '@serin/protocol/codec';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { BootId, TransferId } from '@serin/protocol/ids';
import { windowsPerBatchMax } from '@serin/protocol/limits';
import type { Hello } from '@serin/protocol/messages/status';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { clientIds, controlFilters, down, serverStatus, up, type UpKind } from '@serin/protocol/topics';
import type { Identity } from './identity.ts';
import type { Log } from './log.ts';
import { createMqttConnection, type MqttSession } from './mqtt/connection.ts';
import { createQuietLog } from './quiet-log.ts';
import type { Stamp } from './stamp.ts';

export interface LinkOptions {
  identity(): Identity;
  hello: Hello;
  boot: BootId;
  stamp: Stamp;
  /** The server cannot serve a transfer of the other connection. */
  transferRefused(xfer: TransferId, code: string): void;
  clock: Clock;
  random(): number;
  log: Log;
  /** Devices that see the server start again report spread over this time. */
  reportSpreadMs?: number;
}

export interface Link extends ControlLink {
  isConnected(): boolean;
}

/** The control connection over MQTT: `u/status` says who is there, `c/desired` what to do. */
export function createLink(options: LinkOptions): Link {
  const { hello, boot, stamp, clock, log, reportSpreadMs = 2_000 } = options;
  const { device } = options.identity();
  const quiet = createQuietLog(() => clock.elapsed());
  let handlers: ControlHandlers | undefined;
  let epoch: string | undefined;
  let stopping = new AbortController();

  const statusBytes = (conn: number, online: boolean): Uint8Array =>
    encode('status', { v: 1, online, boot, conn, ts: clock.now(), ...(online ? { hello } : {}) });

  /** A message as its schema has it; a malformed one is counted, said once a minute, and changes nothing. */
  function read<Name extends MessageName>(name: Name, payload: Uint8Array): Message<Name> | undefined {
    try {
      return decode(name, payload);
    } catch (thrown) {
      const { code, detail } = asSerinError(thrown, 'MESSAGE_MALFORMED');
      quiet(`${name} ${code}`, (count) => log.warn({ code, detail, message: name, count }, 'message ignored'));
      return undefined;
    }
  }

  function onServerStatus(message: Message<'serverStatus'>): void {
    if (!message.online) return;
    const before = epoch;
    epoch = message.epoch;
    if (before === undefined || before === epoch) return;
    log.info({ epoch }, 'the server started again');
    const { signal } = stopping;
    void clock.sleep(options.random() * reportSpreadMs, signal).then(() => {
      if (!signal.aborted && epoch === message.epoch) handlers?.reportWanted(true);
    });
  }

  function onCommand({ kind, exp, xfer, code }: Message<'cmd'>): void {
    if (clock.now() > exp) {
      quiet('stale command', (count) => log.warn({ kind, count }, 'command came too late'));
    } else if (kind === 'report') handlers?.reportWanted(false);
    else if (xfer !== undefined) options.transferRefused(xfer, code ?? 'BLOB_NOT_FOUND');
  }

  const readers: Record<string, (payload: Uint8Array) => void> = {
    [down(device, 'desired')]: (payload) => {
      const document = read('desired', payload);
      if (document !== undefined) handlers?.desired(document);
    },
    [down(device, 'ack')]: (payload) => {
      const ack = read('ack', payload);
      if (ack !== undefined) handlers?.acknowledged(ack.windows);
    },
    [down(device, 'cmd')]: (payload) => {
      const command = read('cmd', payload);
      if (command !== undefined) onCommand(command);
    },
    [serverStatus]: (payload) => {
      const message = read('serverStatus', payload);
      if (message !== undefined) onServerStatus(message);
    },
  };

  const connection = createMqttConnection({
    clientId: clientIds(device).control,
    identity: options.identity,
    filters: controlFilters(device),
    clock,
    random: options.random,
    log,
    will: (conn) => ({ topic: up(device, 'status'), payload: statusBytes(conn, false) }),
    async onConnected(session) {
      await session.publish(up(device, 'status'), statusBytes(session.conn, true), { qos: 1, retain: true });
      log.info({ conn: session.conn }, 'connected to the broker');
      handlers?.connected(true);
    },
    onDisconnected() {
      log.info({}, 'disconnected from the broker');
      handlers?.connected(false);
    },
    onMessage(topic, payload) {
      // The empty message clears a retained one; it says nothing.
      if (payload.length === 0) return;
      const reader = readers[topic];
      if (reader === undefined) quiet('topic', (count) => log.warn({ code: 'TOPIC_UNKNOWN', topic: topic.slice(0, 100), count }, 'message ignored'));
      else reader(payload);
    },
  });

  function present(): MqttSession {
    const session = connection.session();
    if (session === undefined) throw new SerinError('BROKER_UNREACHABLE', { detail: 'not connected', hint: 'It is tried again by itself' });
    return session;
  }

  async function send<Name extends UpKind & MessageName>(name: Name, message: Message<Name>): Promise<void> {
    await present().publish(up(device, name), encode(name, message), { qos: 1 });
  }

  async function sendBatch(windows: readonly TelemetryWindow[], dropped: number): Promise<void> {
    const session = present();
    let bytes: Uint8Array;
    try {
      bytes = encode('tel', { ...stamp(), dropped, windows: [...windows] });
    } catch (error) {
      if (windows.length < 2 || !(error instanceof SerinError) || error.code !== 'MESSAGE_TOO_LARGE') throw error;
      const half = windows.length >> 1;
      await sendBatch(windows.slice(0, half), dropped);
      return sendBatch(windows.slice(half), dropped);
    }
    await session.publish(up(device, 'tel'), bytes, { qos: 1 });
  }

  return {
    isConnected: () => connection.session() !== undefined,
    async start(given) {
      handlers = given;
      stopping = new AbortController();
      connection.start();
    },
    async stop() {
      stopping.abort();
      await connection.stop((session) => session.publish(up(device, 'status'), statusBytes(session.conn, false), { qos: 1, retain: true }));
      handlers = undefined;
    },
    report: (message) => send('reported', { ...message, ...stamp() }),
    async sendWindows(windows, dropped) {
      for (let start = 0; start < windows.length; start += windowsPerBatchMax) await sendBatch(windows.slice(start, start + windowsPerBatchMax), dropped);
    },
    sendSample: (sample) => send('smp', { ...sample, ...stamp() }),
  };
}
