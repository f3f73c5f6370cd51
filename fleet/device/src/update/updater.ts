import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { DeviceId, FleetId } from '@serin/protocol/ids';
import { compareVersions } from '@serin/protocol/version';
import { bundleSizeBytes, openManifest, takesFrames, type BundleChoice, type Manifest } from '@serin/protocol/bundle/manifest';
import type { Keyset } from '@serin/protocol/bundle/keyset';
import type { DesiredModel } from '@serin/protocol/messages/desired';
import type { ReportedModel } from '@serin/protocol/messages/reported';
import { candidatesFor, type CandidateRule, type Target } from '../candidates.ts';
import type { ChosenVariant } from '../chosen-variant.ts';
import type { BlobSource, BundleStore, Clock, DocumentStore, LoadableBundle, Log, RawWindow, Runner, WarmReport } from '../ports.ts';
import { planModel } from '../reconcile.ts';
import { commit, dropTrial, fallBack, setTrial, type Slot, type SlotBook } from '../slots.ts';
import { fetchWhole, type FetchParts } from './bundle-fetch.ts';
import { openInstalled, parseManifestDocument, readChecked, readVerifiedManifest, requireChoice, slotOf } from './bundle-files.ts';
import { bytesOf, fetchCandidates, filesOfAll, leftOutFigures, openCandidates, splitAfterCrashes } from './candidate-files.ts';
import { judgeProbation, type ProbationRule } from './probation.ts';
import { closeRecord, emptyRecord, forgetPassingDenials, readRecord, writeRecord, type UpdateRecord } from './record.ts';
import { startUpdate, stepUpdate } from './step.ts';
import type { UpdateEvent, UpdateState, UpdateTarget } from './states.ts';

export interface Order {
  wanted: DesiredModel | undefined;
  issuedAt: number;
  expires: number;
}

export interface UpdaterParts {
  model: string;
  self: { fleet: FleetId; device: DeviceId };
  store: BundleStore;
  source: BlobSource;
  documents: DocumentStore;
  slots: SlotBook;
  runner: Runner;
  clock: Clock;
  /** Wall clock that never runs behind the newest signed time seen. */
  now: () => number;
  random: () => number;
  keyset: () => Keyset;
  /** What would run the models, and which variants of them are tried. */
  target: Target;
  candidates: CandidateRule;
  agentVersion: string;
  probation: () => ProbationRule;
  log: Log;
  /** Something that a report tells has changed. */
  changed: () => void;
  /** An update is over: blobs may have become unused. The next one waits for it. */
  settled: () => Promise<void>;
}

const backoffMaxMs = 60_000;
/** Times the size of the bundle that one update may draw over the network. */
const byteBudgetFactor = 4;

/** Faults that say "this bundle is not what was ordered": final for the order. */
const refusals: ReadonlySet<string> = new Set([
  'SIGNATURE_INVALID',
  'BUNDLE_SIGNATURE_INVALID',
  'BUNDLE_DIGEST_MISMATCH',
  'BUNDLE_MANIFEST_INVALID',
  'BUNDLE_WRONG_FLEET',
  'BUNDLE_TOO_NEW',
  'BUNDLE_TOO_LARGE',
  'BUNDLE_NO_VARIANT',
  'METADATA_EXPIRED',
]);

/** Faults of what is stored here, found when it is read or loaded again. */
const damages: ReadonlySet<string> = new Set([
  'BUNDLE_DIGEST_MISMATCH',
  'BLOB_NOT_FOUND',
  'BUNDLE_MANIFEST_INVALID',
  'BUNDLE_NO_VARIANT',
  'MODEL_LOAD_FAILED',
  'GOLDEN_MISMATCH',
]);

/** The way is blocked for now; CONFLICT: another model is fetching a blob that both have. */
const delays: ReadonlySet<string> = new Set(['TRANSFER_STALLED', 'UNAVAILABLE', 'SERVER_UNREACHABLE', 'BROKER_UNREACHABLE', 'CONFLICT']);

interface Opened {
  digest: Slot['manifest'];
  manifest: Manifest;
  /** Never none, the most promising first. */
  candidates: readonly LoadableBundle[];
}

