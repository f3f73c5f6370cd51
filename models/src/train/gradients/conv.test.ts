import fc from 'fast-check';
import { test } from 'vitest';

import { int, ints, text } from '../../onnx/graph.ts';
import { checkGradient } from '../testing/gradient-check.ts';

/** Convolutions of any rank, stride, dilation, padding and grouping whose kernel fits its input. */
const convolutions = fc
  .record({
    rank: fc.integer({ min: 1, max: 3 }),
    batch: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    depth: fc.integer({ min: 1, max: 3 }),
    multiplier: fc.integer({ min: 1, max: 2 }),
    bias: fc.boolean(),
    axes: fc.array(
      fc.record({
        kernel: fc.integer({ min: 1, max: 3 }),
        stride: fc.integer({ min: 1, max: 3 }),
        dilation: fc.integer({ min: 1, max: 2 }),
        begin: fc.nat(2),
        end: fc.nat(2),
        spare: fc.nat(4),
      }),
      { minLength: 3, maxLength: 3 },
    ),
    seed: fc.nat(),
  })
  .map(({ axes, rank, ...rest }) => ({ ...rest, axes: axes.slice(0, rank) }));

test('the gradient of Conv agrees with differences: one to three axes, strides, dilations, any pads, groups, depthwise', async () => {
  await fc.assert(
    fc.asyncProperty(convolutions, async ({ batch, group, depth, multiplier, bias, axes, seed }) => {
      const sizes = axes.map(({ kernel, dilation, begin, end, spare }) => Math.max(1, (kernel - 1) * dilation + 1 - begin - end) + spare);
      const filters = group * multiplier;
      await checkGradient(
        (tape, input) =>
          tape.add(
            'Conv',
            [input([batch, group * depth, ...sizes]), input([filters, depth, ...axes.map(({ kernel }) => kernel)]), ...(bias ? [input([filters])] : [])],
            {
              strides: ints(axes.map(({ stride }) => stride)),
              dilations: ints(axes.map(({ dilation }) => dilation)),
              pads: ints([...axes.map(({ begin }) => begin), ...axes.map(({ end }) => end)]),
              group: int(group),
            },
          ),
        // Linear in every input: a long step is exact, which float32 kernels need.
        { seed, type: 'float32', step: 0.5, tolerance: 1e-3 },
      );
    }),
    { numRuns: 100 },
  );
});

test('the gradient of Conv agrees with differences where the pads are automatic', async () => {
  for (const automatic of ['SAME_UPPER', 'SAME_LOWER', 'VALID']) {
    await checkGradient((tape, input) => tape.add('Conv', [input([2, 2, 7, 6]), input([3, 2, 3, 2])], { auto_pad: text(automatic), strides: ints([2, 2]) }), {
      seed: 1,
      type: 'float32',
      step: 0.5,
      tolerance: 1e-3,
    });
  }
});
