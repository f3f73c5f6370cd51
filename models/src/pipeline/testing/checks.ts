import { expect } from 'vitest';

import { golden as goldenSchema } from '@serin/protocol/bundle/golden';
import { runDetail } from '@serin/protocol/api/runs';
import { fromBase64 } from '@serin/protocol/digest';

import type { ElementType, Tensor } from '../../onnx/graph.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import type { TrainedVersion } from '../../package/version.ts';
import type { PipelineReport } from '../request.ts';

const arrays = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array } as const;

/** Runs the model of a version on its golden vectors, as a device does before it serves. */
export async function passesGolden({ files }: TrainedVersion, variant: string): Promise<number> {
  const fileOf = (role: string): Uint8Array => files.find((file) => file.role === role && (file.variant ?? variant) === variant)?.bytes ?? new Uint8Array();
  const { vectors, tolerance } = goldenSchema.parse(JSON.parse(new TextDecoder().decode(fileOf('golden'))));
  const session = await openSession(fileOf('model'));
  try {
    for (const { inputs, outputs } of vectors) {
      const feeds = Object.entries(inputs).map(([name, { shape, dtype, data }]) => {
        const bytes = fromBase64(data);
        const array = new arrays[dtype as keyof typeof arrays](bytes.buffer) as Tensor['data'];
        return [name, runtimeTensor(dtype as ElementType, array, shape)] as const;
      });
      const found = await session.run(Object.fromEntries(feeds));
      for (const [name, values] of Object.entries(outputs)) {
        values.forEach((value, at) => expect(Math.abs(Number(found[name]?.data[at]) - value)).toBeLessThanOrEqual(tolerance));
      }
    }
    return vectors.length;
  } finally {
    await session.release();
  }
}

/** As the wire has it: what a run's record needs beside what the library knows. */
export function checkReport(report: PipelineReport): void {
  const wire = Object.fromEntries(Object.entries(runDetail.shape).filter(([name]) => name in report));
  for (const [name, schema] of Object.entries(wire)) {
    const parsed = (schema as { safeParse: (value: unknown) => { success: boolean; error?: unknown } }).safeParse(report[name as keyof PipelineReport]);
    expect(parsed.error, name).toBeUndefined();
  }
}
