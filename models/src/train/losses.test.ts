import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createModel, elementCount, floats, type Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { differentiate } from './autodiff.ts';
import { focal, heatMapFocal, l1, mse, sigmoidCrossEntropy, smoothL1, softmaxCrossEntropy, sumOf, type Loss } from './losses.ts';
import { createTape } from './tape.ts';

interface Outcome {
  readonly loss: number;
  /** Of the first output of the model. */
  readonly gradient: readonly number[];
  readonly parts: Readonly<Record<string, number>>;
}

/** What a loss says of these outputs of a model and these targets, and its slope. */
async function lossOf(loss: Loss, outputs: Readonly<Record<string, Tensor>>, targets: Readonly<Record<string, Tensor>>): Promise<Outcome> {
  const tape = createTape('loss');
  const asked = new Set<string>();
  const parts = new Map<string, string>();
  for (const [name, { type, dims }] of Object.entries(outputs)) tape.input(name, type, dims);
  const value = loss({
    tape,
    output: (name) => name,
    target: (name, type, dims) => {
      expect(targets[name]).toMatchObject({ type, dims });
      if (!asked.has(name)) tape.input(name, type, dims);
      asked.add(name);
      return name;
    },
    part: (name, part) => parts.set(name, part),
  });
  const first = Object.keys(outputs)[0] ?? '';
  const gradient = tape.add('Identity', [differentiate(tape, value, [first]).get(first) ?? '']);
  for (const output of [value, gradient, ...parts.values()]) tape.output(output);
  const session = await openSession(writeModel(createModel(tape.finish())));
  try {
    const given = Object.entries({ ...outputs, ...targets }).filter(([name]) => name in outputs || asked.has(name));
    const found = await session.run(Object.fromEntries(given.map(([name, { type, data, dims }]) => [name, runtimeTensor(type, data, dims)])));
    return {
      loss: Number(found[value]?.data[0]),
      gradient: Array.from(found[gradient]?.data as Float32Array),
      parts: Object.fromEntries([...parts].map(([name, part]) => [name, Number(found[part]?.data[0])])),
    };
  } finally {
    await session.release();
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Plain formulas in float64, element by element or row by row, written without an eye on this code's. */
const surprise = (score: number, target: number): number => target * softplus(-score) + (1 - target) * softplus(score);
const rowEntropy = (scores: readonly number[], targets: readonly number[], weights?: readonly number[]): number => {
  const highest = Math.max(...scores);
  const logSum = highest + Math.log(sum(scores.map((score) => Math.exp(score - highest))));
  return -sum(scores.map((score, index) => (targets[index] ?? 0) * (weights?.[index] ?? 1) * (score - logSum)));
};
const focalOf = (score: number, target: number, gamma: number, alpha: number): number =>
  target * alpha * sigmoid(-score) ** gamma * softplus(-score) + (1 - target) * (1 - alpha) * sigmoid(score) ** gamma * softplus(score);
const huber = (difference: number, beta: number): number => (Math.abs(difference) < beta ? difference ** 2 / (2 * beta) : Math.abs(difference) - beta / 2);

const near = (found: number, expected: number): void => {
  expect(Number.isFinite(found)).toBe(true);
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(expected)));
};

/** Ordinary scores, and such as make exponentials overflow. */
const score = fc.oneof(fc.double({ min: -5, max: 5, noNaN: true }), fc.constantFrom(-1e4, -90, 0, 90, 1e4)).map(Math.fround);
const share = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1)).map(Math.fround);
const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
const listOf = (values: fc.Arbitrary<number>, length: number): fc.Arbitrary<number[]> => fc.array(values, { minLength: length, maxLength: length });

interface Case {
  readonly dims: number[];
  readonly scores: number[];
  readonly targets: number[];
  readonly weights: number[];
}
const cases: fc.Arbitrary<Case> = shape.chain((dims) => {
  const count = elementCount(dims);
  return fc.record({ dims: fc.constant(dims), scores: listOf(score, count), targets: listOf(share, count), weights: listOf(fc.constantFrom(0, 1), count) });
});

const check = (test: (one: Case) => Promise<void>) => fc.assert(fc.asyncProperty(cases, test), { numRuns: 40 });
const tensors = ({ dims, scores, targets, weights }: Case) =>
  [{ y: floats(dims, scores) }, { targets: floats(dims, targets), mask: floats(dims, weights) }] as const;
const allFinite = (values: readonly number[]): void => expect(values.filter((value) => !Number.isFinite(value))).toEqual([]);
const maskedMean = (values: readonly number[], weights: readonly number[]): number =>
  sum(values.map((value, index) => value * (weights[index] ?? 0))) / Math.max(1, sum(weights));

