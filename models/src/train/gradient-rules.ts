import { SerinError } from '@serin/protocol/errors';

import { elementCount, float, int, ints, numberAttribute, numbersAttribute } from '../onnx/graph.ts';
import type { Node } from '../onnx/graph.ts';
import { permutation, reducedAxes } from '../onnx/shapes.ts';
import { convGradient } from './conv-gradient.ts';
import { castTo, type Tape } from './tape.ts';

export interface GradientContext {
  readonly tape: Tape;
  readonly node: Node;
  /** Gradient of the loss with respect to the output. */
  readonly gradient: string;
  readonly output: string;
  input(index: number): string;
  /** Whether anybody asks for the gradient of this input. */
  needs(index: number): boolean;
}

/** Gradients of the inputs, in order; a gap where there is none. */
export type GradientRule = (context: GradientContext) => (string | undefined)[];

/** Sums a gradient over the axes along which `value` was broadcast. */
function sumTo(tape: Tape, gradient: string, value: string): string {
  const from = tape.type(gradient).dims;
  const to = tape.type(value).dims;
  const lead = from.length - to.length;
  const axes = from.map((_, axis) => axis).filter((axis) => axis < lead || (to[axis - lead] === 1 && from[axis] !== 1));
  if (axes.length === 0) return gradient;
  const sum = tape.add('ReduceSum', [gradient, tape.longs(axes)], { keepdims: int(1) });
  return lead === 0 ? sum : tape.add('Reshape', [sum, tape.longs(to)]);
}

const reshapeLike = (tape: Tape, gradient: string, value: string): string => tape.add('Reshape', [gradient, tape.longs(tape.type(value).dims)]);

const binary =
  (left: (context: GradientContext) => string, right: (context: GradientContext) => string): GradientRule =>
  (context) => [
    context.needs(0) ? sumTo(context.tape, left(context), context.input(0)) : undefined,
    context.needs(1) ? sumTo(context.tape, right(context), context.input(1)) : undefined,
  ];

const negated = ({ tape, gradient }: GradientContext): string => tape.add('Neg', [gradient]);

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

const swapLast = (tape: Tape, value: string): string => {
  const rank = tape.type(value).dims.length;
  const order = Array.from({ length: rank }, (_, axis) => axis);
  order.splice(rank - 2, 2, rank - 1, rank - 2);
  return tape.add('Transpose', [value], { perm: ints(order) });
};

const matMul: GradientRule = ({ tape, gradient, input, needs }) => [
  needs(0) ? sumTo(tape, tape.add('MatMul', [gradient, swapLast(tape, input(1))]), input(0)) : undefined,
  needs(1) ? sumTo(tape, tape.add('MatMul', [swapLast(tape, input(0)), gradient]), input(1)) : undefined,
];

const gemm: GradientRule = ({ tape, node, gradient, input, needs }) => {
  const alpha = { alpha: float(numberAttribute(node, 'alpha', 1)) };
  const beta = numberAttribute(node, 'beta', 1);
  const transA = numberAttribute(node, 'transA', 0);
  const transB = numberAttribute(node, 'transB', 0);
  const product = (a: string, b: string, flipA: number, flipB: number): string =>
    tape.add('Gemm', [a, b], { ...alpha, transA: int(flipA), transB: int(flipB) });

  const bias = (): string => {
    const sum = sumTo(tape, gradient, input(2));
    return beta === 1 ? sum : tape.add('Mul', [sum, tape.number(beta, gradient)]);
  };
  return [
    needs(0) ? (transA === 1 ? product(input(1), gradient, transB, 1) : product(gradient, input(1), 0, 1 - transB)) : undefined,
    needs(1) ? (transB === 1 ? product(gradient, input(0), 1, transA) : product(input(0), gradient, 1 - transA, 0)) : undefined,
    needs(2) ? bias() : undefined,
  ];
};

export const gradientRules: Readonly<Record<string, GradientRule>> = {
  Add: binary(
    ({ gradient }) => gradient,
    ({ gradient }) => gradient,
  ),
  Sub: binary(({ gradient }) => gradient, negated),
  Mul: binary(
    ({ tape, gradient, input }) => tape.add('Mul', [gradient, input(1)]),
    ({ tape, gradient, input }) => tape.add('Mul', [gradient, input(0)]),
  ),
  Div: binary(
    ({ tape, gradient, input }) => tape.add('Div', [gradient, input(1)]),
    (context) => {
      const { tape, output, input } = context;
      return tape.add('Div', [tape.add('Mul', [negated(context), output]), input(1)]);
    },
  ),
  Neg: (context) => [negated(context)],
  Exp: ({ tape, gradient, output }) => [tape.add('Mul', [gradient, output])],
  Log: ({ tape, gradient, input }) => [tape.add('Div', [gradient, input(0)])],
  Sqrt: ({ tape, gradient, output }) => [tape.add('Div', [tape.add('Mul', [gradient, tape.number(0.5, gradient)]), output])],
  Relu: ({ tape, gradient, output }) => {
    const open = tape.add('Greater', [output, tape.number(0, output)]);
    return [tape.add('Where', [open, gradient, tape.number(0, output)])];
  },
  Sigmoid: ({ tape, gradient, output }) => {
    const rest = tape.add('Sub', [tape.number(1, output), output]);
    return [tape.add('Mul', [gradient, tape.add('Mul', [output, rest])])];
  },
  Tanh: ({ tape, gradient, output }) => {
    const rest = tape.add('Sub', [tape.number(1, output), tape.add('Mul', [output, output])]);
    return [tape.add('Mul', [gradient, rest])];
  },
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
  Identity: ({ gradient }) => [gradient],
  Cast: ({ tape, gradient, input }) => {
    const { type } = tape.type(input(0));
    // Whole numbers have no gradient.
    if (type !== 'float32' && type !== 'float64') return [undefined];
    return [tape.add('Cast', [gradient], castTo(type))];
  },
  Reshape: ({ tape, gradient, input }) => [reshapeLike(tape, gradient, input(0))],
  Flatten: ({ tape, gradient, input }) => [reshapeLike(tape, gradient, input(0))],
  Transpose: ({ tape, node, gradient }) => {
    const order = permutation(node, tape.type(gradient).dims.length);
    const back = order.map((_, axis) => order.indexOf(axis));
    return [tape.add('Transpose', [gradient], { perm: ints(back) })];
  },
  Expand: ({ tape, gradient, input }) => [sumTo(tape, gradient, input(0))],
  ReduceMean: reduce(true),
  ReduceSum: reduce(false),
  GlobalAveragePool: ({ tape, gradient, input }) => {
    const { dims } = tape.type(input(0));
    const share = tape.add('Mul', [gradient, tape.number(1 / elementCount(dims.slice(2)), gradient)]);
    return [tape.add('Expand', [share, tape.longs(dims)])];
  },
  MatMul: matMul,
  Gemm: gemm,
  Conv: (context) => {
    if (numberAttribute(context.node, 'group', 1) !== 1) {
      throw new SerinError('MODEL_UNSUPPORTED', { detail: 'the gradient of a grouped Conv' });
    }
    if (numbersAttribute(context.node, 'strides', [1, 1]).length !== 2) {
      throw new SerinError('MODEL_UNSUPPORTED', {
        detail: 'the gradient of a Conv that is not two-dimensional',
      });
    }
    return convGradient(context);
  },
};
