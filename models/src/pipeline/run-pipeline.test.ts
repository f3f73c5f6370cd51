import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, test } from 'vitest';

import { preprocessing as preprocessingSchema } from '@serin/protocol/bundle/preprocessing';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';
import type { Digest } from '@serin/protocol/ids';
import { checkPipeline } from '@serin/protocol/pipeline-file';

import type { TrainedVersion } from '../package/version.ts';
import type { PipelineReport } from './request.ts';
import { checkReport, passesGolden } from './testing/checks.ts';
import { executed, messages, runIn, workshop, writePictures } from './testing/data.ts';

const json = ({ files }: TrainedVersion, role: string): unknown => JSON.parse(new TextDecoder().decode(files.find((file) => file.role === role)?.bytes));

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
    // Too few pictures to learn a calibration from.
    gate: { calibrationErrorMax: 1 },
  });
  const { report, version } = await runIn(folder, file, {}, { threads: 2 });
  checkReport(report);
  if (version === undefined) throw new Error(JSON.stringify(report.gate));
  expect(report.metrics['accuracy']).toBeGreaterThan(0.9);
  expect(report.series.map(({ name }) => name)).toContain('validation accuracy');
  for (const { variant } of version.files.filter(({ role }) => role === 'model')) expect(await passesGolden(version, variant ?? '')).toBe(4);
  expect(version.inputs).toEqual([{ name: 'image', dtype: 'uint8', shape: [-1, 16, 16, 1] }]);
  // Whoever knows no names takes the first one.
  expect(version.outputs.map(({ name, shape }) => [name, shape])).toEqual([
    ['probabilities', [-1, 2]],
    ['embedding', [-1, 128]],
  ]);
});

test('a version of a dataset brings its files and what its columns are, and is named in the record', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'blob-1'), messages(400));
  await writeFile(path.join(folder, 'blob-2'), messages(400, 2));
  const file = checkPipeline({
    v: 1,
    name: 'spam',
    ingest: { dataset: 'mails' },
    train: { kind: 'text-linear', bucketBits: 10, wordGrams: 1 },
    evaluate: { repeats: 100 },
  });
  await expect(runIn(folder, file)).rejects.toMatchObject({
    code: 'PIPELINE_INVALID',
    detail: expect.stringContaining('mails is a dataset of a server') as string,
  });
  const blobs: Record<string, string> = { 'a.csv': 'blob-1', 'b.csv': 'blob-2' };
  const dataset = {
    name: 'mails',
    version: 4,
    spec: { kind: 'text' as const, label: 'label', text: ['text'] },
    files: Object.keys(blobs).map((name) => ({ path: name, sha256: '0'.repeat(64) as Digest, bytes: 1 })),
  };
  const { report } = await runIn(folder, file, {}, { dataset, inputs: (name) => path.join(folder, blobs[name] ?? name) });
  expect(report.data).toMatchObject({ dataset: 'mails', version: 4, rows: 800 });
  expect(report.parameters['train.bucketBits']).toBe(10);
});

test('a fault leaves what is known so far, with the stage that failed', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'messages.csv'), messages(300));
  const reports: PipelineReport[] = [];
  const file = checkPipeline({
    v: 1,
    name: 'spam',
    ingest: { files: ['messages.csv'], spec: { kind: 'text', label: 'label', text: ['txt'] } },
    train: { kind: 'text-linear' },
  });
  await expect(runIn(folder, file, { onReport: (report) => void reports.push(report) })).rejects.toMatchObject({
    code: 'TRAINING_DATA_INVALID',
    detail: expect.stringContaining('the text column txt is not there; it has text, label') as string,
  });
  const last = reports.at(-1);
  expect(last?.stages.map(({ name, state }) => `${name} ${state}`).slice(0, 4)).toEqual(['ingest done', 'validate failed', 'split waiting', 'search waiting']);
  checkReport(last as PipelineReport);
});
