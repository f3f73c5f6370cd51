import { eq, sql } from 'drizzle-orm';
import { decodeUp, encode } from '@serin/protocol/codec';
import { asSerinError, type ErrorCode } from '@serin/protocol/errors';
import type { DeviceId } from '@serin/protocol/ids';
import { windowsPerBatchMax } from '@serin/protocol/limits';
import type { ChunkRequest } from '@serin/protocol/messages/transfer';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { down, senderOf } from '@serin/protocol/topics';
import type { Changes } from '../changes.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';
import { devices } from '../store/schema.ts';
import { selectRows, type Store } from '../store/store.ts';
import { commitInbox, type Committed, type CommitMemory } from './commit.ts';
import { createCollector, inboxLimits, type Inbox, type InboxLimits } from './inbox.ts';
import { createQuietLog } from './log-quietly.ts';
import { hasWholePixels } from './samples.ts';
import type { ServerLink } from './server-link.ts';
import type { WindowDrift } from './window-rows.ts';

/** Tells how far windows are from the profile of their version, for the row. */
export interface DriftGauge {
  /** Has what is needed at hand before `driftOf` is asked. */
  prepare(versions: ReadonlyMap<string, { model: string; version: number }>): Promise<void>;
  driftOf(device: DeviceId, window: TelemetryWindow): WindowDrift | null;
}

export interface IngestCounts {
  messages: number;
  refused: number;
  /** Reports older than one that is known: counted, and nothing changes. */
  stale: number;
  windowsInserted: number;
  windowsTurnedAway: number;
  samplesTurnedAway: number;
  commits: number;
  failedCommits: number;
}

export interface IngestOptions {
  store: Store;
  link: Pick<ServerLink, 'publish' | 'onMessage'>;
  changes: Changes;
  clock: Clock;
  log: Log;
  gauge: DriftGauge;
  onChunkRequest(device: DeviceId, request: ChunkRequest): void;
  limits?: Partial<InboxLimits>;
  /** Longest that a message waits for others to share its commit. */
  gatherMs?: number;
  samplesPerModelMax?: number;
}

export interface Ingest extends Service {
  readonly counts: Readonly<IngestCounts>;
  /** Takes a message as from the broker. */
  accept(topic: string, payload: Uint8Array): void;
  /** Resolves when everything accepted so far is committed or turned away. */
  settled(): Promise<void>;
}

/** Enough windows for a commit to be worth its price without waiting longer. */
const windowsPerCommit = 512;
const spansMax = 200_000;

