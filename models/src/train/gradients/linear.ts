import { float, int, ints, numberAttribute } from '../../onnx/graph.ts';
import type { Tape } from '../tape.ts';
import { sumTo, type GradientRule } from './rule.ts';

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

export const linearGradients: Readonly<Record<string, GradientRule>> = {
  MatMul: matMul,
  Gemm: gemm,
};
