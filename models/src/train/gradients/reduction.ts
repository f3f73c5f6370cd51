import { elementCount, int, numberAttribute } from '../../onnx/graph.ts';
import { reducedAxes } from '../../onnx/shape-rules/reduction.ts';
import { axisOf } from '../../onnx/shape-rules/rule.ts';
import { castTo, reduceOver } from '../tape.ts';
import { filledLike, scaled, type GradientContext, type GradientRule } from './rule.ts';

interface Reduced {
  readonly axes: readonly number[];
  /** The gradient and the output with the reduced axes in place again: both broadcast to the input. */
  readonly gradient: string;
  readonly output: () => string;
}

function reducedBy({ tape, node, gradient, output, input }: GradientContext): Reduced {
  const { dims } = tape.type(input(0));
  const given = tape.constantValue(input(1));
  const axes = reducedAxes(node, given === undefined ? undefined : Array.from(given.data as BigInt64Array, Number), dims.length);
  const kept = dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const unsqueezed = (value: string): string => {
    const found = tape.type(value).dims;
    // A single number broadcasts as it is.
    return found.length === 0 || found.join() === kept.join() ? value : tape.add('Reshape', [value, tape.longs(kept)]);
  };
  return { axes, gradient: unsqueezed(gradient), output: () => unsqueezed(output) };
}

/** The gradient times a slope that depends on the input. */
const times =
  (slope: (context: GradientContext, reduced: Reduced) => string): GradientRule =>
  (context) => {
    const reduced = reducedBy(context);
    return [context.tape.add('Mul', [slope(context, reduced), reduced.gradient])];
  };

const spread =
  (shareOf: (count: number) => number): GradientRule =>
  (context) => {
    const { tape, input } = context;
    const { axes, gradient } = reducedBy(context);
    const { dims } = tape.type(input(0));
    const share = scaled(tape, gradient, shareOf(elementCount(axes.map((axis) => dims[axis] ?? 1))));
    return [tape.type(share).dims.join() === dims.join() ? share : tape.add('Expand', [share, tape.longs(dims)])];
  };

/** Equal extremes share the gradient evenly. */
const extreme: GradientRule = (context) => {
  const { tape, input } = context;
  const { axes, gradient, output } = reducedBy(context);
  const reached = tape.add('Cast', [tape.add('Equal', [input(0), output()])], castTo(tape.type(input(0)).type));
  const count = reduceOver(tape, 'ReduceSum', reached, axes, true);
  return [tape.add('Mul', [reached, tape.add('Div', [gradient, count])])];
};

/** The product of all others, right where some are 0 as well: with one 0 it alone has a slope, with more none has. */
const product: GradientRule = (context) => {
  const { tape, input } = context;
  const { axes, gradient } = reducedBy(context);
  const x = input(0);
  const isZero = tape.add('Equal', [x, tape.number(0, x)]);
  const zeros = tape.add('Cast', [isZero], castTo(tape.type(x).type));
  const others = tape.add('Sub', [reduceOver(tape, 'ReduceSum', zeros, axes, true), zeros]);
  const factors = tape.add('Where', [isZero, tape.number(1, x), x]);
  const slope = tape.add('Div', [tape.add('Mul', [reduceOver(tape, 'ReduceProd', factors, axes, true), gradient]), factors]);
  return [tape.add('Where', [tape.add('Equal', [others, tape.number(0, x)]), slope, tape.number(0, x)])];
};

/** Keeps the slope of a length 0 at 0. */
const lengthMin = 1e-30;

const axesOf = ({ tape, node, output }: GradientContext): readonly number[] => [axisOf(node, numberAttribute(node, 'axis', -1), tape.type(output).dims.length)];

const softmax: GradientRule = (context) => {
  const { tape, gradient, output } = context;
  const weighted = tape.add('Mul', [gradient, output]);
  const sum = reduceOver(tape, 'ReduceSum', weighted, axesOf(context), true);
  return [tape.add('Sub', [weighted, tape.add('Mul', [output, sum])])];
};

const logSoftmax: GradientRule = (context) => {
  const { tape, gradient, output } = context;
  const sum = reduceOver(tape, 'ReduceSum', gradient, axesOf(context), true);
  return [tape.add('Sub', [gradient, tape.add('Mul', [tape.add('Exp', [output]), sum])])];
};

/** The same sum from the other end. */
const cumulative: GradientRule = ({ tape, node, gradient, input }) => [
  tape.add('CumSum', [gradient, input(1)], {
    exclusive: int(numberAttribute(node, 'exclusive', 0)),
    reverse: int(1 - numberAttribute(node, 'reverse', 0)),
  }),
];

const topK: GradientRule = ({ tape, node, gradients, input, outputs }) => {
  const axis = axisOf(node, numberAttribute(node, 'axis', -1), tape.type(input(0)).dims.length);
  const [gradient] = gradients;
  if (gradient === undefined) return [];
  return [tape.add('ScatterElements', [filledLike(tape, 0, input(0)), outputs[1] ?? '', gradient], { axis: int(axis) })];
};

export const reductionGradients: Readonly<Record<string, GradientRule>> = {
  ReduceSum: spread(() => 1),
  ReduceMean: spread((count) => 1 / count),
  ReduceMax: extreme,
  ReduceMin: extreme,
  ReduceProd: product,
  ReduceSumSquare: (context) => {
    const { tape, input } = context;
    return [tape.add('Mul', [input(0), scaled(tape, reducedBy(context).gradient, 2)])];
  },
  // 0 at 0.
  ReduceL1: times(({ tape, input }) => tape.add('Sign', [input(0)])),
  ReduceL2: (context) => {
    const { tape, input } = context;
    const { gradient, output } = reducedBy(context);
    return [tape.add('Mul', [input(0), tape.add('Div', [gradient, tape.add('Max', [output(), tape.number(lengthMin, gradient)])])])];
  },
  ReduceLogSum: (context) => {
    const { tape, input } = context;
    const { gradient, output } = reducedBy(context);
    return [tape.add('Expand', [tape.add('Div', [gradient, tape.add('Exp', [output()])]), tape.longs(tape.type(input(0)).dims)])];
  },
  ReduceLogSumExp: times(({ tape, input }, { output }) => tape.add('Exp', [tape.add('Sub', [input(0), output()])])),
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  CumSum: cumulative,
  TopK: topK,
};