/** Everything devices say, decoded at the edge and committed in batches; windows are acknowledged after that, never before. */
export function createIngest(options: IngestOptions): Ingest {
  const { store, link, changes, clock, log, gauge, gatherMs = 100, samplesPerModelMax = 2_000 } = options;
  const collector = createCollector({ ...inboxLimits, ...options.limits });
  const quiet = createQuietLog(clock);
  const memory: CommitMemory = { statusTs: new Map(), spans: new Map() };
  const counts: IngestCounts = {
    messages: 0,
    refused: 0,
    stale: 0,
    windowsInserted: 0,
    windowsTurnedAway: 0,
    samplesTurnedAway: 0,
    commits: 0,
    failedCommits: 0,
  };
  let timer: NodeJS.Timeout | undefined;
  let committing: Promise<void> | undefined;
  let failures = 0;
  let lastReceivedAt = 0;
  let isStopped = true;
  let unsubscribe = (): void => {};

  const refuse = (device: DeviceId | undefined, code: ErrorCode, detail: string | undefined): void => {
    counts.refused++;
    if (device !== undefined) collector.refused(device, code);
    quiet.say(`${device ?? ''} ${code}`, (swallowed) => log.warn({ deviceId: device, code, detail, swallowed }, 'message refused'));
  };

  const noteStale = (device: DeviceId): void => {
    counts.stale++;
    quiet.say(`${device} stale`, (swallowed) => log.warn({ deviceId: device, code: 'REVISION_STALE', swallowed }, 'older report ignored'));
  };

  const accept = (topic: string, payload: Uint8Array): void => {
    if (isStopped) return;
    counts.messages++;
    try {
      collect(topic, payload);
    } catch (thrown) {
      const error = asSerinError(thrown, 'MESSAGE_MALFORMED');
      refuse(senderOf(topic), error.code, error.detail);
    }
    schedule();
  };

  const collect = (topic: string, payload: Uint8Array): void => {
    const up = decodeUp(topic, payload);
    switch (up.kind) {
      case 'status':
        return collector.status(up.device, up.message);
      case 'reported':
        if (!collector.reported(up.device, up.message)) noteStale(up.device);
        return;
      case 'tel':
        if (!collector.windows(up.device, up.message)) {
          counts.windowsTurnedAway += up.message.windows.length;
          quiet.say('windows', (swallowed) => log.warn({ waiting: collector.counts.windows, swallowed }, 'telemetry turned away for now, devices keep it'));
        }
        return;
      case 'smp':
        if (!hasWholePixels(up.message)) return refuse(up.device, 'MESSAGE_MALFORMED', 'smp: the pixels do not fill the shape');
        if (!collector.sample(up.device, up.message)) counts.samplesTurnedAway++;
        return;
      case 'get':
        return options.onChunkRequest(up.device, up.message);
    }
  };

  const schedule = (): void => {
    if (collector.isEmpty || committing !== undefined) return;
    if (failures === 0 && collector.counts.windows >= windowsPerCommit) {
      clearTimeout(timer);
      timer = undefined;
      committing = commit();
    } else {
      timer ??= setTimeout(
        () => {
          timer = undefined;
          committing = commit();
        },
        failures === 0 ? gatherMs : Math.min(250 * 2 ** failures, 5_000),
      );
    }
  };

  /** One at a time, so that the stamps of committed windows only ever grow: whoever reads on from a stamp misses none. */
  async function commit(): Promise<void> {
    const inbox = collector.take();
    try {
      await commitOrSplit(inbox);
      failures = 0;
    } catch (thrown) {
      failures++;
      counts.failedCommits++;
      collector.putBackState(inbox);
      const error = asSerinError(thrown);
      quiet.say('commit', (swallowed) =>
        log.error({ code: error.code, err: error, hint: error.hint, swallowed }, 'telemetry not committed, nothing acknowledged'),
      );
    }
    committing = undefined;
    if (!isStopped) schedule();
  }

  /** A message that the database refuses must not hold up the others: then every device is tried alone. */
  async function commitOrSplit(inbox: Inbox): Promise<void> {
    try {
      await commitOnce(inbox);
    } catch (thrown) {
      const error = asSerinError(thrown);
      if (error.code !== 'INTERNAL') throw error;
      if (inbox.size > 1) {
        for (const [device, news] of inbox) await commitOrSplit(new Map([[device, news]]));
        return;
      }
      for (const device of inbox.keys()) refuse(device, 'MESSAGE_MALFORMED', error.detail?.slice(0, 200));
    }
  }

  async function commitOnce(inbox: Inbox): Promise<void> {
    await gauge.prepare(versionsIn(inbox));
    lastReceivedAt = Math.max(lastReceivedAt + 1, clock());
    const receivedAt = lastReceivedAt;
    const committed = await store.transaction((tx) =>
      commitInbox(tx, inbox, { receivedAt, memory, driftOf: (device, window) => gauge.driftOf(device, window), samplesPerModelMax }),
    );
    counts.commits++;
    counts.windowsInserted += committed.windowsInserted;
    remember(committed);
    for (const device of committed.stale) noteStale(device);
    if (committed.ignored > 0) quiet.say('ignored', (swallowed) => log.warn({ devices: committed.ignored, swallowed }, 'unknown or revoked devices ignored'));
    acknowledge(committed);
    for (const id of committed.devices) changes.tell({ type: 'device', id });
  }

  const remember = (committed: Committed): void => {
    for (const [device, ts] of committed.memory.statusTs) memory.statusTs.set(device, ts);
    if (memory.spans.size > spansMax) memory.spans.clear();
    for (const [key, span] of committed.memory.spans) memory.spans.set(key, span);
  };

  const acknowledge = ({ acknowledged }: Committed): void => {
    for (const [device, windows] of acknowledged) {
      for (let start = 0; start < windows.length; start += windowsPerBatchMax) {
        const bytes = encode('ack', { v: 1, windows: windows.slice(start, start + windowsPerBatchMax) as never });
        // Without it the device sends the windows again and they are acknowledged then.
        link.publish(down(device, 'ack'), bytes, { qos: 1 }).catch(() => undefined);
      }
    }
  };

  return {
    name: 'ingest',
    counts,
    accept,
    async settled() {
      while (!collector.isEmpty || committing !== undefined) {
        if (committing === undefined) schedule();
        await (committing ?? new Promise((resolve) => setTimeout(resolve, 5)));
      }
    },
    async start() {
      // Births and retained statuses tell who is here; what this says until then is from before.
      await store.transaction((tx) => tx.update(devices).set({ online: false }).where(eq(devices.online, true)));
      const [newest] = await selectRows<{ at: string | number | null }>(store.db, sql`select max(received_at) as at from windows`);
      lastReceivedAt = Number(newest?.at ?? 0);
      isStopped = false;
      unsubscribe = link.onMessage(accept);
    },
    async stop() {
      if (isStopped) return;
      unsubscribe();
      isStopped = true;
      clearTimeout(timer);
      timer = undefined;
      await committing;
      if (!collector.isEmpty) await commit();
    },
  };
}

function versionsIn(inbox: Inbox): Map<string, { model: string; version: number }> {
  const versions = new Map<string, { model: string; version: number }>();
  for (const { windows } of inbox.values()) for (const { model, version } of windows) versions.set(`${model} ${version}`, { model, version });
  return versions;
}
