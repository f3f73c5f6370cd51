import type { Random } from '@serin/inference/random';

import { createGraphBuilder } from '../builder.ts';
import { createModel, elementCount, float, floats, int, ints, longs, scalar, type Model } from '../graph.ts';

/** A small convolutional network with the clutter that exporters leave: constants computed in the graph, copies, dead ends. */
export function randomGraph(random: Random): Model {
  const builder = createGraphBuilder('random');
  const draw = (dims: number[], low = -1, high = 1): string =>
    builder.constant(
      floats(
        dims,
        Float32Array.from({ length: elementCount(dims) }, () => random.between(low, high)),
      ),
    );
  const chance = (share: number): boolean => random.uniform() < share;
  const literal = (value: number): string => builder.add('Constant', [], { value: { kind: 'tensor', value: scalar(value) } });

  let channels = 1 + random.integer(3);
  let value = builder.input('x', 'float32', ['N', channels, 8, 8]);
  const early: string[] = [];

  const weight = (dims: number[]): string => {
    const stored = draw(dims);
    if (chance(0.3)) return builder.add('Mul', [stored, literal(0.5)]);
    return chance(0.3) ? builder.add('Identity', [stored]) : stored;
  };
  const steps: (() => string)[] = [
    () => {
      const group = channels % 2 === 0 && chance(0.5) ? 2 : 1;
      const made = group * (1 + random.integer(3));
      const inputs = [value, weight([made, channels / group, 3, 3]), ...(chance(0.5) ? [weight([made])] : [])];
      channels = made;
      return builder.add('Conv', inputs, { pads: ints([1, 1, 1, 1]), group: int(group) });
    },
    () => {
      const group = channels % 2 === 0 && chance(0.5) ? 2 : 1;
      const each = 1 + random.integer(2);
      const inputs = [value, weight([channels, each, 3, 3]), ...(chance(0.5) ? [weight([each * group])] : [])];
      channels = each * group;
      return builder.add('ConvTranspose', inputs, { pads: ints([1, 1, 1, 1]), group: int(group) });
    },
    () => {
      const parameters = [draw([channels], 0.5, 2), draw([channels]), draw([channels]), draw([channels], 0.1, 2)];
      return builder.add('BatchNormalization', [value, ...parameters], { epsilon: float(1e-4) });
    },
    () => {
      const operator = ['Mul', 'Add', 'Sub', 'Div'][random.integer(4)] ?? 'Mul';
      const constant = draw(chance(0.5) ? [channels, 1, 1] : chance(0.5) ? [1, 1, 1, 1] : chance(0.5) ? [] : [8], 0.5, 2);
      return builder.add(operator, operator !== 'Div' && chance(0.3) ? [constant, value] : [value, constant]);
    },
    () => builder.add('Relu', [value]),
    () => builder.add('Identity', [value]),
    () => builder.add('Dropout', [value, literal(0.5)], {}, [builder.fresh('dropout'), builder.fresh('mask')]),
    () => {
      builder.add('Exp', [value]);
      return value;
    },
    () => {
      early.push(value);
      return builder.add('Sigmoid', [value]);
    },
    () => {
      const shape = builder.add('Shape', [value]);
      const batch = builder.add('Slice', [shape, builder.constant(longs([0])), builder.constant(longs([1]))]);
      const flat = builder.add('Reshape', [value, builder.add('Concat', [batch, builder.constant(longs([-1]))], { axis: int(0) })]);
      return builder.add('Reshape', [flat, shape]);
    },
  ];
  for (let count = 2 + random.integer(9); count > 0; count -= 1) value = (steps[random.integer(steps.length)] as () => string)();

  const features = channels * 64;
  const rows = builder.add('Flatten', [value]);
  const isTransposed = chance(0.5);
  let result = builder.add('Gemm', [rows, weight(isTransposed ? [3, features] : [features, 3]), ...(chance(0.6) ? [weight(chance(0.5) ? [3] : [1])] : [])], {
    transB: int(isTransposed ? 1 : 0),
    alpha: float(0.25),
    beta: float(0.5),
  });
  if (chance(0.5)) result = builder.add('BatchNormalization', [result, draw([3]), draw([3]), draw([3]), draw([3], 0.1, 1)]);
  if (chance(0.5)) result = builder.add('Add', [result, draw([3])]);
  builder.add('Identity', [result], {}, ['y']);
  builder.output('y', 'float32', ['N', 3]);
  for (const name of new Set(early)) builder.output(builder.add('Identity', [name]), 'float32', ['N', 'C', 8, 8]);
  return createModel(builder.finish());
}
