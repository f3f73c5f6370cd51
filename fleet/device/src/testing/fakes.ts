import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import type { SignedDocument } from '@serin/protocol/bundle/signing';
import type { Variant } from '@serin/protocol/bundle/manifest';
import type { MeasuredVariant, Reported } from '@serin/protocol/messages/reported';
import type { TelemetryWindow, WindowCounters } from '@serin/protocol/messages/telemetry';
import { bestOf } from '../candidates.ts';
import type { BlobSource, Clock, ControlHandlers, ControlLink, LoadableBundle, Runner, RunnerHandlers, Unsent } from '../ports.ts';
import { testNow } from './test-fleet.ts';

/** Time that passes only when everybody waits for it: minutes of backoff cost nothing, and the order of events stays true. */
export interface VirtualClock extends Clock {
  /** Ends time: nobody who sleeps is woken any more. */
  stop(): void;
}

interface Sleeper {
  at: number;
  wake: () => void;
}

/** A turn of the event loop, so that what is already under way goes first. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
/** Signatures and digests are worked out beside the event loop. */
const quietTurns = 3;

export function createVirtualClock(): VirtualClock {
  let elapsed = 0;
  let isTicking = false;
  let isStopped = false;
  const sleepers = new Set<Sleeper>();

  async function tick(): Promise<void> {
    if (isTicking) return;
    isTicking = true;
    while (sleepers.size > 0 && !isStopped) {
      for (let index = 0; index < quietTurns; index++) await turn();
      const next = [...sleepers].toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || isStopped) break;
      sleepers.delete(next);
      elapsed = Math.max(elapsed, next.at);
      next.wake();
    }
    isTicking = false;
  }

  return {
    now: () => testNow + 1_000_000 + elapsed,
    elapsed: () => elapsed,
    sleep: (durationMs, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const sleeper: Sleeper = {
          at: elapsed + Math.max(0, durationMs),
          wake: () => {
            signal?.removeEventListener('abort', abort);
            resolve();
          },
        };
        const abort = (): void => {
          sleepers.delete(sleeper);
          resolve();
        };
        signal?.addEventListener('abort', abort, { once: true });
        sleepers.add(sleeper);
        void tick();
      }),
    stop() {
      isStopped = true;
      sleepers.clear();
    },
  };
}

type WarmFault = 'MODEL_LOAD_FAILED' | 'GOLDEN_MISMATCH' | 'INFERENCE_CRASHED';

/** What a version does when it is loaded or runs. */
export interface Behaviour {
  warm?: WarmFault;
  /** Of single variants: how fast they are, else a millisecond, or what goes wrong with them. */
  variants?: Partial<Record<Variant, number | WarmFault>>;
  /** Per window of five frames. */
  counters?: Partial<WindowCounters>;
  isSilent?: boolean;
  /** The runner dies this long after it was activated. */
  crashesAfterMs?: number;
}

export const windowOf = (bundle: LoadableBundle, from: number, counters: Partial<WindowCounters> = {}): Omit<TelemetryWindow, 'boot' | 'seq'> => ({
  model: bundle.manifest.model,
  version: bundle.manifest.version,
  manifest: bundle.digest,
  from,
  to: from + 1000,
  counters: { frames: 5, run: 5, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0, ...counters },
  latencyMs: { alpha: 0.01, offset: 0, counts: [5], zero: 0, count: 5, sum: 5, min: 1, max: 1 },
  statistics: [],
  labels: [1, 1, 1, 1, 1],
});

export interface FakeRunner extends Runner {
  /** What answers now, by model. */
  readonly active: Map<string, LoadableBundle>;
  /** Every version that ever answered, in order. */
  readonly history: number[];
  /** What was warmed, in order: the variants of a bundle that were tried together. */
  readonly tried: Variant[][];
  crash(): void;
}

