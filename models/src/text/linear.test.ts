import { seededRandom } from '@serin/inference/random';
import type { TextEntries } from '@serin/inference/text/prepare';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { runModel } from '../onnx/session.ts';
import { crossEntropyOf } from '../deploy/temperature.ts';
import { fitLinear, linearModel, scoreRows, type LinearSettings, type Scaling } from './linear.ts';
import { joinRows, sparseRows } from './sparse.ts';

const width = 256;
const settings = (changes: Partial<LinearSettings> = {}, classes = 2): LinearSettings => ({
  l2: 1e-3,
  scaling: 'none',
  classWeights: Array.from({ length: classes }, () => 1),
  iterationsMax: 300,
  tolerance: 1e-7,
  ...changes,
});

/** Rows whose class leans towards buckets of its own. */
function drawRows(count: number, classes: number, seed: number): { rows: TextEntries[]; labels: number[] } {
  const random = seededRandom(seed);
  const labels = Array.from({ length: count }, () => random.integer(classes));
  const rows = labels.map((label) => {
    const buckets = new Set(Array.from({ length: 8 }, () => (random.uniform() < 0.4 ? label * 10 + random.integer(10) : random.integer(width))));
    return { buckets: Int32Array.from(buckets), weights: Float32Array.from(buckets, () => random.between(0.1, 1)) };
  });
  return { rows, labels };
}

test.each([2, 4])('at the end the loss has no slope, with %i classes', async (classes) => {
  const { rows, labels } = drawRows(200, classes, 1);
  const sparse = sparseRows(rows, width);
  const { weights, loss, converged } = await fitLinear(sparse, labels, classes, settings({}, classes));
  expect(converged).toBe(true);
  const lossAt = (table: Float32Array, bias: Float32Array): number =>
    crossEntropyOf(scoreRows(sparse, { columns: weights.columns, table, bias }), labels, weights.columns) +
    (1e-3 / 2) * table.reduce((sum, weight) => sum + weight * weight, 0);
  expect(lossAt(weights.table, weights.bias)).toBeCloseTo(loss, 6);
  const random = seededRandom('directions');
  for (let round = 0; round < 10; round += 1) {
    const table = weights.table.map((weight) => weight + 0.01 * random.normal());
    const bias = weights.bias.map((weight) => weight + 0.01 * random.normal());
    expect(lossAt(table, bias)).toBeGreaterThan(loss);
  }
});

test.each([2, 3])('the graph gives the probabilities of the scores, with %i classes', async (classes) => {
  const { rows, labels } = drawRows(100, classes, 2);
  const sparse = sparseRows(rows, width);
  const { weights } = await fitLinear(sparse, labels, classes, settings({}, classes));
  const longest = Math.max(...rows.map(({ buckets }) => buckets.length)) + 3;
  const buckets = new BigInt64Array(rows.length * longest);
  const shares = new Float32Array(rows.length * longest);
  rows.forEach((row, index) => {
    row.buckets.forEach((bucket, place) => (buckets[index * longest + place] = BigInt(bucket)));
    shares.set(row.weights, index * longest);
  });
  const dims = [rows.length, longest];
  const outputs = await runModel(
    linearModel(weights),
    new Map([
      ['buckets', { type: 'int64', dims, data: buckets }],
      ['weights', { type: 'float32', dims, data: shares }],
    ] as const),
  );
  const probabilities = outputs.get('probabilities')?.data as Float32Array;
  const scores = scoreRows(sparse, weights);
  rows.forEach((_, row) => {
    const own = classes === 2 ? [0, scores[row] ?? 0] : Array.from(scores.subarray(row * classes, (row + 1) * classes));
    const whole = own.reduce((sum, score) => sum + Math.exp(score), 0);
    own.forEach((score, column) => expect(probabilities[row * classes + column]).toBeCloseTo(Math.exp(score) / whole, 5));
  });
});

test.each<Scaling>(['none', 'rarity', 'log-ratio'])('texts not learnt from are told apart, scaled by %s', async (scaling) => {
  const { rows, labels } = drawRows(600, 2, 3);
  const { weights } = await fitLinear(sparseRows(rows.slice(0, 400), width), labels.slice(0, 400), 2, settings({ scaling, l2: 1e-2 }));
  const scores = scoreRows(sparseRows(rows.slice(400), width), weights);
  const right = labels.slice(400).filter((label, row) => (scores[row] ?? 0) > 0 === (label === 1)).length;
  expect(right).toBeGreaterThan(170);
});

test('equal data give equal weights, bit for bit, and rows that are joined are as good as rows of one piece', async () => {
  const { rows, labels } = drawRows(120, 3, 4);
  const whole = await fitLinear(sparseRows(rows, width), labels, 3, settings({}, 3));
  const joined = await fitLinear(joinRows(sparseRows(rows.slice(0, 50), width), sparseRows(rows.slice(50), width)), labels, 3, settings({}, 3));
  expect(joined.weights).toEqual(whole.weights);
});

test('a class that weighs more is said more often', async () => {
  const { rows, labels } = drawRows(200, 2, 5);
  const sparse = sparseRows(rows, width);
  const saidOf = async (classWeights: number[]): Promise<number> =>
    scoreRows(sparse, (await fitLinear(sparse, labels, 2, settings({ classWeights, l2: 0.1 }))).weights).filter((score) => score > 0).length;
  expect(await saidOf([1, 10])).toBeGreaterThan(await saidOf([1, 1]));
});

test('buckets that never occur say nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(100), async (seed) => {
      const { rows, labels } = drawRows(20, 2, seed);
      const { weights } = await fitLinear(sparseRows(rows, width), labels, 2, settings());
      const used = new Set(rows.flatMap(({ buckets }) => Array.from(buckets)));
      weights.table.forEach((weight, bucket) => expect(weight !== 0 && !used.has(bucket)).toBe(false));
    }),
    { numRuns: 20 },
  );
});

test('it can be cancelled in the middle', async () => {
  const { rows, labels } = drawRows(100, 2, 6);
  const stop = new AbortController();
  let iterations = 0;
  const fit = fitLinear(sparseRows(rows, width), labels, 2, settings(), {
    signal: stop.signal,
    onProgress: ({ iteration }) => {
      iterations = iteration;
      if (iteration === 2) stop.abort();
    },
  });
  await expect(fit).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(iterations).toBe(2);
});
