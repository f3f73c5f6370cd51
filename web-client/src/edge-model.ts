import { asSerinError, SerinError } from '@serin/protocol/errors';
import { takesRecords, type BundleFile, type Manifest, type Variant } from '@serin/protocol/bundle/manifest';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import type { Profile } from '@serin/protocol/bundle/profile';
import type { MeasuredVariant } from '@serin/protocol/messages/reported';
import type { Digest, KeyId } from '@serin/protocol/ids';
import type { CandidateRule } from '@serin/device/candidates';
import type { AskOptions, Clock, EngineSession, LoadableBundle, RecordReply } from '@serin/device/ports';
import type { RecordAnswerer } from '@serin/device/record-answerer';
import type { DataRecord } from '@serin/inference/records';
import { readProbabilities, type Classification } from '@serin/inference/postprocess';
import { openBestVariant, type BestVariant } from './best-variant.ts';
import { browserClock } from './browser-clock.ts';
import { browserScope, chooseBackend, requireVerification, type BrowserScope } from './capabilities.ts';
import { openChannel, type VerifiedChannel } from './channel.ts';
import { HttpBlobSource } from './http-blob-source.ts';
import { openBlobStorage } from './blob-store.ts';
import { WorkerEngine } from './worker-engine.ts';

export const loadPhases = ['download', 'verify', 'compile', 'warm-up'] as const;
export type LoadPhase = (typeof loadPhases)[number];

export interface LoadProgress {
  phase: LoadPhase;
  /** Bytes while downloading, steps otherwise. */
  done: number;
  total: number;
}

export interface EdgeModelOptions {
  /** Origin of the control plane, or of a proxy before it. */
  url: string;
  model: string;
  /** Folder with ONNX Runtime's files, on the page's own origin. */
  runtimeUrl: string;
  /** Key id of the root the page was given beforehand. */
  rootKeyId?: string;
  fetch?: typeof globalThis.fetch;
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
  createWorker?: () => Worker;
  scope?: BrowserScope;
  /** Which variants are tried, and how much is fetched for it. */
  candidates?: Partial<CandidateRule>;
  clock?: Pick<Clock, 'now' | 'elapsed'>;
}

export interface EdgeModelInfo {
  model: string;
  version: number;
  labels: readonly string[];
  variant: Variant;
  /** What was measured here of all that were tried, this one among them. */
  measured: readonly MeasuredVariant[];
  manifestDigest: Digest;
  keysetVersion: number;
  rootKeyId: KeyId;
  rootIsPinned: boolean;
  releaseKeyId: KeyId;
  files: readonly BundleFile[];
  bundleBytes: number;
  bytesFetched: number;
  storage: 'cache' | 'memory';
  storageReason: string;
  backend: string;
  backendReason: string;
  goldenMaxDifference: number;
  goldenTolerance: number;
  /** Of outputs that have one of their own. */
  goldenTolerances: Readonly<Record<string, number>>;
  loadMs: number;
  p50Ms: number;
}

export interface Prediction extends Classification {
  /** The label in words; undefined when the output was not finite. */
  name: string | undefined;
  probabilities: Float32Array;
  ms: number;
  version: number;
  backend: string;
}

const bundledWorker = (): Worker => new Worker(new URL('./engine-worker.ts', import.meta.url), { type: 'module', name: 'serin inference' });

interface Parts {
  info: EdgeModelInfo;
  manifest: Manifest;
  bundle: LoadableBundle;
  session: EngineSession;
  engine: WorkerEngine;
  elapsed: () => number;
}

/** A model of the fleet in this page: verified here, run in a worker, silent until its golden vectors held. */
export class EdgeModel {
  readonly info: EdgeModelInfo;
  readonly manifest: Manifest;
  readonly profile: Profile | undefined;
  /** Of a model that answers records: what they are made of. */
  readonly preprocessing: Preprocessing | undefined;
  readonly session: EngineSession;
  readonly #engine: WorkerEngine;
  readonly #elapsed: () => number;
  readonly #bundle: LoadableBundle;
  #answerer: RecordAnswerer | undefined;

  private constructor({ info, manifest, bundle, session, engine, elapsed }: Parts) {
    this.info = info;
    this.manifest = manifest;
    this.profile = bundle.profile;
    this.preprocessing = bundle.preprocessing;
    this.#bundle = bundle;
    this.session = session;
    this.#engine = engine;
    this.#elapsed = elapsed;
  }