/** A runner without models: it says what the behaviour of a version makes it say. */
export function createFakeRunner(clock: Clock, behaviourOf: (version: number) => Behaviour): FakeRunner {
  const loaded = new Map<Digest, LoadableBundle>();
  const active = new Map<string, LoadableBundle>();
  const history: number[] = [];
  const tried: Variant[][] = [];
  const stopping = new AbortController();
  let handlers: RunnerHandlers | undefined;

  const crash = (): void => {
    loaded.clear();
    active.clear();
    handlers?.restarted('INFERENCE_CRASHED', 'it ended by itself');
  };
  const emit = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const from = clock.now();
      await clock.sleep(1000, stopping.signal);
      for (const bundle of active.values()) {
        const { isSilent = false, counters } = behaviourOf(bundle.manifest.version);
        if (!isSilent && !stopping.signal.aborted) handlers?.window(windowOf(bundle, from, counters));
      }
    }
  };

  return {
    active,
    history,
    tried,
    crash,
    async start(given) {
      handlers = given;
      void emit();
    },
    async stop() {
      stopping.abort();
      handlers = undefined;
    },
    async warm(...bundles) {
      const measured: MeasuredVariant[] = [];
      tried.push(bundles.map(({ variant }) => variant));
      for (const { manifest, variant, model, modelBytes } of bundles) {
        const { warm, variants = {} } = behaviourOf(manifest.version);
        const found = warm ?? variants[variant] ?? 1;
        await modelBytes();
        if (found === 'INFERENCE_CRASHED') {
          crash();
          throw new SerinError(found, { detail: `version ${manifest.version}` });
        }
        measured.push({ variant, bytes: model.size, ...(typeof found === 'number' ? { p50Ms: found, p90Ms: found } : { code: found }) });
      }
      const best = bundles.find(({ variant }) => variant === bestOf(measured));
      if (best === undefined) throw new SerinError(measured[0]?.code as WarmFault, { detail: `version ${bundles[0]?.manifest.version}` });
      loaded.set(best.digest, best);
      return { variant: best.variant, measured };
    },
    async activate(digest) {
      const bundle = loaded.get(digest);
      if (bundle === undefined) throw new SerinError('NOT_FOUND', { detail: digest });
      const { model, version } = bundle.manifest;
      if (active.get(model)?.digest === digest) return;
      active.set(model, bundle);
      history.push(version);
      const { crashesAfterMs } = behaviourOf(version);
      if (crashesAfterMs !== undefined) void clock.sleep(crashesAfterMs, stopping.signal).then(() => active.get(model)?.digest === digest && crash());
    },
    async drop(digest) {
      loaded.delete(digest);
      for (const [model, bundle] of active) if (bundle.digest === digest) active.delete(model);
    },
    async ask(model) {
      throw new SerinError('NOT_FOUND', { detail: model });
    },
    configure() {},
  };
}

export interface FakeLink extends ControlLink {
  /** Everything reported, oldest first. */
  readonly reports: Unsent<Reported>[];
  readonly received: Map<string, TelemetryWindow>;
  /** Delivered now, and again at every connection, as a retained message is. */
  deliver(document: SignedDocument): void;
  connect(isConnected: boolean): void;
  newServer(): void;
  /** How acknowledgements are handled; by default all at once. */
  acknowledges: boolean;
}

/** The server's end of a control connection, in memory. */
export function createFakeLink(): FakeLink {
  const reports: Unsent<Reported>[] = [];
  const received = new Map<string, TelemetryWindow>();
  let handlers: ControlHandlers | undefined;
  let retained: SignedDocument | undefined;
  let isUp = true;
  const requireUp = (): void => {
    if (!isUp) throw new SerinError('BROKER_UNREACHABLE', { detail: 'not connected' });
  };
  const link: FakeLink = {
    reports,
    received,
    acknowledges: true,
    async start(given) {
      handlers = given;
      if (!isUp) return;
      given.connected(true);
      if (retained !== undefined) given.desired(retained);
    },
    async stop() {
      handlers = undefined;
    },
    async report(message) {
      requireUp();
      reports.push(structuredClone(message));
    },
    async sendWindows(windows) {
      requireUp();
      for (const window of windows) received.set(`${window.boot}/${window.seq}`, window);
      if (link.acknowledges) handlers?.acknowledged(windows.map(({ boot, seq }) => [boot, seq] as const));
    },
    async sendSample() {
      requireUp();
    },
    deliver(document) {
      retained = document;
      if (isUp) handlers?.desired(document);
    },
    connect(isConnected) {
      isUp = isConnected;
      handlers?.connected(isConnected);
      if (isConnected && retained !== undefined) handlers?.desired(retained);
    },
    newServer: () => handlers?.reportWanted(true),
  };
  return link;
}

export interface FakeSource extends BlobSource {
  /** Payload bytes that were sent. */
  sentBytes: number;
  /** Every chunk passes through it; undefined loses the chunk. */
  tamper: (digest: Digest, index: number, bytes: Uint8Array) => Uint8Array | undefined;
  /** Rejects the next requests with TRANSFER_STALLED. */
  stalls: number;
}

export function createFakeSource(blobs: ReadonlyMap<Digest, Uint8Array>): FakeSource {
  const source: FakeSource = {
    sentBytes: 0,
    stalls: 0,
    tamper: (_digest, _index, bytes) => bytes,
    async fetchChunks({ digest, chunkSize }, wanted, sink, signal) {
      if (source.stalls > 0) {
        source.stalls--;
        throw new SerinError('TRANSFER_STALLED', { detail: digest });
      }
      const blob = blobs.get(digest);
      if (blob === undefined) throw new SerinError('BLOB_NOT_FOUND', { detail: digest });
      for (const index of wanted) {
        signal.throwIfAborted();
        const bytes = source.tamper(digest, index, blob.slice(index * chunkSize, (index + 1) * chunkSize));
        if (bytes === undefined) continue;
        source.sentBytes += bytes.length;
        await sink(index, bytes);
      }
    },
  };
  return source;
}
