import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createModel, floats, int, ints, type Attribute } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { differentiate } from '../autodiff.ts';
import { createTape } from '../tape.ts';
import { checkGradient, distinct } from '../testing/gradient-check.ts';

const tiled = (size: number): Record<string, Attribute> => ({ kernel_shape: ints([size, size]), strides: ints([size, size]) });

const windows = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    channels: fc.integer({ min: 1, max: 3 }),
    rank: fc.integer({ min: 1, max: 3 }),
    up: fc.boolean(),
    axes: fc.array(
      fc.record({
        kernel: fc.integer({ min: 2, max: 3 }),
        stride: fc.integer({ min: 1, max: 3 }),
        begin: fc.nat(1),
        end: fc.nat(1),
        spare: fc.nat(4),
      }),
      { minLength: 3, maxLength: 3 },
    ),
    seed: fc.nat(),
  })
  .map(({ axes, rank, ...rest }) => ({ ...rest, axes: axes.slice(0, rank) }));

test('the gradient of MaxPool agrees with differences: one to three axes, overlapping, padded, strided', async () => {
  await fc.assert(
    fc.asyncProperty(windows, async ({ batch, channels, up, axes, seed }) => {
      await checkGradient(
        (tape, input) =>
          tape.add('MaxPool', [input([batch, channels, ...axes.map(({ kernel, spare }) => kernel + spare)], distinct)], {
            kernel_shape: ints(axes.map(({ kernel }) => kernel)),
            strides: ints(axes.map(({ stride }) => stride)),
            pads: ints([...axes.map(({ begin }) => begin), ...axes.map(({ end }) => end)]),
            // A window that begins behind the input counts in some versions of the standard only.
            ceil_mode: int(up && axes.every(({ end, stride, kernel }) => end === 0 && stride <= kernel) ? 1 : 0),
          }),
        { seed },
      );
    }),
    { numRuns: 60 },
  );
});

test('the gradient of MaxPool agrees with differences: square windows side by side, rows left over', async () => {
  const tiles = fc.record({
    size: fc.integer({ min: 2, max: 4 }),
    rows: fc.nat(3),
    columns: fc.nat(3),
    across: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(tiles, async ({ size, rows, columns, across, seed }) => {
      await checkGradient((tape, input) => tape.add('MaxPool', [input([2, 2, across * size + rows, across * size + columns], distinct)], tiled(size)), {
        seed,
        type: 'float32',
      });
    }),
    { numRuns: 30 },
  );
});

test('of equal elements the first of a window gets the gradient, whatever the windows', async () => {
  const gradientOf = async (values: readonly number[], side: number, attributes: Record<string, Attribute>): Promise<number[]> => {
    const tape = createTape('ties');
    const x = tape.input('x', 'float32', [1, 1, side, side]);
    const loss = tape.add('ReduceSum', [tape.add('MaxPool', [x], attributes)], { keepdims: int(0) });
    const gradient = differentiate(tape, loss, [x]).get(x) ?? '';
    tape.output(gradient);
    const session = await openSession(writeModel(createModel(tape.finish())));
    const found = await session.run({ x: runtimeTensor('float32', floats([side * side], values).data, [1, 1, side, side]) });
    await session.release();
    return Array.from(found[gradient]?.data as Float32Array);
  };
  expect(await gradientOf([1, 1, 1, 1], 2, tiled(2))).toEqual([1, 0, 0, 0]);
  expect(await gradientOf([0, 1, 1, 1], 2, tiled(2))).toEqual([0, 1, 0, 0]);
  expect(await gradientOf([0, 0, 1, 1], 2, tiled(2))).toEqual([0, 0, 1, 0]);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 36, maxLength: 36 }), async (values) => {
      for (const size of [2, 3]) {
        const bySearch = values.map(() => 0);
        for (let window = 0; window < (6 / size) ** 2; window += 1) {
          const corner = Math.floor(window / (6 / size)) * size * 6 + (window % (6 / size)) * size;
          const members = Array.from({ length: size * size }, (_, place) => corner + Math.floor(place / size) * 6 + (place % size));
          const largest = Math.max(...members.map((member) => values[member] ?? 0));
          bySearch[members.find((member) => values[member] === largest) ?? -1] = 1;
        }
        expect(await gradientOf(values, 6, tiled(size))).toEqual(bySearch);
      }
    }),
    { numRuns: 10 },
  );
});
