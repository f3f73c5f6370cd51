import type { Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { openBundleSession, type BundleSession } from './bundle-session.ts';
import { FrameLoop, requireFrameInput, type FrameResult, type ServedModel } from './frame-loop.ts';
import { requireRecordInput } from './record-answerer.ts';
import type { Clock, Engine, FrameSource, LoadableBundle, Runner, RunnerHandlers, RunnerSettings, WarmReport } from './ports.ts';

export interface LocalRunnerOptions {
  engine: Engine;
  /** The caller opened it and closes it. */
  source: FrameSource;
  clock: Clock;
  random: Random;
  deadlineMs: number;
  onResult?: (result: FrameResult) => void;
  onFault?: (error: unknown) => void;
  /** Memory that is left for models. */
  freeBytes?: () => number;
  /** Shared by runners of one engine: one of them measures a bundle, the others take its word and only run the golden vectors. */
  measuredBefore?: MeasuredBundles;
}

export type MeasuredBundles = Map<string, Promise<WarmReport>>;
const bundlesRemembered = 64;

interface Loaded {
  model: ServedModel;
  report: WarmReport;
}

/** The best of the variants. Of bundles that are being measured by another runner the outcome is waited for. */
async function openBest({ engine, clock, freeBytes, measuredBefore }: LocalRunnerOptions, variants: readonly LoadableBundle[]): Promise<BundleSession> {
  const key = variants.map(({ digest, variant }) => `${digest} ${variant}`).join();
  const known = await measuredBefore?.get(key)?.catch(() => undefined);
  if (known !== undefined) {
    const kept = variants.filter(({ variant }) => variant === known.variant);
    return openBundleSession(engine, kept, clock, { measured: known.measured });
  }
  const opening = openBundleSession(engine, variants, clock, { freeBytes });
  if (measuredBefore !== undefined) remember(measuredBefore, key, opening);
  return opening;
}

function remember(known: MeasuredBundles, key: string, opening: Promise<BundleSession>): void {
  const report = opening.then((opened) => opened.report);
  report.catch(() => known.delete(key));
  known.set(key, report);
  for (const oldest of known.keys()) if (known.size > bundlesRemembered) known.delete(oldest);
}

/** A runner in this very thread: inside the agent's inference process, a virtual device, a browser's worker. */
export function createLocalRunner(options: LocalRunnerOptions): Runner {
  const { source, clock, random, deadlineMs, onResult, onFault } = options;
  const loaded = new Map<Digest, Loaded>();
  const active = new Map<string, Digest>();
  let settings: RunnerSettings | undefined;
  let loop: FrameLoop | undefined;

  const running = (): FrameLoop => {
    if (loop === undefined) throw new SerinError('UNAVAILABLE', { detail: 'the runner is stopped' });
    return loop;
  };

  return {
    async start({ window, sample }: RunnerHandlers) {
      const handlers = { window, sample, ...(onResult === undefined ? {} : { result: onResult }), ...(onFault === undefined ? {} : { fault: onFault }) };
      loop = new FrameLoop({ source, clock, random, deadlineMs, handlers });
      if (settings !== undefined) loop.configure(settings);
      loop.start();
    },
    async stop() {
      await loop?.stop();
      loop = undefined;
      active.clear();
      const sessions = [...loaded.values()].map(({ model }) => model.session);
      loaded.clear();
      await Promise.all(sessions.map((session) => session.close()));
    },
    async warm(...variants) {
      running();
      for (const variant of variants) {
        const present = loaded.get(variant.digest);
        if (present !== undefined) return present.report;
        requireFrameInput(variant.manifest, source.shape);
        requireRecordInput(variant);
      }
      const { bundle, session, report } = await openBest(options, variants);
      if (loop === undefined) {
        await session.close();
        running();
      }
      const { digest, manifest, profile, preprocessing, explainer } = bundle;
      loaded.set(digest, { model: { digest, manifest, profile, preprocessing, explainer, session }, report });
      return report;
    },
    async activate(digest) {
      const found = loaded.get(digest);
      if (found === undefined) throw new SerinError('NOT_FOUND', { detail: `${digest} is not loaded` });
      const { model } = found.model.manifest;
      if (active.get(model) === digest) return;
      await running().serve(found.model);
      active.set(model, digest);
    },
    async drop(digest) {
      const found = loaded.get(digest);
      if (found === undefined) return;
      const { model } = found.model.manifest;
      if (active.get(model) === digest) {
        active.delete(model);
        await loop?.retire(model);
      }
      loaded.delete(digest);
      await found.model.session.close();
    },
    async ask(model, record, options) {
      return running().ask(model, record, options);
    },
    configure(wanted) {
      settings = wanted;
      loop?.configure(wanted);
    },
  };
}
