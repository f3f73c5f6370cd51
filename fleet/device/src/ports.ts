import type { Digest } from '@serin/protocol/ids';
import type { BundleFile, Manifest, Variant } from '@serin/protocol/bundle/manifest';
import type { Golden } from '@serin/protocol/bundle/golden';
import type { Profile } from '@serin/protocol/bundle/profile';
import type { SignedDocument } from '@serin/protocol/bundle/signing';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import type { FrameShape } from '@serin/inference/image-statistics';
import type { DataRecord } from '@serin/inference/records';
import type { FrameSample, TelemetryWindow, Truth } from '@serin/protocol/messages/telemetry';
import type { MeasuredVariant, Reported } from '@serin/protocol/messages/reported';

/**
 * What a device needs of its platform. Every port has at least two real implementations
 * (agent: MQTT, disk, a process; browser: HTTPS, its caches, a worker; virtual: memory, in process)
 * and one contract suite in testing/.
 */

export interface Clock {
  /** Wall clock, for stamps. */
  now(): number;
  /** Monotonic, for durations. */
  elapsed(): number;
  /** Resolves early, without an error, when the signal fires. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** Events, not prose: what happened, with its fields. */
export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: Record<string, unknown>) => void;

export type Unsent<Message> = Omit<Message, 'v' | 'boot' | 'seq' | 'ts'>;

/** The control connection, at the level of meaning. It reconnects by itself; what must not be lost is kept by the caller. */
export interface ControlLink {
  start(handlers: ControlHandlers): Promise<void>;
  stop(): Promise<void>;
  /** Resolves once the broker (or server) has it; rejects when the connection is down. */
  report(message: Unsent<Reported>): Promise<void>;
  /** Hands a batch over. Acknowledgement comes later, through `acknowledged`. */
  sendWindows(windows: readonly TelemetryWindow[], dropped: number): Promise<void>;
  sendSample(sample: Unsent<FrameSample>): Promise<void>;
}

export interface ControlHandlers {
  desired(document: SignedDocument): void;
  acknowledged(windows: readonly (readonly [boot: string, seq: number])[]): void;
  /** True after (re)connecting: report again and send what waits. */
  connected(isConnected: boolean): void;
  /** The server asks for a fresh report (a command), or is a new one that knows nothing of this boot (`isNewServer`). */
  reportWanted(isNewServer: boolean): void;
}

