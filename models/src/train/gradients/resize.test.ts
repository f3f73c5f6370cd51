import fc from 'fast-check';
import { test } from 'vitest';

import { floats, int, ints, text, type Attribute } from '../../onnx/graph.ts';
import { checkGradient } from '../testing/gradient-check.ts';

const linear = { type: 'float32', step: 0.5, tolerance: 1e-3 } as const;

const list = (min: number, max: number, length: number) => fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
const coordinates = fc.constantFrom('half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel');
const how: fc.Arbitrary<Record<string, Attribute>> = fc.oneof(
  fc
    .tuple(coordinates, fc.constantFrom('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'))
    .map(([mode, rounding]) => ({ mode: text('nearest'), coordinate_transformation_mode: text(mode), nearest_mode: text(rounding) })),
  coordinates.map((mode) => ({ mode: text('linear'), coordinate_transformation_mode: text(mode) })),
  coordinates.map((mode) => ({ mode: text('cubic'), coordinate_transformation_mode: text(mode) })),
);

test('the gradient of Resize agrees with differences: nearest, linear and cubic, by scales and by sizes, in every convention of coordinates', async () => {
  const cases = fc
    .record({
      dims: fc.tuple(list(1, 2, 2), list(1, 6, 2)).map((parts) => parts.flat()),
      sizes: list(1, 11, 2),
      // Whole factors and inverse ones are what networks use; the others round.
      scales: fc.array(fc.oneof(fc.constantFrom(1, 2, 3, 4, 0.5), fc.double({ min: 0.3, max: 3.5, noNaN: true })), { minLength: 2, maxLength: 2 }),
      bySize: fc.boolean(),
      attributes: how,
      seed: fc.nat(),
    })
    .filter(({ dims, scales, bySize }) => bySize || scales.every((scale, axis) => (dims[axis + 2] ?? 1) * scale >= 1.01));
  await fc.assert(
    fc.asyncProperty(cases, async ({ dims, sizes, scales, bySize, attributes, seed }) => {
      await checkGradient(
        (tape, input) => {
          const target = bySize ? ['', tape.longs([...dims.slice(0, 2), ...sizes])] : [tape.constant(floats([4], [1, 1, ...scales]))];
          return tape.add('Resize', [input(dims), '', ...target], attributes);
        },
        { seed, ...linear },
      );
    }),
    { numRuns: 400 },
  );
});

test('the gradient of Resize agrees with differences on one axis, on chosen axes, with the channels last and with antialiasing', async () => {
  const nearest = { mode: text('nearest') };
  await checkGradient((tape, input) => tape.add('Resize', [input([2, 3, 4]), '', tape.constant(floats([3], [1, 1, 1.5]))], nearest), { seed: 1, ...linear });
  await checkGradient((tape, input) => tape.add('Resize', [input([2, 3, 2, 4, 3]), '', tape.constant(floats([5], [1, 1, 2, 0.5, 2]))], nearest), {
    seed: 2,
    ...linear,
  });
  // Next to a whole factor: as many rows, taken elsewhere.
  const asymmetric = { ...nearest, coordinate_transformation_mode: text('asymmetric'), nearest_mode: text('floor') };
  await checkGradient((tape, input) => tape.add('Resize', [input([1, 1, 2, 2]), '', tape.constant(floats([4], [1, 1, 1 + 2 ** -23, 2]))], asymmetric), {
    seed: 6,
    ...linear,
  });
  const bilinear = { mode: text('linear') };
  await checkGradient((tape, input) => tape.add('Resize', [input([2, 3, 4, 3]), '', tape.constant(floats([4], [1, 2, 2, 1]))], bilinear), {
    seed: 3,
    ...linear,
  });
  await checkGradient((tape, input) => tape.add('Resize', [input([2, 1, 4, 3]), '', '', tape.longs([5, 7])], { ...bilinear, axes: ints([2, -1]) }), {
    seed: 4,
    opset: 18,
    ...linear,
  });
  await checkGradient((tape, input) => tape.add('Resize', [input([1, 2, 9, 8]), '', '', tape.longs([1, 2, 4, 3])], { ...bilinear, antialias: int(1) }), {
    seed: 5,
    opset: 18,
    ...linear,
  });
});
