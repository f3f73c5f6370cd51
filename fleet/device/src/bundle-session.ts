import type { Golden } from '@serin/protocol/bundle/golden';
import { fromBase64 } from '@serin/protocol/digest';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { Clock, Engine, EngineSession, EngineTensor, LoadableBundle, WarmReport } from './ports.ts';

const warmRuns = 20;

const readers: Record<string, (bytes: Uint8Array<ArrayBuffer>) => EngineTensor['data']> = {
  uint8: (bytes) => bytes,
  bool: (bytes) => bytes,
  int8: ({ buffer }) => new Int8Array(buffer),
  int32: ({ buffer }) => new Int32Array(buffer),
  int64: ({ buffer }) => new BigInt64Array(buffer),
  float32: ({ buffer }) => new Float32Array(buffer),
};

type GoldenTensor = Golden['vectors'][number]['inputs'][string];

function tensorOf({ shape, dtype, data }: GoldenTensor): EngineTensor {
  const read = readers[dtype];
  if (read === undefined) throw new SerinError('GOLDEN_MISMATCH', { detail: `inputs of type ${dtype} are not supported here` });
  try {
    return { dtype, shape, data: read(fromBase64(data)) };
  } catch (cause) {
    throw new SerinError('GOLDEN_MISMATCH', { detail: 'the golden vectors are unreadable', cause });
  }
}

/** The inputs of the nth vector, round and round. */
export function goldenInputs({ vectors }: Golden, nth: number): Record<string, EngineTensor> {
  const inputs = vectors[nth % vectors.length]?.inputs ?? {};
  return Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensorOf(tensor)]));
}

/** The largest difference from the promised outputs; one that is missing, short or not a number is infinitely far off. */
export async function goldenDistance(session: EngineSession, golden: Golden): Promise<number> {
  let largest = 0;
  for (const [nth, { outputs }] of golden.vectors.entries()) {
    const answered = await session.run(goldenInputs(golden, nth));
    for (const [name, expected] of Object.entries(outputs)) {
      const values = answered[name]?.data;
      if (values?.length !== expected.length) return Number.POSITIVE_INFINITY;
      for (const [index, value] of expected.entries()) {
        const distance = Math.abs(Number(values[index]) - value);
        largest = Math.max(largest, Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance);
      }
    }
  }
  return largest;
}

export type WarmClock = Pick<Clock, 'elapsed'>;

/** Runs the golden vectors against their tolerance, then often enough to know the model's pace here. */
export async function proveSession(
  session: EngineSession,
  golden: Golden,
  clock: WarmClock,
  onRun?: (done: number, total: number) => void,
): Promise<Omit<WarmReport, 'loadMs'>> {
  const goldenMaxDifference = await goldenDistance(session, golden);
  if (!(goldenMaxDifference <= golden.tolerance)) {
    throw new SerinError('GOLDEN_MISMATCH', { detail: `off by ${goldenMaxDifference}, allowed ${golden.tolerance}` });
  }
  const times: number[] = [];
  for (let run = 0; run < warmRuns; run++) {
    const inputs = goldenInputs(golden, run);
    const began = clock.elapsed();
    await session.run(inputs);
    times.push(clock.elapsed() - began);
    onRun?.(run + 1, warmRuns);
  }
  return { goldenMaxDifference, p50Ms: times.toSorted((left, right) => left - right)[warmRuns >> 1] ?? 0 };
}

const loadFault = (thrown: unknown): SerinError => asSerinError(thrown, 'MODEL_LOAD_FAILED');

/** A session that has shown it reproduces its golden vectors on this engine; one that has not is closed again. */
export async function openBundleSession(engine: Engine, bundle: LoadableBundle, clock: WarmClock): Promise<{ session: EngineSession; report: WarmReport }> {
  const { golden } = bundle;
  if (golden === undefined) throw new SerinError('GOLDEN_MISMATCH', { detail: 'the bundle has no golden vectors, so nothing shows that it runs right here' });
  const bytes = await bundle.modelBytes();
  const began = clock.elapsed();
  let session: EngineSession;
  try {
    session = await engine.open(bytes);
  } catch (thrown) {
    throw loadFault(thrown);
  }
  const loadMs = clock.elapsed() - began;
  try {
    return { session, report: { loadMs, ...(await proveSession(session, golden, clock)) } };
  } catch (thrown) {
    await session.close().catch(() => undefined);
    throw loadFault(thrown);
  }
}
