import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { BootId, DeviceId, Digest, FleetId } from '@serin/protocol/ids';
import { signedDocument, type SignedDocument } from '@serin/protocol/bundle/signing';
import { openDesired, type Desired } from '@serin/protocol/messages/desired';
import type { Reported } from '@serin/protocol/messages/reported';
import type { FrameSample } from '@serin/protocol/messages/telemetry';
import { usualCandidates, type CandidateRule, type Target } from './candidates.ts';
import { Keyring, peekKeyset, type KeysetPointer } from './keyring.ts';
import { Latch } from './latch.ts';
import type { BlobSource, BundleStore, Clock, ControlLink, DocumentStore, Log, RawWindow, Runner, RunnerSettings, Spool, Unsent } from './ports.ts';
import { compareRevision } from './reconcile.ts';
import { Reporter } from './reporter.ts';
import { blobsInUse, parseJson, SlotBook } from './slots.ts';
import { fetchWhole } from './update/bundle-fetch.ts';
import type { ProbationRule } from './update/probation.ts';
import { Updater, type Order } from './update/updater.ts';
import { Upload } from './upload.ts';

export interface DeviceSettings {
  /** Clean frames that prove a new version on this device. */
  probationFrames: number;
  /** After this a single one will do. */
  probationMs: number;
  /** Without any by then the device goes back. */
  probationLimitMs: number;
  /** Length of windows while a version is on trial, where they are not shorter anyway. */
  trialWindowMs: number;
  reportIntervalMs: number;
  progressIntervalMs: number;
  /** A batch of telemetry that nobody acknowledged is sent again after this. */
  resendMs: number;
}

export const defaultDeviceSettings: DeviceSettings = {
  probationFrames: 20,
  probationMs: 10_000,
  probationLimitMs: 600_000,
  trialWindowMs: 1_000,
  reportIntervalMs: 200,
  progressIntervalMs: 1_000,
  resendMs: 15_000,
};

export interface DeviceParts {
  self: { fleet: FleetId; device: DeviceId };
  boot: BootId;
  /** The keyset of the join. */
  keyset: SignedDocument;
  link: ControlLink;
  source: BlobSource;
  store: BundleStore;
  documents: DocumentStore;
  spool: Spool;
  runner: Runner;
  clock: Clock;
  random: () => number;
  /** What would run the models. */
  target: Target;
  candidates?: CandidateRule;
  agentVersion: string;
  log: Log;
  settings?: Partial<DeviceSettings>;
}

const orderDocument = 'desired';
const samplesUnderWayMax = 4;
const quietMs = 60_000;

/** A device of the fleet, whatever it runs on: orders come in, models run, evidence goes out. */
export class Device {
  readonly #parts: DeviceParts;
  readonly #settings: DeviceSettings;
  readonly #slots: SlotBook;
  readonly #updaters = new Map<string, Updater>();
  readonly #reporter: Reporter;
  readonly #upload: Upload;
  readonly #warned = new Map<string, { at: number; swallowed: number }>();
  readonly #orders = new Latch();
  readonly #stopping = new AbortController();
  #keyring: Keyring | undefined;
  #known: Desired | undefined;
  #newest: SignedDocument | undefined;
  #fault: { code: string; detail: string } | undefined;
  #taking: Promise<void> | undefined;
  #appending: Promise<void> = Promise.resolve();
  #windows = 0;
  #configured: RunnerSettings | undefined;
  #samplesUnderWay = 0;

  constructor(parts: DeviceParts) {
    this.#parts = parts;
    this.#settings = { ...defaultDeviceSettings, ...parts.settings };
    this.#slots = new SlotBook(parts.documents);
    const { link, clock, spool, random, log } = parts;
    const { reportIntervalMs: intervalMs, progressIntervalMs, resendMs } = this.#settings;
    this.#reporter = new Reporter({ link, clock, compose: () => this.report(), intervalMs, progressIntervalMs });
    this.#upload = new Upload({ link, spool, clock, random, log, resendMs });
  }

