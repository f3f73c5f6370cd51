import { systemClock } from '@serin/edge-agent/clock';
import { createKey } from '@serin/edge-agent/identity';
import { joinFleet } from '@serin/edge-agent/join';
import { createLog } from '@serin/edge-agent/log';
import { createMqttConnection, type MqttSession } from '@serin/edge-agent/mqtt/connection';
import { decode, encode } from '@serin/protocol/codec';
import { sha256 } from '@serin/protocol/digest';
import { bootId, deviceId, modelName, type DeviceId } from '@serin/protocol/ids';
import type { Hello } from '@serin/protocol/messages/status';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { clientIds, down, up } from '@serin/protocol/topics';
import { productVersion, protocolVersion } from '@serin/protocol/version';
import type { Stack } from './stack.ts';

const boot = bootId.parse('raw');
const hello: Hello = {
  protocol: protocolVersion,
  agent: productVersion,
  class: 'virtual',
  os: 'test',
  arch: 'test',
  cpu: 'test',
  memoryBytes: 0,
  runtime: 'none',
  site: 'test',
  synthetic: true,
};

/** A device that joined like any other and then says whatever a test wants it to say. */
export interface RawDevice {
  id: DeviceId;
  /** What its broker session is now; a new one after every reconnect. */
  session(): Promise<MqttSession>;
  publish(topic: string, payload: Uint8Array): Promise<void>;
  /** Sends windows of these numbers. */
  sendWindows(from: number, count: number): Promise<void>;
  acknowledged: ReadonlySet<number>;
  messages: readonly { topic: string; payload: Uint8Array }[];
  stop(): Promise<void>;
}

async function testWindow(seq: number): Promise<TelemetryWindow> {
  return {
    boot,
    seq,
    model: modelName.parse('picker'),
    version: 1,
    manifest: await sha256(new Uint8Array()),
    from: seq * 1000,
    to: seq * 1000 + 1000,
    counters: { frames: 10, run: 10, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0 },
    latencyMs: { alpha: 0.01, offset: 0, counts: [], zero: 0, count: 0, sum: 0, min: 0, max: 0 },
    statistics: [],
    labels: [10],
  };
}

export async function joinRaw(stack: Stack, name: string): Promise<RawDevice> {
  const id = deviceId.parse(name);
  const { token, joinUrl } = await stack.api('createEnrolment', { body: { name: id, minutes: 10 } });
  const identity = await joinFleet({ url: joinUrl, token, name: id, hello, keyPem: await createKey() });
  const acknowledged = new Set<number>();
  const messages: { topic: string; payload: Uint8Array }[] = [];
  let current: MqttSession | undefined;
  let connected: (() => void)[] = [];
  const connection = createMqttConnection({
    clientId: clientIds(id).control,
    identity: () => identity,
    filters: [down(id, 'ack'), down(id, 'desired')],
    clock: systemClock,
    random: Math.random,
    log: createLog('silent'),
    async onConnected(session) {
      current = session;
      for (const tell of connected) tell();
      connected = [];
    },
    onDisconnected() {
      current = undefined;
    },
    onMessage(topic, payload) {
      messages.push({ topic, payload });
      if (topic === down(id, 'ack')) for (const [, seq] of decode('ack', payload).windows) acknowledged.add(seq);
    },
  });
  connection.start();
  const session = async (): Promise<MqttSession> => {
    while (current === undefined) await new Promise<void>((resolve) => connected.push(resolve));
    return current;
  };
  return {
    id,
    session,
    publish: async (topic, payload) => (await session()).publish(topic, payload, { qos: 1 }),
    async sendWindows(from, count) {
      const windows = await Promise.all(Array.from({ length: count }, (_, index) => testWindow(from + index)));
      await (await session()).publish(up(id, 'tel'), encode('tel', { v: 1, boot, seq: 0, ts: 1, dropped: 0, windows }), { qos: 1 });
    },
    acknowledged,
    messages,
    stop: () => connection.stop(async () => {}),
  };
}