/** Brings one model to what is ordered, through the update table, one step after the other. */
export class Updater {
  readonly #parts: UpdaterParts;
  readonly model: string;
  #record: UpdateRecord = emptyRecord;
  #order: Order | undefined;
  #active: Slot | undefined;
  #loaded = new Set<string>();
  #opened: Opened | undefined;
  /** Of the inference process, while this bundle was warmed. */
  #crashes = 0;
  #fetchedBytes = 0;
  #spentBytes = 0;
  #bundleBytes = 1;
  #fault: { code: string; detail: string } | undefined;
  #complaint: string | undefined;
  #driving: Promise<void> | undefined;
  #isDirty = false;
  #attempt = new AbortController();
  readonly #stopping = new AbortController();
  #serving: Promise<void> = Promise.resolve();
  #trial = { run: 0, failed: 0, nonFinite: 0, beganAt: 0 };
  #verdict: ((event: UpdateEvent) => void) | undefined;

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
    this.model = parts.model;
  }

  get isOnTrial(): boolean {
    return this.#record.journal?.state === 'PROVISIONAL';
  }

  get isBusy(): boolean {
    return this.#record.journal !== undefined;
  }

  get fault(): { code: string; detail: string } | undefined {
    return this.#fault;
  }

  /** What committed and, after a power loss, the update that was under way. */
  async start(): Promise<void> {
    const { documents, log } = this.#parts;
    const record = await readRecord(documents, this.model);
    if (record === undefined) {
      this.#fault = { code: 'JOURNAL_CORRUPT', detail: `the update journal of ${this.model}` };
      log('error', 'journal corrupt', { model: this.model });
      await this.#parts.slots.update(this.model, dropTrial);
    }
    this.#record = forgetPassingDenials(record ?? emptyRecord);
    await this.#serveCommitted();
    if (this.#record.journal === undefined) return;
    await this.#apply({ kind: 'POWER_LOST' });
    this.#drive();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#attempt.abort();
    this.#verdict?.({ kind: 'SUPERSEDED' });
    await this.#driving;
    await this.#serving;
  }

  /** The newest order; an update about something else makes room for it. */
  want(order: Order): void {
    this.#order = order;
    this.#drive();
  }

  /** The server is a new one, or this device is: what failed for reasons of the way may be tried again. */
  forgetPassingTroubles(): void {
    this.#record = forgetPassingDenials(this.#record);
    this.#drive();
  }

  window(window: RawWindow): void {
    const journal = this.#record.journal;
    if (journal?.state !== 'PROVISIONAL' || window.manifest !== journal.target.manifest.sha256) return;
    this.#trial.run += window.counters.run;
    this.#trial.failed += window.counters.failed;
    this.#trial.nonFinite += window.counters.nonFinite;
    this.#judgeTrial();
  }

  #judgeTrial(): void {
    const { clock, probation } = this.#parts;
    const verdict = judgeProbation(this.#trial, clock.elapsed() - this.#trial.beganAt, probation());
    if (verdict !== undefined) this.#verdict?.(verdict);
  }

  /** The runner lost everything it had loaded. */
  runnerRestarted(code: string, detail: string): void {
    this.#loaded.clear();
    this.#active = undefined;
    this.#parts.changed();
    if (this.#record.journal?.state === 'PROVISIONAL') this.#verdict?.({ kind: 'CRASHED', code, detail });
    else void this.#serveCommitted().catch((error: unknown) => this.#parts.log('error', 'committed bundle does not load', { model: this.model, error }));
  }

  report(): ReportedModel {
    const { journal, last } = this.#record;
    const active = this.#active;
    return {
      model: this.model as ReportedModel['model'],
      phase: journal?.state ?? 'IDLE',
      ...(active === undefined ? {} : { active: runningOf(active) }),
      ...(journal === undefined
        ? {}
        : { target: { version: journal.target.version, manifest: journal.target.manifest.sha256, progress: this.#progress(journal.state) } }),
      ...(last === undefined ? {} : { last }),
    };
  }

  #progress(state: UpdateState): number {
    return state === 'DOWNLOADING' ? Math.min(1, this.#fetchedBytes / this.#bundleBytes) : 1;
  }

  #drive(): void {
    this.#isDirty = true;
    this.#driving ??= this.#run();
    const journal = this.#record.journal;
    if (journal !== undefined && this.#order !== undefined && this.#order.wanted?.manifest.sha256 !== journal.target.manifest.sha256) {
      this.#attempt.abort();
      this.#verdict?.({ kind: 'SUPERSEDED' });
    }
  }

  async #run(): Promise<void> {
    // Not within the call that started it: the caller goes on first.
    await Promise.resolve();
    while (!this.#stopping.signal.aborted) {
      try {
        if (this.#record.journal === undefined) {
          this.#isDirty = false;
          if (!(await this.#begin()) && !this.#isDirty) break;
        }
        const journal = this.#record.journal;
        if (journal === undefined) continue;
        const event = await this.#work(journal.state, journal.target);
        if (this.#stopping.signal.aborted) break;
        await this.#apply(event);
      } catch (thrown) {
        // The journal could not be written or the bundle has no room: nothing moved, the same step is taken again.
        const error = asSerinError(thrown);
        this.#fault = { code: error.code, detail: error.message.slice(0, 300) };
        this.#complain({ code: error.code, detail: error.message });
        this.#parts.changed();
        await this.#pause(3, this.#stopping.signal);
      }
    }
    // In the same turn as the last look at #isDirty: an order that comes now starts a new run.
    this.#driving = undefined;
  }

  /** A line for each cause: the step is taken again and again until it succeeds, and a disk may stay full for days. */
  #complain({ code, detail }: { code: string; detail: string }): void {
    const state = this.#record.journal?.state;
    const complaint = `${state} ${code}`;
    if (complaint !== this.#complaint) this.#parts.log('error', 'update step failed', { model: this.model, state, code, detail });
    this.#complaint = complaint;
  }

  /** Starts what the newest order asks for; false when there is nothing to do. */
  async #begin(): Promise<boolean> {
    const order = this.#order;
    if (order === undefined) return false;
    const { slots, store, log, now, keyset } = this.#parts;
    const own = slots.get(this.model);
    const plan = planModel({
      wanted: order.wanted,
      issuedAt: order.issuedAt,
      isExpired: Math.min(order.expires, keyset().expires) <= now(),
      slots: own,
      journal: undefined,
      denials: this.#record.denials,
      isPreviousStored: await hasAll(store, own.previous),
    });
    if (this.#order !== order) return true;
    if (plan.kind === 'retire') {
      await this.#retire();
      return true;
    }
    this.#noteHold(plan.kind === 'hold' ? plan.code : undefined, order);
    if (plan.kind !== 'install') return false;
    const seq = this.#record.seq + 1;
    const journal = startUpdate(seq, plan.target);
    const { last, ...kept } = this.#record;
    // How an earlier attempt at this version ended says nothing about this one.
    const isAgain = last?.version === plan.target.version;
    await this.#write({ ...kept, ...(last === undefined || isAgain ? {} : { last }), seq, journal });
    this.#attempt = new AbortController();
    this.#crashes = 0;
    this.#fetchedBytes = 0;
    this.#spentBytes = 0;
    this.#bundleBytes = plan.target.bundleBytes;
    log('info', 'update started', { model: this.model, version: plan.target.version, manifest: plan.target.manifest.sha256, isReturn: plan.target.isReturn });
    this.#parts.changed();
    return true;
  }

  #noteHold(code: string | undefined, order: Order): void {
    if (code === 'METADATA_EXPIRED') this.#fault = { code, detail: `version ${order.wanted?.version ?? 0} of ${this.model} is not installed` };
    else if (this.#fault?.code === 'METADATA_EXPIRED') this.#fault = undefined;
  }

  async #write(record: UpdateRecord): Promise<void> {
    await writeRecord(this.#parts.documents, this.model, record);
    if (record.journal?.state !== this.#record.journal?.state) this.#complaint = undefined;
    this.#record = record;
  }

  async #apply(event: UpdateEvent): Promise<void> {
    const journal = this.#record.journal;
    if (journal === undefined) return;
    const { clock, probation, log } = this.#parts;
    const { journal: next, end, mustWrite } = stepUpdate(journal, event, clock.now() + probation().limitMs);
    if (end !== undefined) {
      await this.#write(closeRecord(this.#record, journal, end));
      this.#opened = undefined;
      if (end.outcome === 'COMMITTED') this.#fault = undefined;
      const fields = { model: this.model, version: journal.target.version, outcome: end.outcome ?? 'SUPERSEDED', code: end.code, detail: end.detail };
      log(end.outcome === 'COMMITTED' || end.outcome === undefined ? 'info' : 'warn', 'update ended', fields);
      await this.#parts.settled();
    } else if (mustWrite) {
      await this.#write({ ...this.#record, journal: next });
      if (next.state !== journal.state) log('info', 'update', { model: this.model, version: next.target.version, state: next.state, code: event.code });
    }
    this.#parts.changed();
  }

  /** Does what a state is there for; everything that can go wrong comes back as an event. */
  async #work(state: UpdateState, target: UpdateTarget): Promise<UpdateEvent> {
    const signal = this.#attempt.signal;
    const isWayOut = state === 'COMMITTING' || state === 'ROLLING_BACK';
    if (signal.aborted && !isWayOut) return { kind: 'SUPERSEDED' };
    try {
      return await this.#workOn[state](target, signal);
    } catch (thrown) {
      if (signal.aborted && !isWayOut) return { kind: 'SUPERSEDED' };
      const error = asSerinError(thrown);
      // Space comes back: the order stands, and whoever gave it sees why it waits.
      if (state === 'DOWNLOADING' && error.code === 'DISK_FULL') throw error;
      const cause = { code: error.code, detail: error.detail ?? error.message };
      if (isWayOut) {
        this.#complain(cause);
        if (state === 'COMMITTING' && damages.has(error.code)) return { kind: 'DAMAGED', ...cause };
        await this.#pause(2, this.#stopping.signal);
        return { kind: 'FAULTED', ...cause };
      }
      return this.#eventOf(state, cause);
    }
  }

  async #eventOf(state: UpdateState, cause: { code: string; detail: string }): Promise<UpdateEvent> {
    if (state === 'PROVISIONAL') return cause.code === 'INFERENCE_CRASHED' ? { kind: 'CRASHED', ...cause } : { kind: 'FAULTED', ...cause };
    if (state === 'WARMUP' && cause.code === 'INFERENCE_CRASHED') {
      this.#crashes++;
      return { kind: 'CRASHED', ...cause };
    }
    if (state === 'DOWNLOADING' && delays.has(cause.code)) {
      await this.#pause(this.#record.journal?.attempts ?? 0, this.#attempt.signal);
      return { kind: 'STALLED', ...cause };
    }
    const isLocal = state === 'VERIFYING' || state === 'STAGED';
    if (isLocal && (cause.code === 'BUNDLE_DIGEST_MISMATCH' || cause.code === 'BLOB_NOT_FOUND')) return { kind: 'DAMAGED', ...cause };
    return { kind: refusals.has(cause.code) ? 'REFUSED' : 'FAULTED', ...cause };
  }

  async #pause(attempts: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    const durationMs = Math.min(backoffMaxMs, 500 * 2 ** attempts) * (0.5 + random());
    await clock.sleep(durationMs, signal);
  }

  readonly #workOn: Record<UpdateState, (target: UpdateTarget, signal: AbortSignal) => Promise<UpdateEvent>> = {
    DOWNLOADING: async (target, signal) => {
      const { store, source, log } = this.#parts;
      const budget = byteBudgetFactor * (target.bundleBytes + target.manifest.size) + 1024 * 1024;
      this.#fetchedBytes = 0;
      const parts: FetchParts = {
        store,
        source,
        signal,
        spend: (bytes) => {
          this.#spentBytes += bytes;
          if (this.#spentBytes > budget)
            throw new SerinError('TRANSFER_BUDGET_SPENT', { detail: `${this.#spentBytes} bytes for a bundle of ${target.bundleBytes}` });
        },
        progress: (bytes) => {
          this.#fetchedBytes += bytes;
          this.#parts.changed();
        },
      };
      await fetchWhole(target.manifest.sha256, target.manifest.size, { ...parts, progress: () => {} });
      const choices = this.#choices(target, await this.#openOrdered(target));
      this.#bundleBytes = bytesOf(filesOfAll(choices));
      await fetchCandidates(choices, parts, ({ variant }) =>
        log('warn', 'variant left out', { model: this.model, version: target.version, variant, code: 'DISK_FULL' }),
      );
      return { kind: 'FETCHED' };
    },
    VERIFYING: async (target) => {
      await this.#open(target);
      return { kind: 'VERIFIED' };
    },
    STAGED: () => Promise.resolve({ kind: 'INTACT' }),
    WARMUP: async (target) => {
      const { manifest, candidates } = await this.#open(target);
      const { tried, leftOut } = splitAfterCrashes(candidates, this.#crashes);
      const { variant, measured } = await this.#warm(...tried);
      const chosen = this.#chosenBefore(target) ?? { variant, measured: [...measured, ...leftOut.map(leftOutFigures)] };
      const hasTrial = !target.isReturn && takesFrames(manifest);
      return { kind: hasTrial ? 'WARMED' : 'WARMED_WITHOUT_TRIAL', chosen };
    },
    PROVISIONAL: async (target, signal) => {
      const { clock, runner, slots, probation } = this.#parts;
      const remainingMs = (this.#record.journal?.deadline ?? 0) - clock.now();
      if (remainingMs <= 0) return { kind: 'LATE', code: 'TRIAL_INTERRUPTED', detail: 'its time was over when the device came back' };
      const { bundle, slot } = await this.#openChosen(target);
      await slots.update(this.model, (own) => setTrial(own, slot));
      if (!this.#loaded.has(slot.manifest)) await this.#warm(bundle);
      const ended = new AbortController();
      const verdict = new Promise<UpdateEvent>((resolve) => {
        this.#trial = { run: 0, failed: 0, nonFinite: 0, beganAt: clock.elapsed() };
        this.#verdict = resolve;
      });
      const over = AbortSignal.any([signal, ended.signal]);
      // Windows bring the verdict; this one is for a camera that is slow.
      void clock.sleep(probation().durationMs, over).then(() => over.aborted || this.#judgeTrial());
      const late = clock
        .sleep(remainingMs, over)
        .then((): UpdateEvent => (signal.aborted ? { kind: 'SUPERSEDED' } : { kind: 'LATE', detail: 'no frame in the time of the probation' }));
      try {
        await runner.activate(slot.manifest);
        this.#setActive(slot);
        return await Promise.race([verdict, late]);
      } finally {
        this.#verdict = undefined;
        ended.abort();
      }
    },
    COMMITTING: async (target) => {
      const { slots, runner } = this.#parts;
      const { bundle, slot } = await this.#openChosen(target);
      const before = slots.get(this.model).committed;
      await slots.update(this.model, (own) => commit(own, slot));
      if (!this.#loaded.has(slot.manifest)) await this.#warm(bundle);
      await runner.activate(slot.manifest);
      this.#setActive(slot);
      if (before !== undefined && before.manifest !== slot.manifest) await this.#drop(before.manifest);
      return { kind: 'COMMITTED' };
    },
    ROLLING_BACK: async (target) => {
      const { slots } = this.#parts;
      await this.#serveCommitted();
      const { committed } = slots.get(this.model);
      if (committed?.manifest !== target.manifest.sha256) await this.#drop(target.manifest.sha256);
      if (committed === undefined) this.#setActive(undefined);
      await slots.update(this.model, dropTrial);
      return { kind: 'DROPPED' };
    },
  };

  /** The manifest as ordered by the director and signed by a release key. */
  async #openOrdered(target: UpdateTarget): Promise<Manifest> {
    const { store, keyset, self, agentVersion, now } = this.#parts;
    const keys = keyset();
    if (keys.expires <= now()) throw new SerinError('METADATA_EXPIRED', { detail: `keyset version ${keys.version}` });
    const bytes = await readChecked(store, target.manifest.sha256);
    const manifest = await openManifest(parseManifestDocument(bytes), keys, { fleet: self.fleet, model: this.model, version: target.version });
    if (compareVersions(manifest.minAgent, agentVersion) > 0)
      throw new SerinError('BUNDLE_TOO_NEW', { detail: `needs ${manifest.minAgent}, this is ${agentVersion}` });
    const bytesSaid = bundleSizeBytes(manifest);
    if (bytesSaid > target.bundleBytes) throw new SerinError('BUNDLE_TOO_LARGE', { detail: `${bytesSaid} bytes, ordered were ${target.bundleBytes}` });
    return manifest;
  }

  /** Everything of the target read and checked once, kept while its update lasts. A trial does not end because a signature expired meanwhile. */
  async #open(target: UpdateTarget, verifiedBefore?: typeof readVerifiedManifest): Promise<Opened> {
    const digest = target.manifest.sha256;
    if (this.#opened?.digest === digest) return this.#opened;
    const { store } = this.#parts;
    const manifest = await (verifiedBefore?.(store, digest) ?? this.#openOrdered(target));
    this.#opened = { digest, manifest, candidates: await openCandidates(store, digest, manifest, this.#choices(target, manifest)) };
    return this.#opened;
  }

  /** What WARMUP decided, now or before a power loss. */
  async #openChosen(target: UpdateTarget): Promise<{ bundle: LoadableBundle; slot: Slot }> {
    const { digest, manifest, candidates } = await this.#open(target, readVerifiedManifest);
    const chosen = this.#chosenBefore(target);
    const bundle = candidates.find(({ variant }) => variant === chosen?.variant) ?? candidates[0];
    if (bundle === undefined) throw new SerinError('BUNDLE_NO_VARIANT', { detail: `${chosen?.variant} of ${digest}` });
    return { bundle, slot: slotOf(digest, manifest, requireChoice(manifest, bundle.variant), chosen?.measured) };
  }

  /** From the journal, or from when the same bundle was installed here: what was measured is not measured again. */
  #chosenBefore({ manifest: { sha256 } }: UpdateTarget): ChosenVariant | undefined {
    const { chosen } = this.#record.journal ?? {};
    if (chosen !== undefined) return chosen;
    const { committed, trial, previous } = this.#parts.slots.get(this.model);
    const slot = [committed, trial, previous].find((one) => one?.manifest === sha256);
    return slot === undefined ? undefined : { variant: slot.variant, measured: slot.measured ?? [] };
  }

  #choices(target: UpdateTarget, manifest: Manifest): BundleChoice[] {
    const chosen = this.#chosenBefore(target);
    return chosen === undefined ? candidatesFor(this.#parts.target, manifest, this.#parts.candidates) : [requireChoice(manifest, chosen.variant)];
  }

  async #warm(...variants: readonly LoadableBundle[]): Promise<WarmReport> {
    const report = await this.#parts.runner.warm(...variants);
    for (const { digest } of variants) this.#loaded.add(digest);
    this.#parts.log('info', 'bundle warmed', { model: this.model, version: variants[0]?.manifest.version, ...report });
    return report;
  }

  #setActive(slot: Slot | undefined): void {
    if (this.#active?.manifest !== slot?.manifest && slot !== undefined)
      this.#parts.log('info', 'bundle activated', { model: this.model, version: slot.version, manifest: slot.manifest });
    this.#active = slot;
    this.#parts.changed();
  }

  async #drop(digest: Slot['manifest']): Promise<void> {
    if (!this.#loaded.delete(digest)) return;
    await this.#parts.runner.drop(digest);
  }

  /** Loads and activates what is committed; if that is damaged, what ran before it. One at a time. */
  #serveCommitted(): Promise<void> {
    const turn = this.#serving.then(async () => {
      for (;;) {
        const slot = this.#parts.slots.get(this.model).committed;
        if (slot === undefined) return;
        try {
          if (!this.#loaded.has(slot.manifest)) await this.#warm(await openInstalled(this.#parts.store, slot));
          await this.#parts.runner.activate(slot.manifest);
          this.#setActive(slot);
          return;
        } catch (thrown) {
          const error = asSerinError(thrown);
          this.#fault = { code: error.code, detail: `version ${slot.version} of ${this.model}: ${error.message}`.slice(0, 300) };
          this.#parts.log('error', 'committed bundle does not load', { model: this.model, version: slot.version, code: error.code, detail: error.message });
          this.#parts.changed();
          // A crash brings the runner back, and then this is asked for again; damage does not heal.
          if (error.code === 'INFERENCE_CRASHED' || this.#stopping.signal.aborted) return;
          await this.#parts.slots.update(this.model, fallBack);
        }
      }
    });
    this.#serving = turn.catch(() => {});
    return turn;
  }

  async #retire(): Promise<void> {
    const { slots, log, settled, changed } = this.#parts;
    const { committed } = slots.get(this.model);
    await slots.update(this.model, () => ({}));
    if (committed !== undefined) await this.#drop(committed.manifest);
    this.#setActive(undefined);
    log('info', 'model retired', { model: this.model });
    changed();
    await settled();
  }
}

const runningOf = ({ version, manifest, variant, measured }: Slot): NonNullable<ReportedModel['active']> => ({
  version,
  manifest,
  variant,
  ...(measured === undefined ? {} : { measured }),
});

async function hasAll(store: BundleStore, slot: Slot | undefined): Promise<boolean> {
  if (slot === undefined) return false;
  for (const blob of slot.blobs) if (!(await store.has(blob))) return false;
  return true;
}