  /** What runs, runs again before anybody is asked; then the connection is made. */
  async start(): Promise<void> {
    const { documents, keyset, self, runner, link } = this.#parts;
    this.#keyring = await Keyring.open(documents, keyset, self.fleet);
    if (!(await this.#slots.open())) this.#setFault({ code: 'JOURNAL_CORRUPT', detail: 'the pointers to the installed bundles' });
    await this.#recallOrder();
    await runner.start({
      window: (window) => this.#onWindow(window),
      sample: (sample) => this.#onSample(sample),
      restarted: (code, detail) => {
        this.#parts.log('error', 'inference restarted', { code, detail });
        for (const updater of this.#updaters.values()) updater.runnerRestarted(code, detail);
      },
    });
    this.#configureRunner();
    for (const model of this.#slots.models()) await this.#updaterOf(model);
    await this.#applyOrder();
    this.#reporter.start();
    this.#upload.start();
    this.#taking = this.#takeOrders();
    await link.start({
      desired: (document) => {
        this.#newest = document;
        this.#orders.wake();
      },
      acknowledged: (windows) => {
        this.#parts.log('info', 'telemetry acknowledged', { windows });
        this.#upload.acknowledged(windows).catch((error: unknown) => this.#note('telemetry not removed', error));
      },
      connected: (isConnected) => {
        this.#reporter.connected(isConnected);
        this.#upload.connected(isConnected);
        if (isConnected) this.#forgetPassingTroubles();
      },
      reportWanted: (isNewServer) => {
        if (isNewServer) this.#forgetPassingTroubles();
        this.#reporter.want();
      },
    });
  }

  /** Windows under way end in the spool; an update under way is taken up again at the next start. */
  async stop(): Promise<void> {
    const { runner, link } = this.#parts;
    this.#stopping.abort();
    this.#orders.wake();
    await this.#taking;
    await this.#upload.stop();
    await this.#reporter.stop();
    await Promise.all([...this.#updaters.values()].map((updater) => updater.stop()));
    await runner.stop();
    await this.#appending;
    await link.stop();
  }

  report(): Unsent<Reported> {
    const models = [...this.#updaters.values()]
      .map((updater) => updater.report())
      .filter(({ phase, active, last }) => phase !== 'IDLE' || active !== undefined || last !== undefined);
    const fault = this.#fault ?? [...this.#updaters.values()].find((updater) => updater.fault !== undefined)?.fault;
    return {
      rev: this.#known?.rev ?? 0,
      models: models.slice(0, 8),
      ...(fault === undefined ? {} : { error: { code: fault.code, detail: fault.detail.slice(0, 300) } }),
    };
  }

  get #trusted(): Keyring {
    if (this.#keyring === undefined) throw new SerinError('INTERNAL', { detail: 'the device was not started' });
    return this.#keyring;
  }

  #setFault(fault: { code: string; detail: string } | undefined): void {
    this.#fault = fault;
    this.#reporter.changed();
  }

  /** Once a minute for each event, with how often it was swallowed since. */
  #warnQuietly(event: string, fields: Record<string, unknown>): void {
    const at = this.#parts.clock.elapsed();
    const before = this.#warned.get(event);
    if (before !== undefined && at - before.at < quietMs) {
      before.swallowed++;
      return;
    }
    this.#warned.set(event, { at, swallowed: 0 });
    this.#parts.log('warn', event, { ...fields, swallowed: before?.swallowed ?? 0 });
  }

  #note(event: string, thrown: unknown): SerinError {
    const error = asSerinError(thrown);
    this.#parts.log('error', event, { code: error.code, detail: error.message });
    return error;
  }

  /** A clock that runs behind what was signed last is wrong. */
  #now(): number {
    return Math.max(this.#parts.clock.now(), this.#known?.issuedAt ?? 0);
  }

  #probation(): ProbationRule {
    const { probationFrames, probationMs, probationLimitMs } = this.#settings;
    return { frames: probationFrames, durationMs: probationMs, limitMs: probationLimitMs };
  }

  async #recallOrder(): Promise<void> {
    const { documents, self } = this.#parts;
    const document = parseJson(signedDocument, (await documents.read(orderDocument)) ?? '');
    if (document === undefined) return;
    // What cannot be verified any more is as good as none: what is installed runs on.
    this.#known = await openDesired(document, this.#trusted.keyset, self).catch(() => undefined);
  }

  async #takeOrders(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#orders.wait();
      const document = this.#newest;
      this.#newest = undefined;
      if (document === undefined || this.#stopping.signal.aborted) continue;
      try {
        await this.#takeOrder(document);
      } catch (thrown) {
        const { code, message, detail } = this.#note('order refused', thrown);
        this.#setFault({ code, detail: detail ?? message });
      }
    }
  }

  async #takeOrder(document: SignedDocument): Promise<void> {
    const order = await this.#openOrder(document);
    const revision = compareRevision(this.#known, order);
    if (revision === 'stale') {
      this.#warnQuietly('stale order ignored', { code: 'REVISION_STALE', rev: order.rev, known: this.#known?.rev });
      return;
    }
    // The same order signed again holds longer.
    const isRenewed = revision === 'same' && order.expires > (this.#known?.expires ?? 0);
    if (revision === 'newer' || isRenewed) {
      await this.#parts.documents.write(orderDocument, JSON.stringify(document));
      this.#known = order;
      this.#parts.log('info', 'order taken', { rev: order.rev, models: order.models.map(({ model, version }) => ({ model, version })) });
    }
    this.#setFault(undefined);
    await this.#advanceKeyset(order.keyset).catch((thrown: unknown) => {
      const { code, message } = this.#note('keyset refused', thrown);
      this.#setFault({ code, detail: message });
    });
    this.#configureRunner();
    await this.#applyOrder();
    this.#reporter.want();
  }

