import { mkdir } from 'node:fs/promises';

import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { RunStage } from '@serin/protocol/api/runs';
import type { Digest } from '@serin/protocol/ids';
import type { PipelineFile, StageName } from '@serin/protocol/pipeline';

import { runtimeVersion } from '../runs/environment.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { codeDigest } from './code-digest.ts';
import { stableText } from './engine-text.ts';
import type { PipelineHooks } from './request.ts';
import { createCurve, type Curve } from './series.ts';
import type { Artifact, Plan, Stage, StageContext, StageRecord } from './stage.ts';
import { sha256Of, type HeldEntry, type StageCache } from './stage-cache.ts';

export interface EngineSettings {
  readonly stages: readonly Stage[];
  readonly cache: StageCache;
  readonly threads: number;
  readonly checkpointSeconds: number;
  readonly fresh: boolean;
  readonly locate: (path: string) => string;
  readonly hooks: PipelineHooks;
  readonly runTrial: (file: PipelineFile) => Promise<number>;
}

/** What a run has made so far. */
export interface Progressed {
  readonly stages: RunStage[];
  readonly entries: Map<StageName, HeldEntry<StageRecord>>;
  readonly codeDigests: Map<StageName, Digest>;
  readonly log: string[];
}

const progressEveryMs = 200;
const logMax = 2000;

/** Runs the stages of a table in order, up to one of them; each is taken from the cache where all it depends on is the same. */
export async function runStages(plan: Plan, until: StageName, settings: EngineSettings, made: Progressed): Promise<void> {
  const last = settings.stages.findIndex(({ name }) => name === until);
  for (const stage of settings.stages.slice(0, last + 1)) {
    throwIfCancelled(settings.hooks.signal);
    await runStage(stage, plan, settings, made);
  }
}

export const waitingStages = (stages: readonly Stage[], until: StageName): RunStage[] =>
  stages.slice(0, stages.findIndex(({ name }) => name === until) + 1).map(({ name }) => ({ name, state: 'waiting', key: null, ms: null, words: '' }));

const digestOf = (entries: Progressed['entries'], artifact: Artifact): Digest | undefined => {
  const [stage, name] = artifact.split('/') as [StageName, string];
  return entries.get(stage)?.outputs.find((output) => output.name === name)?.sha256;
};

/** Equal keys have equal results. */
export function stageKey(stage: Stage, plan: Plan, entries: Progressed['entries'], code: Digest): Digest {
  const inputs = Object.fromEntries(stage.reads(plan).map((artifact) => [artifact, digestOf(entries, artifact) ?? null]));
  return sha256Of(stableText({ stage: stage.name, settings: stage.settings(plan), inputs, code, runtime: stage.runtime ? runtimeVersion() : null }));
}

async function runStage(stage: Stage, plan: Plan, settings: EngineSettings, made: Progressed): Promise<void> {
  const { hooks } = settings;
  const now = nowOf(hooks);
  const place = made.stages.findIndex(({ name }) => name === stage.name);
  const change = (over: Partial<RunStage>): void => {
    const changed: RunStage = { ...(made.stages[place] as RunStage), ...over };
    made.stages[place] = changed;
    hooks.onStage?.(changed);
  };
  const reason = stage.skip?.(plan);
  if (reason !== undefined) return change({ state: 'skipped', words: reason });
  const began = now();
  try {
    const code = codeDigest(stage.modules(plan));
    made.codeDigests.set(stage.name, code);
    const key = stageKey(stage, plan, made.entries, code);
    change({ key });
    const { entry, cached } = await provide(stage, key, plan, settings, made, () => change({ state: 'running' }));
    made.entries.set(stage.name, entry);
    const { words, skipped, notes } = entry.record;
    if (cached) for (const line of notes) writeLog(made, hooks, line);
    await stage.judge?.(plan, entry.record, (output) => entry.read(output));
    change({ state: skipped ? 'skipped' : cached ? 'cached' : 'done', ms: now() - began, words: words.slice(0, wordsMax) });
  } catch (error) {
    const known = asSerinError(error, 'JOB_FAILED');
    change({ state: 'failed', ms: now() - began, words: known.message.slice(0, wordsMax) });
    throw known;
  }
}

