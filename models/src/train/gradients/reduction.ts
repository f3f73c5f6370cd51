import { elementCount, int, numberAttribute } from '../../onnx/graph.ts';
import { reducedAxes } from '../../onnx/shape-rules/reduction.ts';
import type { GradientContext, GradientRule } from './rule.ts';

const lastAxis = ({ tape, node, output }: GradientContext): string => {
  const axis = numberAttribute(node, 'axis', -1);
  return tape.longs([axis < 0 ? axis + tape.type(output).dims.length : axis]);
};

const reduce =
  (mean: boolean): GradientRule =>
  ({ tape, node, gradient, input }) => {
    const { dims } = tape.type(input(0));
    const given = tape.constantValue(input(1));
    const axes = reducedAxes(node, given === undefined ? undefined : Array.from(given.data as BigInt64Array, Number), dims.length);
    const kept = dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    const shaped = tape.add('Reshape', [gradient, tape.longs(kept)]);
    const count = elementCount(axes.map((axis) => dims[axis] ?? 1));
    const share = mean ? tape.add('Mul', [shaped, tape.number(1 / count, gradient)]) : shaped;
    return [tape.add('Expand', [share, tape.longs(dims)])];
  };

export const reductionGradients: Readonly<Record<string, GradientRule>> = {
  Softmax: (context) => {
    const { tape, gradient, output } = context;
    const weighted = tape.add('Mul', [gradient, output]);
    const sum = tape.add('ReduceSum', [weighted, lastAxis(context)], { keepdims: int(1) });
    return [tape.add('Sub', [weighted, tape.add('Mul', [output, sum])])];
  },
  LogSoftmax: (context) => {
    const { tape, gradient, output } = context;
    const sum = tape.add('ReduceSum', [gradient, lastAxis(context)], { keepdims: int(1) });
    return [tape.add('Sub', [gradient, tape.add('Mul', [tape.add('Exp', [output]), sum])])];
  },
  ReduceMean: reduce(true),
  ReduceSum: reduce(false),
};
