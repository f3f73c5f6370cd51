import fc from 'fast-check';
import { test } from 'vitest';

import { int, ints } from '../../onnx/graph.ts';
import { checkGradient } from '../testing/gradient-check.ts';

// Linear in every input: a long step is exact, which float32 kernels need.
const linear = { type: 'float32', step: 0.5, tolerance: 1e-3 } as const;

const transposed = fc
  .record({
    rank: fc.integer({ min: 1, max: 2 }),
    batch: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    depth: fc.integer({ min: 1, max: 2 }),
    filters: fc.integer({ min: 1, max: 3 }),
    bias: fc.boolean(),
    axes: fc.array(
      fc
        .record({
          size: fc.integer({ min: 1, max: 5 }),
          kernel: fc.integer({ min: 1, max: 3 }),
          stride: fc.integer({ min: 1, max: 3 }),
          dilation: fc.integer({ min: 1, max: 3 }),
          begin: fc.nat(2),
          end: fc.nat(2),
          extra: fc.nat(2),
        })
        .map((axis) => ({ ...axis, extra: Math.min(axis.extra, axis.stride - 1) }))
        .filter(({ size, kernel, stride, dilation, begin, end, extra }) => (size - 1) * stride + extra + dilation * (kernel - 1) + 1 - begin - end > 0),
      { minLength: 2, maxLength: 2 },
    ),
    seed: fc.nat(),
  })
  .map(({ axes, rank, ...rest }) => ({ ...rest, axes: axes.slice(0, rank) }));

test('the gradient of ConvTranspose agrees with differences: one or two axes, strides, dilations, pads, output padding, groups', async () => {
  await fc.assert(
    fc.asyncProperty(transposed, async ({ batch, group, depth, filters, bias, axes, seed }) => {
      await checkGradient(
        (tape, input) =>
          tape.add(
            'ConvTranspose',
            [
              input([batch, group * depth, ...axes.map(({ size }) => size)]),
              input([group * depth, filters, ...axes.map(({ kernel }) => kernel)]),
              ...(bias ? [input([group * filters])] : []),
            ],
            {
              strides: ints(axes.map(({ stride }) => stride)),
              dilations: ints(axes.map(({ dilation }) => dilation)),
              pads: ints([...axes.map(({ begin }) => begin), ...axes.map(({ end }) => end)]),
              output_padding: ints(axes.map(({ extra }) => extra)),
              group: int(group),
            },
          ),
        { seed, ...linear },
      );
    }),
    { numRuns: 400 },
  );
});

test('the gradient of ConvTranspose agrees with differences where its kernel tiles the output', async () => {
  const tiled = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 2 }),
    kernel: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
    channels: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(tiled, async ({ sizes, kernel, channels: [batch = 1, depth = 1, filters = 1], seed }) => {
      const tile = kernel.slice(0, sizes.length);
      await checkGradient(
        (tape, input) => tape.add('ConvTranspose', [input([batch, depth, ...sizes]), input([depth, filters, ...tile])], { strides: ints(tile) }),
        {
          seed,
          ...linear,
        },
      );
    }),
    { numRuns: 60 },
  );
});
