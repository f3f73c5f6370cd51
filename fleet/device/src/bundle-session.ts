import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { MeasuredVariant } from '@serin/protocol/messages/reported';
import { bestOf } from './candidates.ts';
import { goldenInputs, requireGolden } from './golden-check.ts';
import type { Clock, Engine, EngineSession, LoadableBundle, WarmReport } from './ports.ts';

export type WarmClock = Pick<Clock, 'elapsed'>;

export interface WarmOptions {
  /** Told how many variants have shown what they answer. */
  onProven?: ((done: number, total: number) => void) | undefined;
  /** Told how far the measuring is. */
  onRun?: ((done: number, total: number) => void) | undefined;
  /** What measuring may take, for each variant a few rounds at least. */
  measureMs?: number | undefined;
  /** Memory that is left: a variant that needs more is out, as long as there is another one. */
  freeBytes?: (() => number) | undefined;
  /** Of these variants on this engine, from before: then only the golden vectors are run. */
  measured?: readonly MeasuredVariant[] | undefined;
}

export interface BundleSession {
  /** The variant that was kept. */
  bundle: LoadableBundle;
  session: EngineSession;
  report: WarmReport;
}

const roundsMax = 30;
/** Of slow models fewer, so that a device is not busy with itself for long. */
const roundsLeast = 5;
/** A model lies in memory as its file, as its graph and as what its kernels made of both. */
const memoryFactor = 3;
/** A report must stay small. */
const detailLengthMax = 100;

/** Nothing of this is the fault of one variant. */
const faultsOfAll: ReadonlySet<string> = new Set(['INFERENCE_CRASHED', 'UNAVAILABLE', 'CANCELLED']);
/** Where none can serve, the last of these is what is told. */
const telling: readonly string[] = ['MEMORY_SHORT', 'MODEL_LOAD_FAILED', 'GOLDEN_MISMATCH'];

const brief = (value: number): number => Number(value.toPrecision(4));
const quantile = (times: readonly number[], share: number): number => {
  const sorted = times.toSorted((left, right) => left - right);
  return brief(sorted[Math.floor(sorted.length * share)] ?? 0);
};

/** One variant on its way. */
interface Candidate {
  readonly bundle: LoadableBundle;
  figures: MeasuredVariant;
  session: EngineSession | undefined;
  times: number[];
  fault: SerinError | undefined;
}

async function close(candidate: Candidate): Promise<void> {
  const { session } = candidate;
  candidate.session = undefined;
  await session?.close().catch(() => undefined);
}

/** Out, and why; what would befall every other one as well is thrown. */
async function dismiss(candidate: Candidate, thrown: unknown): Promise<void> {
  await close(candidate);
  const fault = asSerinError(thrown, 'MODEL_LOAD_FAILED');
  if (faultsOfAll.has(fault.code)) throw fault;
  candidate.fault = fault;
  candidate.figures = { ...candidate.figures, code: fault.code, detail: (fault.detail ?? fault.message).slice(0, detailLengthMax) };
}

/** Loads it and has it reproduce its golden vectors. */
async function prove(candidate: Candidate, engine: Engine, clock: WarmClock, freeBytes: number): Promise<void> {
  const { golden, model, modelBytes } = candidate.bundle;
  // Damage on the medium is not the variant's fault either.
  const bytes = await modelBytes();
  try {
    if (golden === undefined) throw new SerinError('GOLDEN_MISMATCH', { detail: 'the bundle has no golden vectors, so nothing shows that it runs right here' });
    if (memoryFactor * model.size > freeBytes)
      throw new SerinError('MEMORY_SHORT', { detail: `a model of ${model.size} bytes, and ${freeBytes} bytes of memory are free` });
    const began = clock.elapsed();
    candidate.session = await engine.open(bytes);
    const loadMs = brief(clock.elapsed() - began);
    candidate.figures = { ...candidate.figures, loadMs, goldenDifference: brief(await requireGolden(candidate.session, golden)) };
  } catch (thrown) {
    await dismiss(candidate, thrown);
  }
}

