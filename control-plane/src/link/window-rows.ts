import { encodeWindow } from '@serin/protocol/codec';
import type { DeviceId } from '@serin/protocol/ids';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { DDSketch } from '@serin/stats/dd-sketch';

/** How far the frames around a window are from the profile of its version. */
export interface WindowDrift {
  effect: number;
  /** The statistic that moved most. */
  statistic: string;
}

/** A window as it is kept; its drift is added by whoever knows the profile. */
export interface WindowRow {
  device: DeviceId;
  boot: string;
  seq: number;
  model: string;
  version: number;
  fromAt: number;
  toAt: number;
  run: number;
  bad: number;
  judged: number;
  wrong: number;
  p50Ms: number | null;
  p95Ms: number | null;
  body: Uint8Array;
}

/** Frames of a window that were tried, whether or not the sender counts failed ones among those it ran. */
export const framesOf = ({ counters }: TelemetryWindow): number => Math.min(Math.max(counters.frames, counters.run), counters.run + counters.failed);

/** Bad frames: failed, not finite, late, or wrong by their outcome. One frame can be several of these, so at most all are. */
export function badFramesOf(window: TelemetryWindow): number {
  const { failed, nonFinite, deadlineMissed, wrong } = window.counters;
  return Math.min(failed + nonFinite + deadlineMissed + wrong, framesOf(window));
}

function quantiles(latency: TelemetryWindow['latencyMs']): { p50Ms: number | null; p95Ms: number | null } {
  if (latency.count === 0) return { p50Ms: null, p95Ms: null };
  try {
    const sketch = DDSketch.fromData(latency);
    return { p50Ms: sketch.quantile(0.5), p95Ms: sketch.quantile(0.95) };
  } catch {
    // Counts that contradict each other say nothing about latency; the rest of the window stands.
    return { p50Ms: null, p95Ms: null };
  }
}

export function windowRow(device: DeviceId, window: TelemetryWindow): WindowRow {
  const { boot, seq, model, version, from, to, counters } = window;
  return {
    device,
    boot,
    seq,
    model,
    version,
    fromAt: from,
    toAt: to,
    run: framesOf(window),
    bad: badFramesOf(window),
    judged: counters.judged,
    wrong: counters.wrong,
    ...quantiles(window.latencyMs),
    body: encodeWindow(window),
  };
}
