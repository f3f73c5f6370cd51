import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { FeatureColumn } from '@serin/protocol/bundle/preprocessing';

import { seededRandom } from '../random.ts';
import type { TreeEnsemble } from './ensemble.ts';
import { createExplainer, explainRow } from './explain.ts';
import { goesLeft, marginsOf, rowMajor } from './predict.ts';
import { quadrature } from './quadrature.ts';
import { reasonsFor } from './reasons.ts';
import { randomEnsemble, randomRows } from './testing/random-ensemble.ts';

/** What a tree says of a row of which only some features are known, a bit each. */
function partial(trees: TreeEnsemble, node: number, row: Float32Array, known: number): number {
  const feature = trees.feature[node] as number;
  if (feature < 0) return trees.value[node] as number;
  const [left, right] = [node + 1, trees.right[node] as number];
  if (((known >> feature) & 1) === 1) return partial(trees, goesLeft(trees, node, row[feature] as number) ? left : right, row, known);
  const [many, few] = [trees.cover[left] as number, trees.cover[right] as number];
  return (many * partial(trees, left, row, known) + few * partial(trees, right, row, known)) / (many + few);
}

/** By the definition: over all coalitions. */
function shapley(trees: TreeEnsemble, output: number, row: Float32Array): number[] {
  const features = row.length;
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  const worth = (known: number): number =>
    Array.from(trees.roots.subarray(0, -1)).reduce((sum, root, tree) => sum + (tree % trees.base.length === output ? partial(trees, root, row, known) : 0), 0);
  const worths = Array.from({ length: 2 ** features }, (_, known) => worth(known));
  return Array.from(row, (_, feature) =>
    worths.reduce((sum, alone, known) => {
      if (((known >> feature) & 1) === 1) return sum;
      const size = known.toString(2).replaceAll('0', '').length;
      return sum + ((factorial(size) * factorial(features - 1 - size)) / factorial(features)) * ((worths[known | (1 << feature)] as number) - alone);
    }, 0),
  );
}

test('contributions are the Shapley values by their definition, also of missing values, levels and several classes', () => {
  const kinds = fc.array(fc.constantFrom(0, 0, 3, 40), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(1, 3), kinds, (seed, outputs, levels) => {
      const random = seededRandom(seed);
      const trees = randomEnsemble(random, { link: outputs === 1 ? 'identity' : 'softmax', outputs, levels, trees: 2, leavesMax: 14 });
      const row = randomRows(random, levels, 1);
      const found = new Float64Array(levels.length * outputs);
      explainRow(createExplainer(trees), rowMajor(row, levels.length), 0, found);
      for (let output = 0; output < outputs; output += 1) {
        shapley(trees, output, row).forEach((value, feature) =>
          expect(Math.abs(value - (found[output * levels.length + feature] as number))).toBeLessThan(1e-9),
        );
      }
    }),
    { numRuns: 150 },
  );
});

test('contributions and what is expected add up to the margin, in deep trees of many features too', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 300 }), (seed, features, leavesMax) => {
      const random = seededRandom(seed);
      const levels = Array.from({ length: features }, (_, feature) => (feature % 3 === 2 ? 12 : 0));
      const trees = randomEnsemble(random, { link: 'identity', outputs: 1, levels, trees: 5, leavesMax });
      const rows = rowMajor(randomRows(random, levels, 4), features);
      const margins = marginsOf(trees, rows, 4);
      const explainer = createExplainer(trees);
      for (let row = 0; row < 4; row += 1) {
        const found = new Float64Array(features);
        explainRow(explainer, rows, row, found);
        const sum = found.reduce((total, each) => total + each, explainer.expected[0] as number);
        expect(Math.abs(sum - (margins[row] as number))).toBeLessThan(1e-6);
      }
    }),
    { numRuns: 40 },
  );
});

test('a quadrature integrates polynomials exactly as far as its degree goes', () => {
  for (let count = 1; count <= 40; count += 1) {
    const { points, weights } = quadrature(count);
    for (let degree = 0; degree < 2 * count; degree += 1) {
      const integral = points.reduce((sum, point, index) => sum + (weights[index] as number) * point ** degree, 0);
      expect(Math.abs(integral - 1 / (degree + 1))).toBeLessThan(1e-13);
    }
  }
});

test('reasons name what says most, with its value, and what the others add up to', () => {
  const random = seededRandom(5);
  const levels = [0, 3, 0, 0];
  const trees = randomEnsemble(random, { link: 'softmax', outputs: 2, levels, trees: 6, leavesMax: 12 });
  const columns = levels.map((count, index): FeatureColumn =>
    count > 0 ? { kind: 'category', name: 'colour', levels: ['red', 'green', 'blue'] } : { kind: 'number', name: `x${index}` },
  );
  const row = Float32Array.of(0.5, 2, Number.NaN, -3);
  const { expected, margin, reasons, rest } = reasonsFor(createExplainer(trees), rowMajor(row, 4), 0, { columns, count: 2, output: 1 });
  const all = reasonsFor(createExplainer(trees), rowMajor(row, 4), 0, { columns, count: 9, output: 1 });
  expect(reasons).toEqual(all.reasons.slice(0, 2));
  expect(all.reasons.find(({ name }) => name === 'colour')?.value ?? 'blue').toBe('blue');
  expect(all.reasons.find(({ name }) => name === 'x2')?.value ?? null).toBeNull();
  expect(expected + reasons.reduce((sum, { contribution }) => sum + contribution, rest)).toBeCloseTo(margin, 9);
  expect(margin).toBeCloseTo(marginsOf(trees, rowMajor(row, 4), 1)[1] as number, 9);
  const sizes = all.reasons.map(({ contribution }) => Math.abs(contribution));
  expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
});
