import fc from 'fast-check';
import { expect, test } from 'vitest';

import { float, int } from '../../onnx/graph.ts';
import { differentiate } from '../autodiff.ts';
import { createTape } from '../tape.ts';
import { checkGradient, positive } from '../testing/gradient-check.ts';

const shapes = (least: number) =>
  fc.integer({ min: least, max: 4 }).chain((rank) => fc.array(fc.integer({ min: 2, max: 4 }), { minLength: rank, maxLength: rank }));

test('the gradient of BatchNormalization agrees with differences, statistics included', async () => {
  await fc.assert(
    fc.asyncProperty(shapes(2), fc.nat(), async (dims, seed) => {
      const channels = [dims[1] ?? 1];
      await checkGradient(
        (tape, input) =>
          tape.add('BatchNormalization', [input(dims), input(channels), input(channels), input(channels), input(channels, positive)], { epsilon: float(1) }),
        { seed },
      );
    }),
    { numRuns: 40 },
  );
});

test('the gradient of LayerNormalization agrees with differences, from any axis, with or without bias', async () => {
  await fc.assert(
    fc.asyncProperty(shapes(1), fc.nat(3), fc.boolean(), fc.boolean(), fc.nat(), async (dims, place, negative, bias, seed) => {
      const axis = place % dims.length;
      const rest = dims.slice(axis);
      await checkGradient(
        (tape, input) =>
          tape.add('LayerNormalization', [input(dims), input(rest), ...(bias ? [input(rest)] : [])], {
            axis: int(negative ? axis - dims.length : axis),
            epsilon: float(1),
          }),
        // The runtime gives out the deviation in float32.
        { seed, tolerance: 1e-6 },
      );
    }),
    { numRuns: 40 },
  );
});

test('the gradient of InstanceNormalization agrees with differences', async () => {
  await fc.assert(
    fc.asyncProperty(shapes(3), fc.nat(), async (dims, seed) => {
      const channels = [dims[1] ?? 1];
      await checkGradient((tape, input) => tape.add('InstanceNormalization', [input(dims), input(channels), input(channels)], { epsilon: float(1) }), {
        seed,
        type: 'float32',
      });
    }),
    { numRuns: 40 },
  );
});

test('the gradient of GroupNormalization agrees with differences', async () => {
  await fc.assert(
    fc.asyncProperty(shapes(3), fc.integer({ min: 1, max: 3 }), fc.nat(), async ([batch = 1, depth = 1, ...spatial], groups, seed) => {
      const channels = depth * groups;
      await checkGradient(
        (tape, input) =>
          tape.add('GroupNormalization', [input([batch, channels, ...spatial]), input([channels]), input([channels])], {
            num_groups: int(groups),
            epsilon: float(1),
          }),
        { seed, opset: 21, type: 'float32' },
      );
    }),
    { numRuns: 30 },
  );
});

test('training by an imported node itself, or for its running statistics, is refused with the node', () => {
  const tape = createTape('refused');
  const [output = '', mean = ''] = tape.addMany(
    'BatchNormalization',
    [tape.input('x', 'float32', [4, 2]), ...['scale', 'bias', 'mean', 'variance'].map((name) => tape.input(name, 'float32', [2]))],
    { training_mode: int(1) },
    3,
  );
  const lossOf = (value: string) => tape.add('ReduceSum', [value], { keepdims: int(0) });
  expect(() => differentiate(tape, lossOf(output), ['x'])).toThrow(/BatchNormalization batchnormalization.*training_mode/);
  expect(() => differentiate(tape, lossOf(mean), ['x'])).toThrow(/BatchNormalization batchnormalization.*running statistics/);
});