const wordsMax = 1000;
const nowOf = (hooks: PipelineHooks): (() => number) => hooks.now ?? (() => performance.now());

/** The entry of a stage: found, or made while nobody else makes the same. */
async function provide(
  stage: Stage,
  key: Digest,
  plan: Plan,
  settings: EngineSettings,
  made: Progressed,
  onStart: () => void,
): Promise<{ entry: HeldEntry<StageRecord>; cached: boolean }> {
  const { cache, fresh, hooks } = settings;
  const now = nowOf(hooks);
  const find = async (): Promise<HeldEntry<StageRecord> | undefined> => (fresh ? undefined : cache.find<StageRecord>(key));
  const found = await find();
  if (found !== undefined) return { entry: found, cached: true };
  onStart();
  const work = await cache.claim(key, hooks.signal);
  let finished = false;
  try {
    // Another run may have made it while this one waited.
    const meanwhile = await find();
    finished = meanwhile !== undefined;
    if (meanwhile !== undefined) return { entry: meanwhile, cached: true };
    if (fresh) {
      await cache.drop(key);
      await work.clear();
    }
    await mkdir(work.folder, { recursive: true });
    const began = now();
    const { context, curves, notes } = contextOf(stage, plan, settings, made, work.folder);
    const outcome = await stage.run(context);
    throwIfCancelled(hooks.signal);
    const record: StageRecord = {
      words: outcome.words,
      report: outcome.report ?? {},
      notes,
      series: Object.fromEntries([...curves].map(([name, curve]) => [name, curve.points()])),
      skipped: outcome.skipped ?? false,
      ms: now() - began,
      facts: outcome.facts ?? {},
    };
    const entry = await cache.add<StageRecord>(key, new Map(Object.entries(outcome.outputs ?? {})), record);
    finished = true;
    return { entry, cached: false };
  } finally {
    await work.release(finished);
  }
}

function writeLog(made: Progressed, hooks: PipelineHooks, line: string): void {
  if (made.log.length < logMax) made.log.push(line);
  hooks.onNote?.(line);
}

interface Listening {
  readonly context: StageContext;
  readonly curves: ReadonlyMap<string, Curve>;
  readonly notes: string[];
}

function contextOf(stage: Stage, plan: Plan, settings: EngineSettings, made: Progressed, workFolder: string): Listening {
  const { hooks, threads, checkpointSeconds, locate, runTrial } = settings;
  const now = nowOf(hooks);
  const curves = new Map<string, Curve>();
  const notes: string[] = [];
  let toldAt = -Infinity;
  const allowed = new Set(stage.reads(plan));
  const entryOf = (artifact: Artifact): [HeldEntry<StageRecord> | undefined, string] => {
    if (!allowed.has(artifact)) throw new RangeError(`${stage.name} does not say that it reads ${artifact}`);
    const [from, name] = artifact.split('/') as [StageName, string];
    return [made.entries.get(from), name];
  };
  const context: StageContext = {
    plan,
    threads,
    checkpointSeconds,
    signal: hooks.signal,
    now,
    workFolder,
    locate,
    runTrial,
    read: async (artifact) => {
      const [entry, name] = entryOf(artifact);
      if (entry === undefined) throw new SerinError('JOB_FAILED', { detail: `${stage.name} needs ${artifact}, and that stage has not run` });
      return entry.read(name);
    },
    has: (artifact) => {
      const [entry, name] = entryOf(artifact);
      return entry?.outputs.some((output) => output.name === name) === true;
    },
    seriesOf: (from) => made.entries.get(from)?.record.series ?? {},
    progress: (fraction, message, { rate, remainingSeconds } = {}) => {
      throwIfCancelled(hooks.signal);
      if (now() - toldAt < progressEveryMs && fraction !== 1) return;
      toldAt = now();
      hooks.onProgress?.({ stage: stage.name, fraction, message, rate: rate ?? null, remainingSeconds: remainingSeconds ?? null });
    },
    point: (name, step, value) => {
      const curve = curves.get(name) ?? createCurve();
      curves.set(name, curve);
      curve.add(step, value);
      if (Number.isFinite(value)) hooks.onSeries?.(name, [[step, value]]);
    },
    note: (line) => {
      notes.push(line);
      writeLog(made, hooks, line);
    },
  };
  return { context, curves, notes };
}
