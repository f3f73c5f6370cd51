import { createKey } from '@serin/edge-agent/identity';
import { joinFleet } from '@serin/edge-agent/join';
import { createLink } from '@serin/edge-agent/link';
import { createStamp } from '@serin/edge-agent/stamp';
import { createLog } from '@serin/edge-agent/log';
import { systemClock } from '@serin/edge-agent/clock';
import { sha256 } from '@serin/protocol/digest';
import { bootId, deviceId, modelName, type BootId, type DeviceId } from '@serin/protocol/ids';
import { protocolVersion, productVersion } from '@serin/protocol/version';
import type { Hello } from '@serin/protocol/messages/status';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { percentile, type Report } from '../harness/report.ts';
import { startStack, type Stack } from '../harness/stack.ts';

export const description = 'telemetry windows per second from devices over mutual TLS to committed and acknowledged rows, embedded stack';

const devices = 4;
const batch = 40;
const inFlight = 4;

const hello: Hello = {
  protocol: protocolVersion,
  agent: productVersion,
  class: 'virtual',
  os: 'bench',
  arch: process.arch,
  cpu: 'bench',
  memoryBytes: 0,
  runtime: 'none',
  site: 'bench',
  synthetic: true,
};

/** A window as a camera sends it: four statistics of 32 bins and a latency sketch. */
async function templateWindow(boot: BootId): Promise<TelemetryWindow> {
  const counts = Array.from({ length: 35 }, (_, bin) => (bin * 7) % 40);
  return {
    boot,
    seq: 0,
    model: modelName.parse('picker'),
    version: 1,
    manifest: await sha256(new Uint8Array()),
    from: 0,
    to: 0,
    counters: { frames: 600, run: 600, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0 },
    latencyMs: { alpha: 0.01, offset: -170, counts: Array.from({ length: 40 }, (_, bin) => bin % 30), zero: 0, count: 570, sum: 30, min: 0.03, max: 0.09 },
    statistics: ['brightness', 'contrast', 'sharpness', 'confidence'].map((name) => ({ name, counts, sum: 1, sumSquares: 1 })),
    labels: [100, 120, 110, 130, 140],
  };
}

interface Sender {
  readonly acknowledged: number;
  readonly latenciesMs: readonly number[];
  stop(): Promise<void>;
}

async function startSender(stack: Stack, id: DeviceId): Promise<Sender> {
  const { token, joinUrl } = await stack.api('createEnrolment', { body: { name: id, minutes: 10 } });
  const identity = await joinFleet({ url: joinUrl, token, name: id, hello, keyPem: await createKey() });
  const boot = bootId.parse('bench');
  const link = createLink({
    identity: () => identity,
    hello,
    boot,
    stamp: createStamp(boot, systemClock),
    transferRefused: () => {},
    clock: systemClock,
    random: Math.random,
    log: createLog('error'),
  });
  const template = await templateWindow(boot);
  const sentAt = new Map<number, number>();
  const latenciesMs: number[] = [];
  let acknowledged = 0;
  let next = 0;
  let isStopping = false;
  const send = (): void => {
    if (isStopping) return;
    const now = systemClock.now();
    const windows = Array.from({ length: batch }, () => ({ ...template, seq: next++, from: now - 1000, to: now }));
    sentAt.set(windows.at(-1)?.seq ?? 0, performance.now());
    link.sendWindows(windows, 0).catch(() => {});
  };
  let connected: () => void = () => {};
  const isConnected = new Promise<void>((resolve) => {
    connected = resolve;
  });
  await link.start({
    desired: () => {},
    reportWanted: () => {},
    connected: (is) => {
      if (is) connected();
    },
    acknowledged: (windows) => {
      acknowledged += windows.length;
      for (const [, seq] of windows) {
        const at = sentAt.get(seq);
        if (at === undefined) continue;
        sentAt.delete(seq);
        latenciesMs.push(performance.now() - at);
        send();
      }
    },
  });
  await isConnected;
  for (let count = 0; count < inFlight; count++) send();
  return {
    get acknowledged() {
      return acknowledged;
    },
    latenciesMs,
    async stop() {
      isStopping = true;
      await link.stop();
    },
  };
}

export async function run({ quick }: { quick: boolean }): Promise<Report> {
  const seconds = quick ? 8 : 30;
  const stack = await startStack('embedded', { SERIN_LOG_LEVEL: 'warn' });
  const senders: Sender[] = [];
  try {
    for (let index = 1; index <= devices; index++) senders.push(await startSender(stack, deviceId.parse(`bench-${index}`)));
    const total = (): number => senders.reduce((sum, sender) => sum + sender.acknowledged, 0);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const [before, began] = [total(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const rate = ((total() - before) * 1000) / (performance.now() - began);
    await Promise.all(senders.map((sender) => sender.stop()));
    const acknowledged = total();
    const committed = (await stack.devices()).reduce((sum, device) => sum + device.windows.received, 0);
    const latencies = senders.flatMap((sender) => sender.latenciesMs);
    const figures = {
      windowsPerS: Math.round(rate),
      ackP50Ms: Math.round(percentile(latencies, 0.5)),
      ackP99Ms: Math.round(percentile(latencies, 0.99)),
      devices,
      windowsPerBatch: batch,
      acknowledged,
      committed,
      lost: Math.max(0, acknowledged - committed),
    };
    return {
      table: [
        ['what', 'value'],
        ['windows a second, sent, committed and acknowledged', String(figures.windowsPerS)],
        ['devices that sends for, at one window in 5 minutes', String(figures.windowsPerS * 300)],
        ['batch sent to batch acknowledged, median', `${figures.ackP50Ms} ms`],
        ['the same, 99 of 100', `${figures.ackP99Ms} ms`],
        ['acknowledged and not committed', String(figures.lost)],
      ],
      figures,
    };
  } finally {
    await Promise.all(senders.map((sender) => sender.stop()));
    await stack.stop();
  }
}
