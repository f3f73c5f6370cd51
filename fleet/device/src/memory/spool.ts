import { SerinError } from '@serin/protocol/errors';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import type { Spool } from '../ports.ts';

/** Windows in memory, for a device that keeps nothing; measured by the length of their JSON. */
export function createMemorySpool({ bytesMax = 4 * 1024 * 1024 }: { bytesMax?: number } = {}): Spool {
  const waiting = new Map<string, { window: TelemetryWindow; sizeBytes: number }>();
  let usedBytes = 0;
  let dropped = 0;
  const remove = (id: string): void => {
    usedBytes -= waiting.get(id)?.sizeBytes ?? 0;
    waiting.delete(id);
  };
  return {
    async append(window) {
      const id = `${window.boot}/${window.seq}`;
      if (waiting.has(id)) return;
      const sizeBytes = JSON.stringify(window).length;
      if (sizeBytes > bytesMax) {
        dropped++;
        throw new SerinError('SPOOL_OVERFLOW', { detail: `one window of ${sizeBytes} bytes, limit ${bytesMax}` });
      }
      for (const oldest of waiting.keys()) {
        if (usedBytes + sizeBytes <= bytesMax) break;
        remove(oldest);
        dropped++;
      }
      waiting.set(id, { window, sizeBytes });
      usedBytes += sizeBytes;
    },
    async peek(limit) {
      const windows: TelemetryWindow[] = [];
      for (const { window } of waiting.values()) {
        if (windows.length >= limit) break;
        windows.push(window);
      }
      return windows;
    },
    async acknowledge(windows) {
      for (const [boot, seq] of windows) remove(`${boot}/${seq}`);
    },
    waiting: () => waiting.size,
    dropped: () => dropped,
  };
}
