import { SerinError } from '@serin/protocol/errors';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import type { Spool } from '../ports.ts';

/** Windows in memory, for devices that keep nothing: as many as `windowsMax`, then the oldest goes. */
export function createMemorySpool(windowsMax = 4096): Spool {
  if (windowsMax < 1) throw new SerinError('CONFIG_INVALID', { detail: 'a spool holds at least one window' });
  const waiting = new Map<string, TelemetryWindow>();
  let dropped = 0;
  return {
    append(window) {
      waiting.set(`${window.boot}/${window.seq}`, window);
      for (const oldest of waiting.keys()) {
        if (waiting.size <= windowsMax) break;
        waiting.delete(oldest);
        dropped++;
      }
      return Promise.resolve();
    },
    peek: (limit) => Promise.resolve([...waiting.values()].slice(0, limit)),
    acknowledge(windows) {
      for (const [boot, seq] of windows) waiting.delete(`${boot}/${seq}`);
      return Promise.resolve();
    },
    waiting: () => waiting.size,
    dropped: () => dropped,
  };
}