describe('softmax cross-entropy', () => {
  test('is the mean over the rows of the plain formula, smoothed and weighted by class', () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })).chain(([rows, classes]) =>
          fc.record({
            dims: fc.constant([rows, classes]),
            scores: listOf(score, rows * classes),
            labels: listOf(fc.nat(classes - 1), rows),
            classWeights: listOf(fc.double({ min: 0.1, max: 3, noNaN: true }).map(Math.fround), classes),
            smoothing: fc.constantFrom(0, 0.1, 1),
            weighted: fc.boolean(),
          }),
        ),
        async ({ dims, scores, labels, classWeights, smoothing, weighted }) => {
          const classes = dims[1] ?? 1;
          const hot = labels.map((label) => Array.from({ length: classes }, (_, index) => (index === label ? 1 : 0)));
          const smooth = hot.map((row) => row.map((value) => value * (1 - smoothing) + smoothing / classes));
          const loss = softmaxCrossEntropy({ logits: 'y', smoothing, ...(weighted ? { classWeights } : {}) });
          const found = await lossOf(loss, { y: floats(dims, scores) }, { targets: floats(dims, hot.flat()) });
          near(
            found.loss,
            mean(smooth.map((row, index) => rowEntropy(scores.slice(index * classes, (index + 1) * classes), row, weighted ? classWeights : undefined))),
          );
          allFinite(found.gradient);
        },
      ),
      { numRuns: 40 },
    ));

  test('its slope is the probabilities less the targets, over the rows', async () => {
    const { gradient } = await lossOf(
      softmaxCrossEntropy({ logits: 'y' }),
      { y: floats([2, 2], [0, 0, 1e4, -1e4]) },
      { targets: floats([2, 2], [1, 0, 0, 1]) },
    );
    expect(gradient).toEqual([-0.25, 0.25, 0.5, -0.5]);
  });

  test('takes its classes from any axis, and asks nothing where the mask is 0', async () => {
    const rows = [
      [1, 2, 3],
      [0, -1, 4],
    ];
    const hot = [
      [0, 1, 0],
      [1, 0, 0],
    ];
    const across = (table: number[][]): number[] => [0, 1, 2].flatMap((column) => table.map((row) => row[column] ?? 0));
    const ask = (weights: number[]) =>
      lossOf(
        softmaxCrossEntropy({ logits: 'y', axis: 1, mask: { name: 'mask', dims: [1, 2] } }),
        { y: floats([1, 3, 2], across(rows)) },
        { targets: floats([1, 3, 2], across(hot)), mask: floats([1, 2], weights) },
      );
    near((await ask([1, 1])).loss, mean([rowEntropy(rows[0] ?? [], hot[0] ?? []), rowEntropy(rows[1] ?? [], hot[1] ?? [])]));
    near((await ask([0, 1])).loss, rowEntropy(rows[1] ?? [], hot[1] ?? []));
    expect(await ask([0, 0])).toMatchObject({ loss: expect.closeTo(0) as number, gradient: across(rows).map(() => expect.closeTo(0) as number) });
  });

  test('a number of class weights that is not that of the classes is refused', async () => {
    const loss = softmaxCrossEntropy({ logits: 'y', classWeights: [1, 2] });
    await expect(lossOf(loss, { y: floats([1, 3], [1, 2, 3]) }, { targets: floats([1, 3], [1, 0, 0]) })).rejects.toThrow(
      /2 class weights, the scores are \[1, 3\]/,
    );
  });
});

describe('sigmoid cross-entropy', () => {
  test('is the mean of the plain formula, smoothed', () =>
    check(async (one) => {
      const found = await lossOf(sigmoidCrossEntropy({ logits: 'y', smoothing: 0.2 }), ...tensors(one));
      near(found.loss, mean(one.scores.map((value, index) => surprise(value, (one.targets[index] ?? 0) * 0.8 + 0.1))));
      allFinite(found.gradient);
    }));

  test('its slope is the probability less the target, over the count', async () => {
    const { gradient } = await lossOf(sigmoidCrossEntropy({ logits: 'y' }), { y: floats([4], [0, 1e4, -1e4, 1e4]) }, { targets: floats([4], [1, 1, 1, 0]) });
    expect(gradient).toEqual([-0.125, 0, -0.25, 0.25]);
  });

  test('asks nothing where the mask is 0', () =>
    check(async (one) => {
      const found = await lossOf(sigmoidCrossEntropy({ logits: 'y', mask: { name: 'mask', dims: one.dims } }), ...tensors(one));
      near(
        found.loss,
        maskedMean(
          one.scores.map((value, index) => surprise(value, one.targets[index] ?? 0)),
          one.weights,
        ),
      );
      expect(found.gradient.filter((slope, index) => one.weights[index] === 0 && slope !== 0)).toEqual([]);
    }));
});

