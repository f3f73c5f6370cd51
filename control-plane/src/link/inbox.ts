import type { DeviceId } from '@serin/protocol/ids';
import type { Reported } from '@serin/protocol/messages/reported';
import type { Status } from '@serin/protocol/messages/status';
import type { FrameSample, TelemetryBatch, TelemetryWindow } from '@serin/protocol/messages/telemetry';
import type { ErrorCode } from '@serin/protocol/errors';

export interface InboxLimits {
  windowsMax: number;
  samplesMax: number;
  sampleBytesMax: number;
  statusesPerDeviceMax: number;
  devicesMax: number;
}

export const inboxLimits: InboxLimits = {
  windowsMax: 8_192,
  samplesMax: 512,
  sampleBytesMax: 16 * 1024 * 1024,
  statusesPerDeviceMax: 16,
  devicesMax: 100_000,
};

/** What one device has said since the last commit. */
export interface DeviceNews {
  statuses: Status[];
  reported: Reported | undefined;
  windows: TelemetryWindow[];
  dropped: number;
  samples: FrameSample[];
  refused: number;
  refusedCode: ErrorCode | undefined;
}

export type Inbox = Map<DeviceId, DeviceNews>;

export interface InboxCounts {
  windows: number;
  samples: number;
  sampleBytes: number;
}

/**
 * What waits for the next commit, bounded. State (status, reported) is condensed to the latest; telemetry beyond the
 * limit is left with the devices, which keep it until it is acknowledged.
 */
export function createCollector(limits: InboxLimits) {
  let inbox: Inbox = new Map();
  let counts: InboxCounts = { windows: 0, samples: 0, sampleBytes: 0 };

  const newsOf = (device: DeviceId): DeviceNews | undefined => {
    const known = inbox.get(device);
    if (known !== undefined) return known;
    if (inbox.size >= limits.devicesMax) return undefined;
    const fresh: DeviceNews = { statuses: [], reported: undefined, windows: [], dropped: 0, samples: [], refused: 0, refusedCode: undefined };
    inbox.set(device, fresh);
    return fresh;
  };

  return {
    get counts(): Readonly<InboxCounts> {
      return counts;
    },
    get isEmpty(): boolean {
      return inbox.size === 0;
    },
    status(device: DeviceId, message: Status): void {
      const news = newsOf(device);
      if (news === undefined) return;
      news.statuses.push(message);
      // The newest say where it stands; births and wills before them are history.
      if (news.statuses.length > limits.statusesPerDeviceMax) news.statuses.shift();
    },
    /** False for one that is older than what waits. */
    reported(device: DeviceId, message: Reported): boolean {
      const news = newsOf(device);
      if (isOlder(message, news?.reported)) return false;
      if (news !== undefined) news.reported = message;
      return true;
    },
    /** False when there is no room: not acknowledged, so it comes again. */
    windows(device: DeviceId, batch: TelemetryBatch): boolean {
      if (counts.windows + batch.windows.length > limits.windowsMax) return false;
      const news = newsOf(device);
      if (news === undefined) return false;
      news.windows.push(...batch.windows);
      news.dropped = Math.max(news.dropped, batch.dropped);
      counts.windows += batch.windows.length;
      return true;
    },
    sample(device: DeviceId, message: FrameSample): boolean {
      const bytes = message.pixels.length;
      if (counts.samples >= limits.samplesMax || counts.sampleBytes + bytes > limits.sampleBytesMax) return false;
      const news = newsOf(device);
      if (news === undefined) return false;
      news.samples.push(message);
      counts.samples++;
      counts.sampleBytes += bytes;
      return true;
    },
    refused(device: DeviceId, code: ErrorCode): void {
      const news = newsOf(device);
      if (news === undefined) return;
      news.refused++;
      news.refusedCode = code;
    },
    take(): Inbox {
      const taken = inbox;
      inbox = new Map();
      counts = { windows: 0, samples: 0, sampleBytes: 0 };
      return taken;
    },
    /** After a failed commit: state and counts are put back under what came since; telemetry stays with the devices. */
    putBackState(taken: Inbox): void {
      for (const [device, old] of taken) {
        const news = newsOf(device);
        if (news === undefined) return;
        news.statuses = [...old.statuses, ...news.statuses].slice(-limits.statusesPerDeviceMax);
        if (old.reported !== undefined && (news.reported === undefined || isOlder(news.reported, old.reported))) news.reported = old.reported;
        news.refused += old.refused;
        news.refusedCode ??= old.refusedCode;
      }
    },
  };
}

/** Within one boot the numbers tell; across boots the later arrival is the newer. */
export function isOlder(message: { boot: string; seq: number }, than: { boot: string; seq: number } | undefined | null): boolean {
  return than !== undefined && than !== null && message.boot === than.boot && message.seq < than.seq;
}
