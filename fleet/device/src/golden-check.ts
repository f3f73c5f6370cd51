import type { Golden } from '@serin/protocol/bundle/golden';
import { fromBase64 } from '@serin/protocol/digest';
import { SerinError } from '@serin/protocol/errors';
import type { EngineSession, EngineTensor } from './ports.ts';

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

/** By output the largest difference from what was promised; one that is missing, short or not a number is infinitely far off. */
export async function goldenDistances(session: EngineSession, golden: Golden): Promise<Map<string, number>> {
  const largest = new Map<string, number>();
  for (const [nth, { outputs }] of golden.vectors.entries()) {
    const answered = await session.run(goldenInputs(golden, nth));
    for (const [name, expected] of Object.entries(outputs)) {
      largest.set(name, Math.max(largest.get(name) ?? 0, distance(answered[name]?.data, expected)));
    }
  }
  return largest;
}

function distance(values: EngineTensor['data'] | undefined, expected: readonly number[]): number {
  if (values?.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (const [index, value] of expected.entries()) {
    const apart = Math.abs(Number(values[index]) - value);
    largest = Math.max(largest, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart);
  }
  return largest;
}

/** The largest difference of all; GOLDEN_MISMATCH when an output is further off than it may be. */
export async function requireGolden(session: EngineSession, golden: Golden): Promise<number> {
  const distances = await goldenDistances(session, golden);
  for (const [name, apart] of distances) {
    const allowed = golden.tolerances?.[name] ?? golden.tolerance;
    if (!(apart <= allowed))
      throw new SerinError('GOLDEN_MISMATCH', { detail: `output ${name} is off by ${Number(apart.toPrecision(4))}, allowed ${allowed}` });
  }
  return Math.max(0, ...distances.values());
}
