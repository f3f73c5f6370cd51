import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createModel, float, floats, int, text, type Attribute } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession } from '../../onnx/session.ts';
import { differentiate } from '../autodiff.ts';
import { createTape } from '../tape.ts';
import { awayFromZero, checkGradient, type Values } from '../testing/gradient-check.ts';

const shape = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 });
/** Far out on both sides, where slopes vanish or stay 1, but on no kink. */
const wide: Values = (random, count) => awayFromZero(random, count).map((value) => value * 4 + 0.07);

const variants: readonly [string, Record<string, Attribute>, number?][] = [
  ['LeakyRelu', { alpha: float(0.3) }],
  ['LeakyRelu', { alpha: float(-0.5) }],
  ['Elu', { alpha: float(0.5) }],
  ['Selu', { alpha: float(2), gamma: float(0.5) }],
  ['Celu', { alpha: float(2) }],
  ['ThresholdedRelu', { alpha: float(0.2) }],
  ['Softplus', {}],
  ['Softsign', {}],
  ['HardSigmoid', { alpha: float(0.5), beta: float(0.5) }],
  ['Gelu', {}, 20],
  ['Gelu', { approximate: text('tanh') }, 20],
  ['Mish', {}, 18],
];

test.each(variants)('the gradient of %s with %j agrees with differences near 0 and far out', async (operator, attributes, opset = 17) => {
  await fc.assert(
    fc.asyncProperty(shape, fc.nat(), fc.boolean(), async (dims, seed, far) => {
      const values = far ? wide : awayFromZero;
      // A line cut off at both ends of -1..1 has kinks there.
      const draw: Values =
        operator === 'HardSigmoid'
          ? (random, count) => values(random, count).map((value) => (Math.abs(Math.abs(value) - 1) < 0.15 ? value * 1.4 : value))
          : values;
      await checkGradient((tape, input) => tape.add(operator, [input(dims, draw)], attributes), { seed, opset, type: 'float32' });
    }),
    { numRuns: 10 },
  );
});

test('the gradient of PRelu agrees with differences for a slope a channel and a single one', async () => {
  for (const slope of [[3, 1, 1], [1], [2, 3, 2, 2]]) {
    await checkGradient((tape, input) => tape.add('PRelu', [input([2, 3, 2, 2], awayFromZero), input(slope)]), { seed: 1, type: 'float32' });
  }
});

test.each([
  ['Relu', 0, 0],
  ['LeakyRelu', 0, 0.01],
  ['Abs', 0, 0],
  ['HardSwish', -3, 0],
  ['HardSwish', 3, 1],
] as const)('the slope of %s at its kink %d is %d', async (operator, at, slope) => {
  const tape = createTape('kink');
  const x = tape.constant(floats([1], [at]), 'x');
  const loss = tape.add('ReduceSum', [tape.add(operator, [x])], { keepdims: int(0) });
  tape.output(tape.add('Identity', [differentiate(tape, loss, [x]).get(x) ?? ''], {}, 'slope'));
  const session = await openSession(writeModel(createModel(tape.finish())));
  expect((await session.run({}))['slope']?.data[0]).toBeCloseTo(slope, 6);
  await session.release();
});
