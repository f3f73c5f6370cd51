import { availableParallelism } from 'node:os';

import { SerinError } from '@serin/protocol/errors';

import type { Tensor } from '../onnx/graph.ts';
import { openSession, runtimeTensor, type Session } from '../onnx/session.ts';
import { readEnvironment } from '../runs/environment.ts';
import { throwIfCancelled } from '../train/cancellation.ts';
import { knownQuantile, medianEstimate } from './latency-figures.ts';
import type { Latency, LatencyReport } from './measured.ts';
import { measureMemory } from './memory.ts';

export interface LatencyCandidate {
  readonly name: string;
  /** The file as devices get it. */
  readonly model: Uint8Array;
  /** Real inputs, asked one after the other and over again: of the size that one query has. */
  readonly queries: readonly Readonly<Record<string, Tensor>>[];
}

export interface LatencyOptions {
  /** Of the runtime; 1 unless given. */
  readonly threads?: number;
  /** It ends when each model had so many queries and so much time, or at the latest when it had the most of either. */
  readonly queriesMin?: number;
  readonly queriesMax?: number;
  readonly timeMsMin?: number;
  readonly timeMsMax?: number;
  /** Whether a process is started for each model to see how it grows. */
  readonly memory?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (fraction: number, words: string) => void;
  readonly now?: () => number;
}

/** So many tell the 99th percentile. */
const usual = { threads: 1, queriesMin: 300, queriesMax: 5000, timeMsMin: 500, timeMsMax: 10_000, memory: true };
const warmUps = 5;
/** Of the time a model has at most, that warming up may take. */
const warmUpShare = 0.2;
/** Other inputs are not looked at: they would only fill the memory. */
const inputsMax = 64;

type Run = Session['run'];
interface Contender {
  readonly name: string;
  readonly bytes: number;
  readonly session: Session;
  readonly loadMs: number;
  readonly feeds: readonly Parameters<Run>[0][];
  readonly times: number[];
}

/**
 * Latency as MLPerf's single-stream scenario has it: a query as soon as the last one is answered, on real inputs, after warming up.
 * Several models take turns in one process, so that what else the machine does meets all of them alike; ratios are of neighbours.
 */
export async function measureLatency(candidates: readonly LatencyCandidate[], options: LatencyOptions = {}): Promise<LatencyReport> {
  const { threads, memory } = { ...usual, ...options };
  const { signal, onProgress = () => undefined } = options;
  for (const { name, queries } of candidates)
    if (queries.length === 0) throw new SerinError('TRAINING_DATA_INSUFFICIENT', { detail: `there is no input to ask ${name} about` });
  const contenders: Contender[] = [];
  const notes: string[] = [];
  try {
    for (const candidate of candidates) {
      throwIfCancelled(signal);
      contenders.push(await openContender(candidate, threads, options.now ?? (() => performance.now())));
    }
    await askInTurns(contenders, options);
  } finally {
    for (const { session } of contenders) await session.release();
  }
  const models: Latency[] = [];
  for (const [index, candidate] of candidates.entries()) {
    onProgress(1, `memory of ${candidate.name}`);
    const grown = memory ? await measureMemory(candidate.model, candidate.queries.slice(0, inputsMax), { threads, signal }) : null;
    if (typeof grown === 'string') notes.push(`the memory of ${candidate.name} is not known: ${grown}`);
    models.push(latencyOf(contenders[index] as Contender, threads, typeof grown === 'number' ? grown : null));
  }
  const few = models.filter(({ p99Ms }) => p99Ms === null);
  if (few.length > 0) notes.push(`too few queries for the 99th percentile: ${few.map(({ name, queries }) => `${name} ${queries}`).join(', ')}`);
  const [first, ...others] = contenders;
  const { cpu, ort } = readEnvironment(threads);
  return {
    models,
    ratios: others.map(({ name, times }) => ({
      name,
      over: first?.name ?? '',
      time: medianEstimate(times.map((time, round) => time / (first?.times[round] ?? Number.NaN))),
    })),
    machine: { cpu, cores: availableParallelism(), threads, runtime: `onnxruntime-node ${ort}` },
    notes,
  };
}

async function openContender({ name, model, queries }: LatencyCandidate, threads: number, now: () => number): Promise<Contender> {
  const begun = now();
  const session = await openSession(model, { threads });
  const loadMs = now() - begun;
  const feeds = queries
    .slice(0, inputsMax)
    .map((query) => Object.fromEntries(Object.entries(query).map(([input, { type, data, dims }]) => [input, runtimeTensor(type, data, dims)])));
  return { name, bytes: model.length, session, loadMs, feeds, times: [] };
}

async function askInTurns(contenders: readonly Contender[], options: LatencyOptions): Promise<void> {
  const { queriesMin, queriesMax, timeMsMin, timeMsMax } = { ...usual, ...options };
  const { signal, onProgress = () => undefined, now = () => performance.now() } = options;
  const ask = async ({ session, feeds }: Contender, query: number): Promise<number> => {
    throwIfCancelled(signal);
    const feed = feeds[query % feeds.length] as Contender['feeds'][number];
    const begun = now();
    await session.run(feed);
    return now() - begun;
  };
  const warming = now();
  for (let query = 0; query < warmUps && (query === 0 || now() - warming < warmUpShare * timeMsMax * contenders.length); query += 1)
    for (const contender of contenders) await ask(contender, query);
  const begun = now();
  for (let round = 0; round < queriesMax; round += 1) {
    const elapsed = (now() - begun) / Math.max(1, contenders.length);
    if (elapsed >= timeMsMax || (round >= queriesMin && elapsed >= timeMsMin)) break;
    if (round % 16 === 0) onProgress(Math.max(Math.min(round / queriesMin, elapsed / timeMsMin), elapsed / timeMsMax), `query ${round + 1} of each model`);
    // Nobody is always first.
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const contender = contenders[(round + turn) % contenders.length] as Contender;
      contender.times.push(await ask(contender, round));
    }
  }
}

function latencyOf({ name, bytes, times, loadMs }: Contender, threads: number, memoryBytes: number | null): Latency {
  const sorted = Float64Array.from(times).toSorted();
  return {
    name,
    p50Ms: knownQuantile(sorted, 0.5),
    p90Ms: knownQuantile(sorted, 0.9),
    p99Ms: knownQuantile(sorted, 0.99),
    queries: times.length,
    loadMs,
    memoryBytes,
    threads,
    modelBytes: bytes,
  };
}