describe('focal loss', () => {
  test.each([0, 0.5, 1, 2, 3.5])('is the mean of the plain formula, with slopes that are finite, for gamma %s', (gamma) =>
    check(async (one) => {
      const found = await lossOf(focal({ logits: 'y', gamma, alpha: 0.3 }), ...tensors(one));
      near(found.loss, mean(one.scores.map((value, index) => focalOf(value, one.targets[index] ?? 0, gamma, 0.3))));
      allFinite(found.gradient);
    }),
  );

  test('without focus is half the cross-entropy', () =>
    check(async (one) => {
      const [outputs, targets] = tensors(one);
      const plain = await lossOf(sigmoidCrossEntropy({ logits: 'y' }), outputs, targets);
      near((await lossOf(focal({ logits: 'y', gamma: 0, alpha: 0.5 }), outputs, targets)).loss, plain.loss / 2);
    }));

  test('with everything masked out is 0', () =>
    check(async (one) => {
      const found = await lossOf(focal({ logits: 'y', mask: { name: 'mask', dims: one.dims } }), ...tensors({ ...one, weights: one.weights.map(() => 0) }));
      expect(found.loss).toBe(0);
      allFinite(found.gradient);
    }));
});

test('heat map loss forgives what is near a centre and is taken over the number of centres', () =>
  check(async (one) => {
    const found = await lossOf(heatMapFocal({ logits: 'y', targets: 'targets' }), ...tensors(one));
    const each = one.scores.map((value, index) => {
      const target = one.targets[index] ?? 0;
      const [hit, miss] = [sigmoid(-value) ** 2 * softplus(-value), sigmoid(value) ** 2 * softplus(value)];
      return target === 1 ? hit : (1 - target) ** 4 * miss;
    });
    near(found.loss, sum(each) / Math.max(1, one.targets.filter((target) => target === 1).length));
    allFinite(found.gradient);
  }));

describe('regression', () => {
  const losses: [string, (mask?: { name: string; dims: number[] }) => Loss, (difference: number) => number][] = [
    ['mean absolute error', (mask) => l1({ prediction: 'y', ...(mask && { mask }) }), Math.abs],
    ['mean squared error', (mask) => mse({ prediction: 'y', ...(mask && { mask }) }), (difference) => difference ** 2],
    ['smooth L1', (mask) => smoothL1({ prediction: 'y', ...(mask && { mask }) }), (difference) => huber(difference, 1)],
    ['smooth L1 of another bend', (mask) => smoothL1({ prediction: 'y', beta: 0.3, ...(mask && { mask }) }), (difference) => huber(difference, 0.3)],
    ['smooth L1 without a bend', (mask) => smoothL1({ prediction: 'y', beta: 0, ...(mask && { mask }) }), Math.abs],
  ];
  test.each(losses)('%s is the mean of the plain formula', (_, loss, formula) =>
    check(async (one) => {
      const found = await lossOf(loss(), ...tensors(one));
      near(found.loss, mean(one.scores.map((value, index) => formula(value - (one.targets[index] ?? 0)))));
      allFinite(found.gradient);
    }),
  );

  test.each(losses)('%s is the mean over what the mask leaves, 0 where it leaves nothing', (_, loss, formula) =>
    check(async (one) => {
      const found = await lossOf(loss({ name: 'mask', dims: one.dims }), ...tensors(one));
      const each = one.scores.map((value, index) => formula(value - (one.targets[index] ?? 0)));
      near(found.loss, maskedMean(each, one.weights));
      allFinite(found.gradient);
    }),
  );

  test('a mask may be narrower than the prediction', async () => {
    const loss = l1({ prediction: 'y', mask: { name: 'mask', dims: [2, 1] } });
    const found = await lossOf(loss, { y: floats([2, 2], [1, 2, 30, 40]) }, { targets: floats([2, 2], [0, 0, 0, 0]), mask: floats([2, 1], [1, 0]) });
    expect(found).toMatchObject({ loss: 1.5, gradient: [0.5, 0.5, 0, 0] });
  });
});

test('a sum weighs its parts and reports each on its own', async () => {
  const loss = sumOf({ size: [l1({ prediction: 'y' }), 2], square: [mse({ prediction: 'y' }), 1] });
  const found = await lossOf(loss, { y: floats([2], [1, 3]) }, { targets: floats([2], [0, 0]) });
  expect(found.parts).toEqual({ size: 2, square: 5 });
  expect(found.loss).toBe(9);
  expect(found.gradient).toEqual([1 + 1, 1 + 3]);
});
