import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { syntheticRows } from '../bench/trees/data.ts';
import type { Model } from '../onnx/graph.ts';
import { combineModels } from '../onnx/combine.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { runModel } from '../onnx/session.ts';
import { exportTrees } from '../trees/export-trees.ts';
import type { FeatureColumn, FeatureMatrix } from '../trees/feature-matrix.ts';
import { trainTrees } from '../trees/train-trees.ts';
import { exportLinear } from './export-linear.ts';
import { trainLinear, type LinearModel } from './train-linear.ts';

const matrix = (columns: Record<string, ArrayLike<number>>): FeatureMatrix => {
  const all = Object.values(columns);
  const rows = all[0]?.length ?? 0;
  const values = new Float32Array(rows * all.length);
  all.forEach((column, index) => values.set(Array.from(column), index * rows));
  return { rows, columns: Object.keys(columns).map((name): FeatureColumn => ({ kind: 'number', name })), values };
};

/** What the graph answers. */
async function answers(model: Model, { rows, columns, values }: FeatureMatrix): Promise<Float32Array> {
  const across = new Float32Array(values.length);
  values.forEach((value, at) => (across[(at % rows) * columns.length + Math.floor(at / rows)] = value));
  const results = await runModel(readModel(writeModel(model)), new Map([['features', { type: 'float32', dims: [rows, columns.length], data: across }]]));
  return [...results.values()][0]?.data as Float32Array;
}

/** By the meaning of the model's numbers. */
function marginsOf({ columns, intercept, means, scales, terms }: LinearModel, { rows, values }: FeatureMatrix): number[][] {
  return Array.from({ length: rows }, (_, row) =>
    Array.from(intercept, (start, output) =>
      columns.reduce((sum, column, place) => {
        const term = terms[place];
        if (term === undefined) return sum;
        const value = values[place * rows + row] as number;
        const of = (which: number): number => term[which * intercept.length + output] as number;
        if (column.kind === 'category') return sum + of(value >= 0 && value < column.levels.length ? value : column.levels.length);
        return sum + (Number.isFinite(value) ? (value - (means[place] as number)) * (scales[place] as number) * of(0) : of(1));
      }, start),
    ),
  );
}

const data = syntheticRows(600, 'linear', 3);
const labelsOf = {
  binary: data.labels,
  'multi-class': data.labels.map((label, row) => label + (row % 2)),
  regression: data.labels.map((label, row) => label * 100 + (row % 5)),
};

test('the graph answers what the weights say, also for what is missing and for levels nobody has seen', async () => {
  for (const objective of [{ kind: 'binary' }, { kind: 'multi-class', classes: 3 }, { kind: 'regression' }] as const) {
    const model = await trainLinear({ features: data.features, labels: labelsOf[objective.kind], objective });
    const strange = {
      ...data.features,
      values: data.features.values.map((value, at) => (at % 11 === 0 ? Number.NaN : at % 13 === 0 ? -1 : at % 17 === 0 ? 500 : value)),
    };
    const found = await answers(exportLinear(model), strange);
    const expected = marginsOf(model, strange).flatMap((margins) => {
      if (objective.kind === 'regression') return margins;
      if (objective.kind === 'binary') return margins.flatMap((margin) => [1 / (1 + Math.exp(margin)), 1 / (1 + Math.exp(-margin))]);
      const parts = margins.map(Math.exp);
      return parts.map((part) => part / parts.reduce((sum, each) => sum + each, 0));
    });
    expect(found.length).toBe(expected.length);
    found.forEach((value, at) => expect(Math.abs(value - (expected[at] as number))).toBeLessThan(1e-5 * Math.max(1, Math.abs(value))));
  }
});

test('numbers of any size and spread fit the line they lie on', async () => {
  const random = seededRandom(1);
  const at = Float64Array.from({ length: 300 }, () => random.normal());
  const features = matrix({ large: at.map((value) => Math.fround(1e6 + 1000 * value)), small: at.map((value) => 1e-6 * value ** 2), same: at.map(() => 7) });
  const labels = at.map((value) => 3 * value - 2 * value ** 2 + 5);
  const found = await answers(exportLinear(await trainLinear({ features, labels, objective: { kind: 'regression' }, l2: 0 })), features);
  found.forEach((value, row) => expect(Math.abs(value - (labels[row] as number))).toBeLessThan(2e-3));
});

