import fc from 'fast-check';
import { test } from 'vitest';

import { int, ints, text, type Attribute } from '../../onnx/graph.ts';
import { awayFromZero, checkGradient, distinct, positive } from '../testing/gradient-check.ts';

const linear = { type: 'float32', step: 0.5, tolerance: 1e-3 } as const;

const list = (min: number, max: number, length: number) => fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });

/** Windows of one or two axes: overlapping, with gaps, with pads, rounded down or up. */
const windows = fc
  .integer({ min: 1, max: 2 })
  .chain((axes) =>
    fc.record({
      dims: fc.tuple(list(1, 2, 2), list(5, 9, axes)).map((parts) => parts.flat()),
      kernel: list(1, 4, axes),
      strides: list(1, 3, axes),
      dilations: list(1, 2, axes),
      pads: list(0, 2, 2 * axes),
      up: fc.boolean(),
      automatic: fc.constantFrom('NOTSET', 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'),
      seed: fc.nat(),
    }),
  )
  // The runtime reckons pads below zero where automatic ones meet gaps.
  .filter(({ automatic, kernel, strides }) => !automatic.startsWith('SAME') || kernel.every((size, axis) => size >= (strides[axis] ?? 1)));
type Window = typeof windows extends fc.Arbitrary<infer Value> ? Value : never;

const attributesOf = ({ kernel, strides, dilations, pads, up, automatic }: Window, dilated: boolean): Record<string, Attribute> => ({
  kernel_shape: ints(kernel),
  strides: ints(strides),
  ...(automatic === 'NOTSET'
    ? { pads: ints(pads.map((pad, index) => Math.min(pad, (kernel[index % kernel.length] ?? 1) - 1))), ceil_mode: int(up ? 1 : 0) }
    : { auto_pad: text(automatic) }),
  ...(dilated ? { dilations: ints(automatic.startsWith('SAME') ? dilations.map(() => 1) : dilations) } : {}),
});
/** Whether rounding up would add a window behind the input, which is refused. */
const lastBehind = ({ dims, kernel, strides, dilations, pads, up, automatic }: Window, dilated: boolean): boolean =>
  up &&
  automatic === 'NOTSET' &&
  kernel.some((size, axis) => {
    const [stride = 1, front = 0, back = 0] = [strides[axis], ...[pads[axis], pads[axis + kernel.length]].map((pad) => Math.min(pad ?? 0, size - 1))];
    const reach = (size - 1) * (dilated ? (dilations[axis] ?? 1) : 1) + 1;
    const length = dims[axis + 2] ?? 1;
    return Math.ceil((length + front + back - reach) / stride) * stride >= length + front;
  });
const fits = ({ dims, kernel, dilations }: Window): boolean => kernel.every((size, axis) => (dims[axis + 2] ?? 0) > (size - 1) * (dilations[axis] ?? 1));

test('the gradient of AveragePool agrees with differences: overlaps, pads counted or not, sizes rounded up, dilations', async () => {
  const cases = fc.tuple(windows.filter(fits), fc.boolean(), fc.constantFrom(17, 19)).filter(([window, , opset]) => !lastBehind(window, opset === 19));
  await fc.assert(
    fc.asyncProperty(cases, async ([window, counted, opset]) => {
      const attributes = { ...attributesOf(window, opset === 19), count_include_pad: int(counted ? 1 : 0) };
      await checkGradient((tape, input) => tape.add('AveragePool', [input(window.dims)], attributes), { seed: window.seed, opset, ...linear });
    }),
    { numRuns: 300 },
  );
});

test('the gradient of AveragePool agrees with differences where the windows tile the input', async () => {
  await fc.assert(
    fc.asyncProperty(list(1, 3, 4), list(1, 3, 2), fc.nat(), async ([batch = 1, channels = 1, ...counts], kernel, seed) => {
      const dims = [batch, channels, ...counts.map((count, axis) => count * (kernel[axis] ?? 1))];
      await checkGradient((tape, input) => tape.add('AveragePool', [input(dims)], { kernel_shape: ints(kernel), strides: ints(kernel) }), { seed, ...linear });
    }),
    { numRuns: 40 },
  );
});

test('the gradient of LpPool agrees with differences', async () => {
  await fc.assert(
    fc.asyncProperty(
      windows.filter((window) => fits(window) && !lastBehind(window, true)),
      fc.integer({ min: 1, max: 3 }),
      async (window, p) => {
        const attributes = { ...attributesOf(window, true), p: int(p) };
        await checkGradient((tape, input) => tape.add('LpPool', [input(window.dims, awayFromZero)], attributes), {
          seed: window.seed,
          opset: 18,
          type: 'float32',
        });
      },
    ),
    { numRuns: 100 },
  );
});

const pictures = fc.integer({ min: 1, max: 3 }).chain((axes) => list(1, 4, axes + 2));

test('the gradients of global pools agree with differences', async () => {
  await fc.assert(
    fc.asyncProperty(pictures, fc.integer({ min: 1, max: 3 }), fc.nat(), async (dims, p, seed) => {
      await checkGradient((tape, input) => tape.add('GlobalAveragePool', [input(dims)]), { seed, ...linear });
      await checkGradient((tape, input) => tape.add('GlobalMaxPool', [input(dims, distinct)]), { seed, type: 'float32' });
      await checkGradient((tape, input) => tape.add('GlobalLpPool', [input(dims, positive)], { p: int(p) }), { seed, type: 'float32' });
    }),
    { numRuns: 40 },
  );
});
