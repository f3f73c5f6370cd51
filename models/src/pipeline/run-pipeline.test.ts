import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, test } from 'vitest';

import { fromBase64 } from '@serin/protocol/digest';
import { golden as goldenSchema } from '@serin/protocol/bundle/golden';
import { preprocessing as preprocessingSchema } from '@serin/protocol/bundle/preprocessing';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';
import { checkPipeline } from '@serin/protocol/pipeline-file';
import { runDetail } from '@serin/protocol/api/runs';

import type { ElementType, Tensor } from '../onnx/graph.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import type { TrainedVersion } from '../package/version.ts';
import type { PipelineReport } from './request.ts';
import { executed, messages, runIn, workshop, writePictures } from './testing/data.ts';

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

const json = ({ files }: TrainedVersion, role: string): unknown => JSON.parse(new TextDecoder().decode(files.find((file) => file.role === role)?.bytes));

/** As the wire has it: what a run's record needs beside what the library knows. */
export function checkReport(report: PipelineReport): void {
  const wire = Object.fromEntries(Object.entries(runDetail.shape).filter(([name]) => name in report));
  for (const [name, schema] of Object.entries(wire)) {
    const parsed = (schema as { safeParse: (value: unknown) => { success: boolean; error?: unknown } }).safeParse(report[name as keyof PipelineReport]);
    expect(parsed.error, name).toBeUndefined();
  }
}

test('texts become a version that answers in the runtime, and the same run again executes nothing', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'messages.csv'), messages(900));
  const file = checkPipeline({
    v: 1,
    name: 'spam',
    ingest: { files: ['messages.csv'], spec: { kind: 'text', label: 'label', text: ['text'] } },
    positive: 'spam',
    train: { kind: 'text-linear', bucketBits: 12, wordGrams: 1 },
    evaluate: { metric: 'accuracy', repeats: 200 },
    gate: { limits: { accuracy: { min: 0.8 } } },
  });
  const first = await runIn(folder, file);
  checkReport(first.report);
  expect(first.report.gate?.checks.filter(({ passed }) => !passed)).toEqual([]);
  expect(executed(first)).toBe('ingest validate split train evaluate gate package');
  const { version } = first;
  if (version === undefined) throw new Error('no version');
  expect(version.task).toBe('text');
  expect(await passesGolden(version, 'fp32')).toBe(16);
  expect(preprocessingSchema.parse(json(version, 'preprocessing')).kind).toBe('text');
  expect(
    profileSchema
      .parse(json(version, 'profile'))
      .statistics.map(({ name }) => name)
      .toSorted(),
  ).toEqual(['confidence', 'words']);

  const again = await runIn(folder, file);
  expect(executed(again)).toBe('');
  expect(again.version).toEqual(version);
  expect({ ...again.report, stages: [] }).toEqual({ ...first.report, stages: [] });
});

test('pictures become a version, in 8 bits where these are no loss', async () => {
  const folder = await workshop();
  await writePictures(path.join(folder, 'shapes'), 90);
  const file = checkPipeline({
    v: 1,
    name: 'shapes',
    ingest: { files: ['shapes'], spec: { kind: 'images' } },
    train: { kind: 'image-classifier', size: 16, channels: 1, width: 8, epochs: 10 },
    evaluate: { metric: 'accuracy', repeats: 200 },
  });
  const { report, version } = await runIn(folder, file, {}, { threads: 2 });
  checkReport(report);
  if (version === undefined) throw new Error(JSON.stringify(report.gate));
  expect(report.metrics['accuracy']).toBeGreaterThan(0.9);
  expect(report.series.map(({ name }) => name)).toContain('validation accuracy');
  for (const { variant } of version.files.filter(({ role }) => role === 'model')) expect(await passesGolden(version, variant ?? '')).toBe(4);
  expect(version.inputs).toEqual([{ name: 'image', dtype: 'uint8', shape: [-1, 16, 16, 1] }]);
});