  /** Signed by the director of the present keyset, or of the next one if that proves itself. */
  async #openOrder(document: SignedDocument): Promise<Desired> {
    const { self } = this.#parts;
    try {
      return await openDesired(document, this.#trusted.keyset, self);
    } catch (thrown) {
      const named = peekKeyset(document);
      if (named?.version !== this.#trusted.keyset.version + 1) throw thrown;
      await this.#advanceKeyset(named);
      return openDesired(document, this.#trusted.keyset, self);
    }
  }

  async #advanceKeyset({ version, sha256, size }: KeysetPointer): Promise<void> {
    const present = this.#trusted.keyset.version;
    if (version <= present) return;
    if (version !== present + 1) throw new SerinError('KEYSET_ROLLBACK', { detail: `version ${version} after ${present}` });
    const { store, source, log } = this.#parts;
    await fetchWhole(sha256, size, { store, source, signal: this.#stopping.signal, spend: () => {}, progress: () => {} });
    const bytes = await store.read(sha256);
    await store.remove(sha256);
    await this.#trusted.accept(bytes);
    log('info', 'keyset accepted', { version });
  }

  #forgetPassingTroubles(): void {
    for (const updater of this.#updaters.values()) updater.forgetPassingTroubles();
  }

  /** While a version is on trial its windows are short, so that the trial is over soon. */
  #configureRunner(): void {
    if (this.#known === undefined) return;
    const { windowMs, samplesPerWindow } = this.#known.telemetry;
    const isOnTrial = [...this.#updaters.values()].some((updater) => updater.isOnTrial);
    const settings = { windowMs: isOnTrial ? Math.min(windowMs, this.#settings.trialWindowMs) : windowMs, samplesPerWindow };
    if (settings.windowMs === this.#configured?.windowMs && samplesPerWindow === this.#configured.samplesPerWindow) return;
    this.#configured = settings;
    this.#parts.runner.configure(settings);
  }

  async #applyOrder(): Promise<void> {
    const known = this.#known;
    if (known === undefined) return;
    const names = new Set<string>([...known.models.map(({ model }) => model), ...this.#updaters.keys()]);
    for (const name of names) {
      const order: Order = { wanted: known.models.find(({ model }) => model === name), issuedAt: known.issuedAt, expires: known.expires };
      (await this.#updaterOf(name)).want(order);
    }
  }

  async #updaterOf(model: string): Promise<Updater> {
    const present = this.#updaters.get(model);
    if (present !== undefined) return present;
    const { self, store, source, documents, runner, clock, random, target, candidates = usualCandidates, agentVersion, log } = this.#parts;
    const updater = new Updater({
      model,
      self,
      store,
      source,
      documents,
      slots: this.#slots,
      runner,
      clock,
      now: () => this.#now(),
      random,
      keyset: () => this.#trusted.keyset,
      target,
      candidates,
      agentVersion,
      probation: () => this.#probation(),
      log,
      changed: () => {
        this.#configureRunner();
        this.#reporter.changed();
      },
      settled: () => this.#sweep(),
    });
    this.#updaters.set(model, updater);
    await updater.start();
    return updater;
  }

  /** Removes what no pointer names; never while something is being fetched. */
  async #sweep(): Promise<void> {
    const { store } = this.#parts;
    const isFetching = (): boolean => [...this.#updaters.values()].some((updater) => updater.isBusy);
    try {
      const kept = new Set<Digest>(this.#slots.models().flatMap((model) => blobsInUse(this.#slots.get(model))));
      for (const digest of await store.list()) {
        if (isFetching()) return;
        if (!kept.has(digest)) await store.remove(digest);
      }
    } catch (error) {
      this.#note('sweep failed', error);
    }
  }

  #onWindow(window: RawWindow): void {
    const { boot, spool } = this.#parts;
    const numbered = { ...window, boot, seq: this.#windows++ };
    for (const updater of this.#updaters.values()) updater.window(window);
    this.#appending = this.#appending
      .then(() => spool.append(numbered))
      .then(() => this.#upload.wake())
      .catch((error: unknown) => void this.#note('telemetry window lost', error));
  }

  #onSample(sample: Unsent<FrameSample>): void {
    if (this.#samplesUnderWay >= samplesUnderWayMax) return;
    this.#samplesUnderWay++;
    // Samples are a favour: what does not go out now is not kept.
    this.#parts.link
      .sendSample(sample)
      .catch(() => {})
      .finally(() => this.#samplesUnderWay--);
  }
}