/** Where bytes come from: MQTT chunks, HTTPS ranges. */
export interface BlobSource {
  /**
   * Fetches the chunks `wanted` of a blob, in any order, until all came or the signal fires.
   * Chunks may come twice; the sink checks each of them. Rejects with TRANSFER_* or BLOB_NOT_FOUND.
   */
  fetchChunks(
    blob: { digest: Digest; sizeBytes: number; chunkSize: number },
    wanted: readonly number[],
    sink: (index: number, bytes: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Content-addressed files of bundles. Nothing in it is trusted until its digest is checked. */
export interface BundleStore {
  has(digest: Digest): Promise<boolean>;
  read(digest: Digest): Promise<Uint8Array>;
  /** Opens or resumes a partial blob; tells which chunks survived. */
  openPart(digest: Digest, sizeBytes: number, chunkSize: number): Promise<BlobPart>;
  /** Everything stored, for the sweep; an adapter whose parts outlive a crash lists them too. */
  list(): Promise<Digest[]>;
  /** The blob and what there is of its part. */
  remove(digest: Digest): Promise<void>;
  freeBytes(): Promise<number>;
}

export interface BlobPart {
  /** Chunks that are surely on the medium, as bits. */
  bitmap: Uint8Array;
  write(index: number, bytes: Uint8Array): Promise<void>;
  /** Makes it durable under its digest after checking the whole; BUNDLE_DIGEST_MISMATCH removes the part. */
  finish(): Promise<void>;
  /** Keeps what is there for later. */
  close(): Promise<void>;
}

/** Small named documents (journal, keyset, last desired), replaced whole or not at all. Names are `[a-z0-9_-]`. */
export interface DocumentStore {
  read(name: string): Promise<string | undefined>;
  write(name: string, text: string): Promise<void>;
}

/** Telemetry windows waiting for their acknowledgement; bounded, oldest dropped first and counted. */
export interface Spool {
  /** Durable when it resolves. */
  append(window: TelemetryWindow): Promise<void>;
  /** The oldest windows, at most `limit`, without removing them. */
  peek(limit: number): Promise<TelemetryWindow[]>;
  acknowledge(windows: readonly (readonly [boot: string, seq: number])[]): Promise<void>;
  waiting(): number;
  dropped(): number;
}

/** A verified bundle, as the runner needs it. */
export interface LoadableBundle {
  /** Of the signed manifest: the name of the bundle everywhere. */
  digest: Digest;
  manifest: Manifest;
  variant: Variant;
  model: BundleFile;
  modelBytes: () => Promise<Uint8Array>;
  golden: Golden | undefined;
  profile: Profile | undefined;
  /** Of models that answer records. */
  preprocessing?: Preprocessing | undefined;
  /** Trees, for the reasons of an answer. */
  explainer?: Uint8Array | undefined;
}

export interface WarmReport {
  /** The one that is loaded. */
  variant: Variant;
  /** All that were tried, this one among them. */
  measured: readonly MeasuredVariant[];
}

export interface RunnerSettings {
  windowMs: number;
  samplesPerWindow: number;
}

/** Whatever runs frames through models: a child process, a worker, this very thread. */
export interface Runner {
  start(handlers: RunnerHandlers): Promise<void>;
  stop(): Promise<void>;
  /**
   * Loads beside what serves, runs the golden vectors, measures. Of several variants of one bundle the best stays loaded.
   * Rejects with MODEL_LOAD_FAILED, GOLDEN_MISMATCH.
   */
  warm(...variants: readonly LoadableBundle[]): Promise<WarmReport>;
  /** From the next frame on this bundle answers; the one before stays loaded until dropped. */
  activate(digest: Digest): Promise<void>;
  drop(digest: Digest): Promise<void>;
  /** Asks the model in service about one record. Rejects with NOT_FOUND, and BAD_REQUEST for what cannot be a record of it. */
  ask(model: string, record: DataRecord, options?: AskOptions): Promise<RecordReply>;
  configure(settings: RunnerSettings): void;
}

export interface AskOptions {
  /** So many columns that made the answer what it is; none unless asked for, and only where the bundle can tell. */
  reasons?: number;
}

export interface RecordReply {
  model: string;
  version: number;
  /** Of the label; undefined for a value. */
  label: string | undefined;
  confidence: number | undefined;
  value: number | undefined;
  probabilities: readonly number[];
  reasons: readonly RecordReason[];
  /** Fields of the record that the model does not know: a misspelt one is a missing one. */
  unread: readonly string[];
  ms: number;
}

/** What one column, or one word, did to the answer: in log-odds of its label, or in what the value is. Above 0 it speaks for it. */
export interface RecordReason {
  name: string;
  /** As the record had it. */
  given: string | undefined;
  contribution: number;
}

export type RawWindow = Omit<TelemetryWindow, 'boot' | 'seq'>;

export interface RunnerHandlers {
  /** A window is over. */
  window(window: RawWindow): void;
  sample(sample: Unsent<FrameSample>): void;
  /** It crashed, was started again, and has nothing loaded any more. */
  restarted(code: string, detail: string): void;
}

/** One opened model. `run` never throws for odd pixels: it answers with what the model said. */
export interface EngineSession {
  run(inputs: Record<string, EngineTensor>): Promise<Record<string, EngineTensor>>;
  close(): Promise<void>;
}

export interface EngineTensor {
  dtype: string;
  shape: readonly number[];
  data: Uint8Array | Float32Array | Int32Array | BigInt64Array | Int8Array;
}

/** ONNX Runtime for Node, or for the web. */
export interface Engine {
  readonly name: string;
  open(model: Uint8Array): Promise<EngineSession>;
}

/** A frame with the time it was taken and, where the source knows it, what is really on it. */
export interface Frame {
  pixels: Uint8Array;
  /** On the monotonic clock (`Clock.elapsed`). */
  capturedAt: number;
  truth?: Truth;
}

/** A camera, real or rendered: `next` gives the newest frame, waiting for one if need be. */
export interface FrameSource {
  readonly description: string;
  readonly synthetic: boolean;
  readonly shape: FrameShape;
  next(signal: AbortSignal): Promise<Frame | undefined>;
  /** Frames passed over because nobody asked in time, since the last call. */
  takeSkipped(): number;
  close(): Promise<void>;
}
