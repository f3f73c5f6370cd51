import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import type { StageContext } from './stage.ts';
import { writeModel } from '../onnx/model-file.ts';
import { defineModel } from '../train/layers.ts';
import { answersOf } from './answers.ts';
import type { DataFacts, Part } from './part.ts';
import { robustnessOf } from './robustness.ts';
import { customers, runIn, tablePipeline, workshop } from './testing/data.ts';

test('a gate on what records may suffer holds what was measured against its limit', async () => {
  const folder = await workshop();
  await writeFile(path.join(folder, 'customers.csv'), customers(1200));
  const gate = { limits: {}, beatBaseline: false, robustness: { missing: { dropMax: 1e-9 }, jitter: { dropMax: 1 } } };
  const train = { kind: 'trees', trees: 30, leaves: 6, patience: 0 };
  const { report } = await runIn(folder, tablePipeline({ train, gate, evaluate: { repeats: 100 } }));
  const found = report.gate?.checks.filter(({ name }) => /missing|jitter/.test(name)) ?? [];
  expect(found.map(({ name, passed }) => [/missing|jitter/.exec(name)?.[0], passed])).toEqual([
    ['missing', false],
    ['jitter', true],
  ]);
  expect(found[0]?.words).toMatch(/severity \d/);
});

test('of pictures a seeded draw is changed in every way, the attack among them', async () => {
  const size = 8;
  const rows = 320;
  const model = writeModel(
    defineModel('dots', 2, (nn) => {
      nn.output('probabilities', nn.softmax(nn.dense(nn.flatten(nn.relu(nn.conv(nn.image('image', size, size, 1), 4))), 2)));
    }),
  );
  const random = seededRandom(1);
  const facts = { kind: 'images', task: 'classification', labels: ['a', 'b'], features: [], frame: { size, channels: 1 }, positive: null, slices: [] };
  const frame = { size, channels: 1 } as const;
  const blank: Part = {
    rows,
    labels: new Float64Array(rows),
    groups: undefined,
    table: { rows, columns: [] },
    pixels: Uint8Array.from({ length: rows * size * size }, () => random.integer(256)),
  };
  const { values } = await answersOf(model, undefined, blank, frame, { signal: undefined });
  const test: Part = { ...blank, labels: Float64Array.from({ length: rows }, (_, row) => ((values[2 * row + 1] ?? 0) > 0.5 ? 1 : 0)) };
  const context = { plan: { file: tablePipeline({ evaluate: { repeats: 100 } }) }, signal: undefined, progress: () => undefined } as unknown as StageContext;
  const found = await robustnessOf(context, {
    facts: facts as unknown as DataFacts,
    preprocessing: undefined,
    trained: model,
    deployed: model,
    test,
    deciding: { threshold: null, costs: null },
    metric: 'accuracy',
  });
  expect(found).toMatchObject({ metric: 'accuracy', count: 300, clean: { value: 1 }, left: [] });
  expect(new Set(found.perturbed.map(({ kind }) => kind)).size).toBe(9);
  expect(found.perturbed.find(({ kind, severity }) => kind === 'fgsm' && severity === 3)?.drop?.low).toBeGreaterThan(0);
});
