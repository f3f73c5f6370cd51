import { encode } from '@serin/protocol/codec';
import { bootId, deviceId, digest, modelName, type DeviceId } from '@serin/protocol/ids';
import type { Reported } from '@serin/protocol/messages/reported';
import type { Status } from '@serin/protocol/messages/status';
import type { FrameSample, TelemetryWindow, WindowCounters } from '@serin/protocol/messages/telemetry';
import { testHello } from '../testing.ts';
import { devices } from '../store/schema.ts';
import type { Store } from '../store/store.ts';

export const someDigest = digest.parse('ab'.repeat(32));
export const boot = (name: string) => bootId.parse(name);

/** Devices that have joined, as rows. */
export async function addDevices(store: Store, names: readonly string[]): Promise<DeviceId[]> {
  const ids = names.map((name) => deviceId.parse(name));
  await store.db
    .insert(devices)
    .values(ids.map((id) => ({ id, state: 'ACTIVE' as const, hello: testHello, certificateSerial: '01', certificateExpiresAt: 1e15, joinedAt: 1 })));
  return ids;
}

export interface WindowParts extends Partial<Omit<TelemetryWindow, 'counters' | 'model' | 'boot'>> {
  model?: string;
  boot?: string;
  counters?: Partial<WindowCounters>;
}

export function testWindow({ counters, model = 'picker', boot: name = 'b1', ...parts }: WindowParts = {}): TelemetryWindow {
  return {
    seq: 0,
    version: 1,
    manifest: someDigest,
    from: 1_000,
    to: 3_000,
    latencyMs: { alpha: 0.01, offset: 0, counts: [], zero: 0, count: 0, sum: 0, min: 0, max: 0 },
    statistics: [],
    labels: [10, 0],
    ...parts,
    model: modelName.parse(model),
    boot: boot(name),
    counters: { frames: 20, run: 20, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0, ...counters },
  };
}

export const telemetryBytes = (windows: TelemetryWindow[], dropped = 0): Uint8Array =>
  encode('tel', { v: 1, boot: boot('b1'), seq: 0, ts: 1, dropped, windows });

export const statusBytes = (parts: Partial<Status> & { online: boolean }): Uint8Array => encode('status', { v: 1, boot: boot('b1'), conn: 1, ts: 1, ...parts });

export const reportedBytes = (parts: Partial<Reported> = {}): Uint8Array =>
  encode('reported', { v: 1, boot: boot('b1'), seq: 0, ts: 1, rev: 0, models: [], ...parts });

export const sampleBytes = (parts: Partial<FrameSample> = {}): Uint8Array =>
  encode('smp', {
    v: 1,
    boot: boot('b1'),
    seq: 0,
    ts: 1,
    model: modelName.parse('picker'),
    version: 1,
    shape: [2, 2, 3],
    pixels: new Uint8Array(12),
    predicted: { label: 0, confidence: 0.9 },
    ...parts,
  });
