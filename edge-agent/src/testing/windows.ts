import { bootId, digest, modelName } from '@serin/protocol/ids';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';

/** A window of a plain shape; `size` makes it as long as a test needs. */
export function makeWindow(boot: string, seq: number, size = 0): TelemetryWindow {
  return {
    boot: bootId.parse(boot),
    seq,
    model: modelName.parse('picker'),
    version: 1,
    manifest: digest.parse('a'.repeat(64)),
    from: 1000 * seq,
    to: 1000 * seq + 1000,
    counters: { frames: 10, run: 10, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 10, wrong: seq % 3 },
    latencyMs: { alpha: 0.01, offset: 0, counts: [10], zero: 0, count: 10, sum: 12.5, min: 1, max: 2 },
    statistics: [{ name: 'brightness', counts: [0, 4, 6, 0, 0], sum: 900.5, sumSquares: 81_000.25 }],
    labels: Array.from({ length: size }, () => 7),
  };
}