test('a logistic regression finds the weights of what made the labels', async () => {
  const random = seededRandom(2);
  const x = Float64Array.from({ length: 20_000 }, () => random.normal());
  const labels = x.map((value) => (random.uniform() < 1 / (1 + Math.exp(-(2 * value - 1))) ? 1 : 0));
  const { terms, intercept, scales, means } = await trainLinear({ features: matrix({ x }), labels, objective: { kind: 'binary' } });
  const slope = (terms[0]?.[0] as number) * (scales[0] as number);
  expect(Math.abs(slope - 2)).toBeLessThan(0.1);
  expect(Math.abs((intercept[0] as number) - slope * (means[0] as number) + 1)).toBeLessThan(0.1);
});

test('that a number is missing, or which level it is, is learnt by itself', async () => {
  const x = [1, 2, 3, Number.NaN, Number.NaN, 1, 2, 3];
  const codes = [0, 1, 0, 1, 0, 1, Number.NaN, Number.NaN];
  const features: FeatureMatrix = {
    rows: 8,
    columns: [
      { kind: 'number', name: 'x' },
      { kind: 'category', name: 'c', levels: ['a', 'b'] },
    ],
    values: Float32Array.from([...x, ...codes]),
  };
  const labels = x.map((value, row) => (Number.isNaN(value) ? 50 : value) + ([7, -7][codes[row] as number] ?? 20));
  const found = await answers(exportLinear(await trainLinear({ features, labels, objective: { kind: 'regression' }, l2: 1e-9 })), features);
  found.forEach((value, row) => expect(value).toBeCloseTo(labels[row] as number, 2));
});

test('the constant model says the shares of the classes, or the mean, whatever it is asked', async () => {
  const features = matrix({ x: [1, Number.NaN, Infinity, 4] });
  const shares = await trainLinear({ features, labels: [0, 1, 1, 1], objective: { kind: 'binary' }, constant: true });
  expect(Array.from(await answers(exportLinear(shares), features), (value) => Math.round(value * 1e4) / 1e4)).toEqual([
    0.25, 0.75, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75,
  ]);
  const mean = await trainLinear({ features, labels: [1, 2, 3, 6], objective: { kind: 'regression' }, constant: true });
  expect(Array.from(await answers(exportLinear(mean), features))).toEqual([3, 3, 3, 3]);
});

test('bad labels are refused by row', async () => {
  await expect(trainLinear({ features: matrix({ x: [1, 2] }), labels: [0, 2], objective: { kind: 'binary' } })).rejects.toMatchObject({
    code: 'TRAINING_DATA_INVALID',
  });
});

test('trees and a linear model as one graph answer the weighted mean of what they answer apart', async () => {
  const { features, labels } = data;
  const linear = exportLinear(await trainLinear({ features, labels, objective: { kind: 'binary' } }));
  const trees = exportTrees((await trainTrees({ features, labels, objective: { kind: 'binary' }, options: { trees: 5 }, seed: 1, threads: 1 })).ensemble);
  const parts = await Promise.all([linear, trees, trees].map((model) => answers(model, features)));
  const weights = [1, 0, 3];
  const found = await answers(combineModels([linear, trees, trees], weights), features);
  found.forEach((value, at) => {
    const mean = parts.reduce((sum, part, index) => sum + ((part[at] as number) * (weights[index] as number)) / 4, 0);
    expect(Math.abs(value - mean)).toBeLessThan(1e-6);
  });
  expect(combineModels([linear]).graph.outputs).toEqual(linear.graph.outputs);
  const other = exportLinear(await trainLinear({ features, labels, objective: { kind: 'regression' } }));
  expect(() => combineModels([linear, other])).toThrow(/answers value/);
  const fewer = exportLinear(await trainLinear({ features: matrix({ x: [1, 2] }), labels: [0, 1], objective: { kind: 'binary' } }));
  expect(() => combineModels([linear, fewer])).toThrow(/takes features float32 \[\?, 1\]/);
  expect(() => combineModels([linear], [0])).toThrow(/weights/);
});