async function runOnce(candidate: Candidate, round: number, clock: WarmClock): Promise<void> {
  const { session, bundle, times } = candidate;
  if (session === undefined || bundle.golden === undefined) return;
  const inputs = goldenInputs(bundle.golden, round);
  const began = clock.elapsed();
  try {
    await session.run(inputs);
    if (round > 0) times.push(clock.elapsed() - began);
  } catch (thrown) {
    await dismiss(candidate, thrown);
  }
}

/**
 * Turn about on the golden inputs, in one order and then the other: whatever else the machine does falls on all alike.
 * The first round is for warming up.
 */
async function measure(candidates: readonly Candidate[], clock: WarmClock, { onRun, measureMs = 2_000 }: WarmOptions): Promise<void> {
  const began = clock.elapsed();
  for (let round = 0; round <= roundsMax; round++) {
    if (round > roundsLeast && clock.elapsed() - began > measureMs) break;
    for (const candidate of round % 2 === 0 ? candidates : candidates.toReversed()) await runOnce(candidate, round, clock);
    onRun?.(round, roundsMax);
  }
  onRun?.(roundsMax, roundsMax);
  for (const candidate of candidates) {
    if (candidate.session === undefined) continue;
    candidate.figures = { ...candidate.figures, p50Ms: quantile(candidate.times, 0.5), p90Ms: quantile(candidate.times, 0.9) };
  }
}

function mostTelling(candidates: readonly Candidate[]): SerinError {
  const faults = candidates.flatMap(({ figures, fault }) => (fault === undefined ? [] : [{ variant: figures.variant, fault }]));
  const [first, ...others] = faults.toSorted((left, right) => telling.indexOf(right.fault.code) - telling.indexOf(left.fault.code));
  if (first === undefined) return new SerinError('INTERNAL', { detail: 'there was nothing to open' });
  if (others.length === 0) return first.fault;
  const words = [first, ...others].map(({ variant, fault }) => `${variant}: ${fault.detail ?? fault.message}`);
  return new SerinError(first.fault.code, { detail: words.join('; ').slice(0, 300), cause: first.fault });
}

/**
 * Of the variants of one bundle the one that runs best on this engine: each is opened, must reproduce its golden vectors
 * and is measured; the others are closed again. Rejects when none may serve, and then nothing stays open.
 */
export async function openBundleSession(
  engine: Engine,
  bundles: readonly LoadableBundle[],
  clock: WarmClock,
  options: WarmOptions = {},
): Promise<BundleSession> {
  const { onProven, freeBytes = () => Infinity, measured: before } = options;
  const candidates = bundles.map((bundle): Candidate => ({
    bundle,
    figures: { variant: bundle.variant, bytes: bundle.model.size },
    session: undefined,
    times: [],
    fault: undefined,
  }));
  try {
    for (const [index, candidate] of candidates.entries()) {
      await prove(candidate, engine, clock, candidates.length === 1 ? Infinity : freeBytes());
      onProven?.(index + 1, candidates.length);
    }
    if (before === undefined) await measure(candidates, clock, options);
    const fresh = candidates.map(({ figures }) => figures);
    const measured = before?.map((known) => ({ ...known, ...fresh.find((figures) => figures.variant === known.variant) })) ?? fresh;
    const lowerQuartiles = new Map(candidates.map(({ bundle, times }) => [bundle.variant, quantile(times, 0.25)]));
    const wanted = before === undefined ? bestOf(fresh, lowerQuartiles) : candidates[0]?.bundle.variant;
    const best = candidates.find(({ session, bundle }) => session !== undefined && bundle.variant === wanted);
    if (best?.session === undefined) throw mostTelling(candidates);
    const { session, bundle } = best;
    await Promise.all(candidates.filter((candidate) => candidate !== best).map(close));
    return { bundle, session, report: { variant: bundle.variant, measured } };
  } catch (thrown) {
    await Promise.all(candidates.map(close));
    throw thrown;
  }
}
