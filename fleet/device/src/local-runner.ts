import type { Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';
import type { Digest } from '@serin/protocol/ids';
import { openBundleSession } from './bundle-session.ts';
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
}

interface Loaded {
  model: ServedModel;
  report: WarmReport;
}

/** A runner in this very thread: inside the agent's inference process, a virtual device, a browser's worker. */
export function createLocalRunner({ engine, source, clock, random, deadlineMs, onResult, onFault }: LocalRunnerOptions): Runner {
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
    async warm(bundle: LoadableBundle) {
      running();
      const present = loaded.get(bundle.digest);
      if (present !== undefined) return present.report;
      requireFrameInput(bundle.manifest, source.shape);
      requireRecordInput(bundle);
      const { session, report } = await openBundleSession(engine, bundle, clock);
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
