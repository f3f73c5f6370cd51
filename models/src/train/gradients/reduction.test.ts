import fc from 'fast-check';
import { test } from 'vitest';

import { int, ints, type Attribute } from '../../onnx/graph.ts';
import type { Tape } from '../tape.ts';
import { checkGradient, distinct, normal, positive, awayFromZero, type Values } from '../testing/gradient-check.ts';

const shapes = fc.integer({ min: 1, max: 4 }).chain((rank) => fc.array(fc.integer({ min: 1, max: 4 }), { minLength: rank, maxLength: rank }));
const runs = { numRuns: 20 };

const reductions: Record<string, Values> = {
  ReduceSum: normal,
  ReduceMean: normal,
  ReduceMax: distinct,
  ReduceMin: distinct,
  ReduceProd: normal,
  ReduceSumSquare: normal,
  ReduceL1: awayFromZero,
  ReduceL2: awayFromZero,
  ReduceLogSum: positive,
  ReduceLogSumExp: normal,
};

/** With nothing to reduce the runtime does not do what the standard says. */
const isRefused = (operator: string): boolean => /^Reduce(Max|Min|Prod)$/.test(operator);

const reductionCase = fc.record({
  dims: shapes,
  axes: fc.subarray([0, 1, 2, 3]),
  negative: fc.boolean(),
  keep: fc.boolean(),
  noop: fc.boolean(),
  opset: fc.constantFrom(17, 18, 21),
});

test.each(Object.entries(reductions))('the gradient of %s agrees with differences: any axes, kept or not, as attribute or input', async (operator, values) => {
  await fc.assert(
    fc.asyncProperty(reductionCase, fc.nat(), async ({ dims, axes, negative, keep, noop, opset }, seed) => {
      const chosen = axes.filter((axis) => axis < dims.length).map((axis) => (negative ? axis - dims.length : axis));
      const asInput = operator === 'ReduceSum' || opset >= 18;
      const attributes: Record<string, Attribute> = {
        keepdims: int(keep ? 1 : 0),
        ...(asInput && noop && !isRefused(operator) ? { noop_with_empty_axes: int(1) } : {}),
        ...(!asInput && chosen.length > 0 ? { axes: ints(chosen) } : {}),
      };
      const rest = (tape: Tape): string[] => (asInput && chosen.length > 0 ? [tape.longs(chosen)] : []);
      await checkGradient((tape, input) => tape.add(operator, [input(dims, values), ...rest(tape)], attributes), { seed, opset });
    }),
    runs,
  );
});

test('the gradient of a product of numbers of which some are 0 agrees with differences', async () => {
  for (const zeros of [1, 2, 3]) {
    const values: Values = (_, count) => Array.from({ length: count }, (__, index) => (index < zeros ? 0 : index + 0.5));
    await checkGradient((tape, input) => tape.add('ReduceProd', [input([2, 3], values)], { axes: ints([1]) }), { seed: zeros });
  }
});

test('equal extremes share the gradient, and the length of nothing has none', async () => {
  // A difference sees the one-sided slopes in their mean, which is what sharing evenly makes of two.
  await checkGradient(
    (tape, input) => tape.add('ReduceMax', [tape.add('Mul', [input([1], () => [2]), tape.add('Expand', [tape.number(1, 'x0'), tape.longs([2])])])]),
    {
      seed: 1,
    },
  );
  await checkGradient((tape, input) => tape.add('ReduceL2', [tape.add('Mul', [input([3]), tape.number(0, 'x0')])]), { seed: 2 });
});

const axisCase = fc.tuple(shapes, fc.nat(3), fc.boolean()).map(([dims, place, negative]) => {
  const axis = place % dims.length;
  return { dims, axis: negative ? axis - dims.length : axis };
});

test.each(['Softmax', 'LogSoftmax'])('the gradient of %s agrees with differences along any axis', async (operator) => {
  await fc.assert(
    fc.asyncProperty(axisCase, fc.nat(), async ({ dims, axis }, seed) => {
      await checkGradient((tape, input) => tape.add(operator, [input(dims)], axis === -1 ? {} : { axis: int(axis) }), { seed });
    }),
    runs,
  );
});

test('the gradient of CumSum agrees with differences: either end, with or without the element itself', async () => {
  await fc.assert(
    fc.asyncProperty(axisCase, fc.nat(1), fc.nat(1), fc.nat(), async ({ dims, axis }, exclusive, reverse, seed) => {
      const attributes = { exclusive: int(exclusive), reverse: int(reverse) };
      await checkGradient((tape, input) => tape.add('CumSum', [input(dims), tape.longs([axis])], attributes), { seed });
    }),
    runs,
  );
});

test('the gradient of the values of TopK agrees with differences', async () => {
  await fc.assert(
    fc.asyncProperty(axisCase, fc.nat(3), fc.nat(1), fc.nat(), async ({ dims, axis }, more, largest, seed) => {
      const count = 1 + (more % (dims.at(axis) ?? 1));
      const attributes = { axis: int(axis), largest: int(largest) };
      await checkGradient((tape, input) => tape.addMany('TopK', [input(dims, distinct), tape.longs([count])], attributes, 2)[0] ?? '', { seed });
    }),
    runs,
  );
});
