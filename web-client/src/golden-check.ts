import { SerinError } from '@serin/protocol/errors';
import { fromBase64 } from '@serin/protocol/digest';
import type { Golden } from '@serin/protocol/bundle/golden';
import type { EngineSession, EngineTensor } from '@serin/device/ports';

const readers: Record<string, (bytes: Uint8Array<ArrayBuffer>) => EngineTensor['data']> = {
  uint8: (bytes) => bytes,
  bool: (bytes) => bytes,
  int8: ({ buffer }) => new Int8Array(buffer),
  int32: ({ buffer }) => new Int32Array(buffer),
  int64: ({ buffer }) => new BigInt64Array(buffer),
  float32: ({ buffer }) => new Float32Array(buffer),
};

function tensorOf({ shape, dtype, data }: Golden['vectors'][number]['inputs'][string]): EngineTensor {
  const read = readers[dtype];
  if (read === undefined) throw new SerinError('GOLDEN_MISMATCH', { detail: `inputs of type ${dtype} are not supported here` });
  return { dtype, shape, data: read(fromBase64(data)) };
}

/** The inputs of the nth vector, round and round. */
export function goldenInputs({ vectors }: Golden, nth: number): Record<string, EngineTensor> {
  const inputs = vectors[nth % vectors.length]?.inputs ?? {};
  return Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensorOf(tensor)]));
}

/** The largest difference from the promised outputs; an output that is missing, short or not finite is infinitely far off. */
export async function goldenDistance(session: EngineSession, golden: Golden): Promise<number> {
  let largest = 0;
  for (const [nth, { outputs }] of golden.vectors.entries()) {
    const answered = await session.run(goldenInputs(golden, nth));
    for (const [name, expected] of Object.entries(outputs)) {
      const values = answered[name]?.data;
      if (values?.length !== expected.length) return Number.POSITIVE_INFINITY;
      expected.forEach((value, index) => {
        const distance = Math.abs(Number(values[index]) - value);
        largest = Math.max(largest, Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance);
      });
    }
  }
  return largest;
}
