import { bootId, digest, modelName } from '@serin/protocol/ids';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';

/** A window that follows its schema, for tests of what windows pass through; `labels` sets its size. */
export function makeWindow(boot: string, seq: number, labels = 5): TelemetryWindow {
  return {
    boot: bootId.parse(boot),
    seq,
    model: modelName.parse('picker'),
    version: 1,
    manifest: digest.parse('a'.repeat(64)),
    from: 1_000 * seq,
    to: 1_000 * (seq + 1),
    counters: { frames: 10, run: 9, skipped: 2, failed: 1, deadlineMissed: 0, nonFinite: 0, judged: 9, wrong: 1 },
    latencyMs: { alpha: 0.01, offset: -3, counts: [4, 0, 5], zero: 0, count: 9, sum: 8.5, min: 0.9, max: 1.1 },
    statistics: [{ name: 'brightness', counts: [0, 4, 5, 0, 0], sum: 900, sumSquares: 90_100 }],
    labels: Array.from({ length: labels }, (_, label) => label % 3),
  };
}
