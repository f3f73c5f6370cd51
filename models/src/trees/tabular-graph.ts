import type { GraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, type Model } from '../onnx/graph.ts';
import { elementTypeCodes } from '../onnx/model-file.ts';

/** What every model of tables has: `features` in, and `probabilities` of the classes or the `value` out. */
export type Link = 'identity' | 'logistic' | 'softmax';

/** The largest number in single precision that is below a positive one. */
export function justBelow(value: number): number {
  const single = Float32Array.of(value);
  const bits = new Int32Array(single.buffer);
  bits[0] = (bits[0] as number) - 1;
  return single[0] as number;
}

export interface Levels {
  /** Of each feature, whether it is a number or a level of its category; missing is neither. */
  readonly isKnown: string;
  /** Of each category, the index of the level, or the number of levels where it is none. */
  placeOf(feature: number): string;
}

/** `levels` counts those of each feature, 0 for a number. */
export function addLevels(builder: GraphBuilder, levels: Int32Array): Levels {
  const vector = (ofCategory: (count: number) => number, otherwise: number): string =>
    builder.constant(
      floats(
        [1, levels.length],
        Array.from(levels, (count) => (count > 0 ? ofCategory(count) : otherwise)),
      ),
    );
  const isKnown = builder.add('And', [
    builder.add('GreaterOrEqual', ['features', vector(() => 0, -Infinity)]),
    builder.add('LessOrEqual', ['features', vector(justBelow, Infinity)]),
  ]);
  let places: string | undefined;
  return {
    isKnown,
    placeOf: (feature) => {
      places ??= builder.add('Where', [isKnown, 'features', vector((count) => count, 0)]);
      const index = builder.constant({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(feature)) });
      return builder.add('Cast', [builder.add('Gather', [places, index], { axis: int(1) })], { to: int(elementTypeCodes.int64) });
    },
  };
}

/** From margins [N, outputs] to the answer. Under `identity` they are called `value` already. */
export function addAnswer(builder: GraphBuilder, link: Link, outputs: number, margins: string): void {
  if (link === 'identity') {
    builder.output('value', 'float32', ['N', 1]);
    return;
  }
  if (link === 'softmax') builder.add('Softmax', [margins], { axis: int(1) }, ['probabilities']);
  // Of both classes by themselves: one minus a small probability would lose its digits.
  else builder.add('Sigmoid', [builder.add('Mul', [margins, builder.constant(floats([1, 2], [-1, 1]))])], {}, ['probabilities']);
  builder.output('probabilities', 'float32', ['N', link === 'softmax' ? outputs : 2]);
}

export const marginsName = (builder: GraphBuilder, link: Link): string => (link === 'identity' ? 'value' : builder.fresh('margins'));

export function tabularModel(builder: GraphBuilder, metadata: Record<string, string>, opsets: Record<string, number> = {}): Model {
  const model = createModel(builder.finish(), metadata);
  return { ...model, opsets: { ...model.opsets, ...opsets } };
}
