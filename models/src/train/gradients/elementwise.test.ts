import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createModel, floats, int, type Tensor } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import { differentiate } from '../autodiff.ts';
import { createTape, type Tape } from '../tape.ts';
import { awayFromZero, checkGradient, positive, type Values } from '../testing/gradient-check.ts';

const runs = { numRuns: 20 };
const dims3 = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 3 });
const narrowed = fc
  .tuple(dims3, fc.array(fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 4 }), fc.nat(2))
  .map(([dims, flatten, drop]) => flatten.map((axes, index) => dims.map((dim, axis) => (axes[axis] === true ? 1 : dim)).slice(index % 2 === 0 ? 0 : drop)));
/** Values of input `index` of `count`: no two inputs have elements within 0.3 of each other. */
const interleaved =
  (index: number, count: number): Values =>
  (random, length) =>
    Array.from({ length }, () => (random.integer(9) * count + index) * 0.3);

test.each(['Sum', 'Min', 'Max', 'Mean'])('the gradient of %s agrees with differences for any number of inputs that broadcast', async (operator) => {
  await fc.assert(
    fc.asyncProperty(narrowed, fc.nat(), async (shapes, seed) => {
      await checkGradient(
        (tape, input) =>
          tape.add(
            operator,
            shapes.map((dims, index) => input(dims, interleaved(index, shapes.length))),
          ),
        { seed, ...(operator === 'Mean' ? { type: 'float32' } : {}) },
      );
    }),
    runs,
  );
});

test('the gradient of Pow agrees with differences: constant exponents, whole ones, negative bases, exponents of another type', async () => {
  for (const exponent of [1, 2, 3, 0.5, -1, -1.5, 0]) {
    await checkGradient((tape, input) => tape.add('Pow', [input([2, 3], positive), tape.number(exponent, 'x0')]), { seed: 1 });
  }
  const whole: Tensor = { type: 'int64', dims: [3], data: BigInt64Array.of(0n, 2n, 3n) };
  await checkGradient((tape, input) => tape.add('Pow', [input([2, 3], awayFromZero), tape.constant(whole)]), { seed: 2 });
  await checkGradient((tape, input) => tape.add('Pow', [input([2, 3], awayFromZero), tape.number(2, 'x0')]), { seed: 3 });
});

test('the gradient of Where agrees with differences whichever side broadcasts, the condition too', async () => {
  await fc.assert(
    fc.asyncProperty(
      narrowed,
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      fc.nat(),
      async ([left = [], right = [], condition = []], flags, seed) => {
        const data = Uint8Array.from({ length: condition.reduce((count, dim) => count * dim, 1) }, (_, index) => Number(flags[index % 4]));
        await checkGradient((tape, input) => tape.add('Where', [tape.constant({ type: 'bool', dims: condition, data }), input(left), input(right)]), { seed });
      },
    ),
    runs,
  );
});

test('the gradient of Clip agrees with differences for one bound, both, none, and of the bounds', async () => {
  const steps: Values = (random, count) => Array.from({ length: count }, () => random.integer(7) - 3 + 0.4);
  const bounds = (tape: Tape, low: number | undefined, high: number | undefined): string[] =>
    high === undefined ? (low === undefined ? [] : [tape.number(low, 'x0')]) : [low === undefined ? '' : tape.number(low, 'x0'), tape.number(high, 'x0')];
  for (const [low, high] of [
    [undefined, undefined],
    [-1, undefined],
    [undefined, 1],
    [-1, 1],
  ] as const) {
    await checkGradient((tape, input) => tape.add('Clip', [input([9], steps), ...bounds(tape, low, high)]), { seed: 1 });
  }
  await checkGradient((tape, input) => tape.add('Clip', [input([9], steps), input([], () => [-1]), input([], () => [1])]), { seed: 2 });
});

test('the gradient of a Cast comes back in the type of the input, and Dropout lets it through', async () => {
  await checkGradient((tape, input) => tape.add('Mul', [tape.add('Cast', [input([3])], { to: int(11) }), tape.number(3, 'x0')]), { seed: 1 });
  await checkGradient((tape, input) => tape.addMany('Dropout', [input([3]), '', ''].slice(0, 1), {}, 2)[0] ?? '', { seed: 1 });
});

test('the gradient of a Dropout that drops is refused', () => {
  const tape = createTape('dropout');
  const on = tape.constant({ type: 'bool', dims: [], data: Uint8Array.of(1) });
  const x = tape.input('x', 'float32', [2]);
  const loss = tape.add('ReduceSum', [tape.add('Dropout', [x, tape.number(0.5, x), on], {}, 'drop')], { keepdims: int(0) });
  expect(() => differentiate(tape, loss, [x])).toThrow('Dropout drop that drops while it serves');
});

test.each(['Min', 'Max'])('the first of equal inputs of %s takes the gradient', async (operator) => {
  const tape = createTape('tie');
  const names = ['a', 'b', 'c'].map((name) => tape.constant(floats([1], [2]), name));
  const loss = tape.add('ReduceSum', [tape.add(operator, names)], { keepdims: int(0) });
  const gradients = differentiate(tape, loss, names);
  tape.output(
    tape.add(
      'Concat',
      names.map((name) => gradients.get(name) ?? ''),
      { axis: int(0) },
      'slopes',
    ),
  );
  const session = await openSession(writeModel(createModel(tape.finish())));
  expect(Array.from((await session.run({}))['slopes']?.data as Float32Array)).toEqual([1, 0, 0]);
  await session.release();
});