  /** Rejects with a coded error when anything does not hold; then nothing was started and nothing runs. */
  static async load(options: EdgeModelOptions): Promise<EdgeModel> {
    const { url, model, runtimeUrl, rootKeyId, scope = browserScope(), createWorker = bundledWorker, clock = browserClock } = options;
    const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    const signal = options.signal ?? new AbortController().signal;
    const onProgress = (phase: LoadPhase, done: number, total: number): void => options.onProgress?.({ phase, done, total });

    await requireVerification(scope);
    const channel = await openChannel({ url, model, fetch, signal, now: clock.now, ...(rootKeyId === undefined ? {} : { rootKeyId }) });
    const { store, documents, ...storage } = await openBlobStorage(channel.manifest.model);
    const backend = chooseBackend(scope);
    let engine: WorkerEngine | undefined;
    const startEngine = (): WorkerEngine => (engine ??= new WorkerEngine({ worker: createWorker(), runtimeUrl, threads: backend.threads }));
    const onAbort = (): void => engine?.stop();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const source = new HttpBlobSource({ baseUrl: url, fetch });
      const parts = { channel, storage: { store, documents }, source, backend, rule: options.candidates, startEngine, clock, signal, onProgress };
      const best = await openBestVariant(parts);
      const info = { ...describe(channel, best), ...storage, backend: startEngine().name, backendReason: backend.reason };
      return new EdgeModel({ info, manifest: channel.manifest, bundle: best.bundle, session: best.session, engine: startEngine(), elapsed: clock.elapsed });
    } catch (thrown) {
      engine?.stop();
      throw signal.aborted ? thrown : asSerinError(thrown);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** One frame, in the layout the manifest declares. */
  async run(pixels: Uint8Array): Promise<Prediction> {
    const [input] = this.manifest.inputs;
    const [output] = this.manifest.outputs;
    if (input === undefined || output === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'no inputs or outputs' });
    const shape = input.shape.map((size) => (size === -1 ? 1 : size));
    const wanted = shape.reduce((product, size) => product * size, 1);
    if (pixels.length !== wanted) throw new SerinError('BAD_REQUEST', { detail: `a frame has ${wanted} bytes (${shape.join(' x ')}), got ${pixels.length}` });
    const began = this.#elapsed();
    const outputs = await this.session.run({ [input.name]: { dtype: input.dtype, shape, data: pixels } });
    const ms = this.#elapsed() - began;
    const probabilities = outputs[output.name]?.data;
    if (!(probabilities instanceof Float32Array)) throw new SerinError('MODEL_UNSUPPORTED', { detail: `output ${output.name} is not float32` });
    const answer = readProbabilities(probabilities);
    return { ...answer, name: this.info.labels[answer.label], probabilities, ms, version: this.info.version, backend: this.info.backend };
  }

  /** One record of a model of tables or texts, prepared in this page as every device prepares it. */
  async ask(record: DataRecord, options: AskOptions = {}): Promise<RecordReply> {
    if (!takesRecords(this.manifest)) throw new SerinError('BAD_REQUEST', { detail: `${this.info.model} answers frames`, hint: 'Call run() with the pixels' });
    // Pages with cameras never fetch what reads tables and texts.
    const { RecordAnswerer } = await import('@serin/device/record-answerer');
    this.#answerer ??= new RecordAnswerer({
      manifest: this.manifest,
      preprocessing: this.#bundle.preprocessing,
      explainer: this.#bundle.explainer,
      session: this.session,
    });
    const prepared = this.#answerer.prepare(record);
    const began = this.#elapsed();
    const answer = await this.#answerer.answer(prepared);
    return this.#answerer.reply(record, prepared, answer, this.#elapsed() - began, options);
  }

  close(): void {
    this.#engine.stop();
  }
}

const describe = (channel: VerifiedChannel, { bundle, report, fetched }: BestVariant) => {
  const figures = report.measured.find(({ variant }) => variant === report.variant);
  return {
    model: channel.manifest.model,
    version: channel.manifest.version,
    labels: channel.manifest.labels,
    variant: bundle.variant,
    measured: report.measured,
    manifestDigest: channel.manifestDigest,
    keysetVersion: channel.keyset.version,
    rootKeyId: channel.rootKeyId,
    rootIsPinned: channel.rootIsPinned,
    releaseKeyId: channel.releaseKeyId,
    files: fetched.files,
    bundleBytes: fetched.sizeBytes,
    bytesFetched: fetched.bytesFetched,
    goldenTolerance: bundle.golden?.tolerance ?? 0,
    goldenTolerances: bundle.golden?.tolerances ?? {},
    goldenMaxDifference: figures?.goldenDifference ?? 0,
    loadMs: figures?.loadMs ?? 0,
    p50Ms: figures?.p50Ms ?? 0,
  };
};
