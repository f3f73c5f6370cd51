import { expect, test } from 'vitest';

import { confidenceStatistic } from '@serin/inference/records';
import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { makeProfile } from '../package/profile.ts';
import type { LearningFacts, Part } from './part.ts';
import { referenceOf } from './reference.ts';
import type { ModelFacts } from './stages/train.ts';

/** Says "yes" with the probability that the only column has, and that twice as its embedding. */
function echo(): Uint8Array {
  const builder = createGraphBuilder('echo');
  const features = builder.input('features', 'float32', ['N', 1]);
  const no = builder.add('Sub', [builder.constant(floats([1], [1])), features]);
  builder.add('Concat', [no, features], { axis: int(1) }, ['probabilities']);
  builder.add('Concat', [features, features], { axis: int(1) }, ['embedding']);
  builder.output('probabilities', 'float32', ['N', 2]);
  builder.output('embedding', 'float32', ['N', 2]);
  return writeModel(createModel(builder.finish()));
}

const rows = 400;
const random = seededRandom('reference');
const chance = Float64Array.from({ length: rows }, () => Math.fround(random.uniform()));
const part = {
  rows,
  labels: Float64Array.from(chance, (p) => (random.uniform() < p ? 1 : 0)),
  groups: undefined,
  table: { rows, columns: [{ kind: 'number', name: 'chance', values: chance }] },
  pixels: undefined,
} satisfies Part;
const facts = { kind: 'table', task: 'classification', labels: ['no', 'yes'], frame: null } as unknown as LearningFacts;
const trained = { preprocessing: { v: 1, kind: 'table', columns: [{ kind: 'number', name: 'chance' }] }, importance: null } as unknown as ModelFacts;

test('the reference answers as devices decide, so that their confidence is compared with its like, and brings the embedding', async () => {
  const decision = { label: 1, threshold: 0.8 };
  const reference = await referenceOf({ model: echo(), trained, part, facts, decision, calibration: { scale: 0.5, bias: [0, 0] }, signal: undefined });
  const { answers, embeddings, statistics } = reference;
  expect(Object.keys(statistics)).toEqual(['column/chance', confidenceStatistic]);
  expect(Array.from(answers?.predicted ?? [])).toEqual(Array.from(chance, (p) => (p >= Math.fround(0.8) ? 1 : 0)));
  // A "no" at a chance of .7 is as sure as it is likely: not even a half.
  expect(Math.min(...Array.from(answers?.confidence ?? []))).toBeLessThan(0.3);
  expect(statistics[confidenceStatistic]).toBe(answers?.confidence);
  expect(embeddings?.width).toBe(2);
  expect(Array.from(embeddings?.values ?? []).slice(0, 4)).toEqual([chance[0], chance[0], chance[1], chance[1]]);

  const profile = makeProfile({ ...reference, framesPerWindow: 50, random: seededRandom(1), origin: 'a test' });
  expect(profile.classConfidence?.reduce((sum, count) => sum + count, 0)).toBe(rows);
  expect(profile.calibration?.temperature).toBe(2);
  // The column is the very chance of a yes, so confidence is calibrated but for the luck of 400 rows.
  expect(profile.calibration?.ece).toBeLessThan(0.09);
  expect(profile.embedding?.nullMmd).toHaveLength(400);
});

test('a model of values has an answer that drifts, and neither classes nor confidence', async () => {
  const builder = createGraphBuilder('values');
  builder.add('Identity', [builder.input('features', 'float32', ['N', 1])], {}, ['value']);
  builder.output('value', 'float32', ['N', 1]);
  const model = writeModel(createModel(builder.finish()));
  const regression = { ...facts, task: 'regression', labels: [] } as LearningFacts;
  const reference = await referenceOf({ model, trained, part, facts: regression, decision: undefined, calibration: null, signal: undefined });
  expect(Object.keys(reference)).toEqual(['statistics']);
  expect(Object.keys(reference.statistics)).toEqual(['column/chance', 'answer']);
});
