import { elementCount, float, int, ints, numberAttribute, text } from '../../onnx/graph.ts';
import { einsumTerms, matMulDims } from '../../onnx/shape-rules/linear.ts';
import { at, range, unsupported } from '../../onnx/shape-rules/rule.ts';
import type { Tape } from '../tape.ts';
import { reshapeLike, scaled, sumTo, type GradientRule } from './rule.ts';

const swapLast = (tape: Tape, value: string): string => {
  const rank = tape.type(value).dims.length;
  return tape.add('Transpose', [value], { perm: ints([...range(rank - 2), rank - 1, rank - 2]) });
};

const shaped = (tape: Tape, value: string, dims: readonly number[]): string =>
  tape.type(value).dims.join() === dims.join() ? value : tape.add('Reshape', [value, tape.longs(dims)]);

const product = (tape: Tape, a: string, b: string, transA: number, transB: number, alpha = 1): string =>
  tape.add('Gemm', [a, b], { transA: int(transA), transB: int(transB), alpha: float(alpha) });

const matMul: GradientRule = ({ tape, gradient, input, needs }) => {
  const { left, right, rows, columns } = matMulDims(tape.type(input(0)).dims, tape.type(input(1)).dims);
  const batch = tape.type(gradient).dims.slice(0, Math.max(left.length, right.length) - 2);
  const a = shaped(tape, input(0), left);
  const b = shaped(tape, input(1), right);
  const inner = at(right, right.length - 2);
  // One matrix on the right serves every row there is: no stack, no transposing, no sum afterwards.
  if (right.length === 2) {
    const all = elementCount(batch) * rows;
    const flat = shaped(tape, gradient, [all, columns]);
    return [
      needs(0) ? reshapedLike(tape, product(tape, flat, b, 0, 1), input(0)) : undefined,
      needs(1) ? reshapedLike(tape, product(tape, shaped(tape, a, [all, inner]), flat, 1, 0), input(1)) : undefined,
    ];
  }
  const whole = shaped(tape, gradient, [...batch, rows, columns]);
  return [
    needs(0) ? reshapedLike(tape, sumTo(tape, tape.add('MatMul', [whole, swapLast(tape, b)]), a), input(0)) : undefined,
    needs(1) ? reshapedLike(tape, sumTo(tape, tape.add('MatMul', [swapLast(tape, a), whole]), b), input(1)) : undefined,
  ];
};

const reshapedLike = (tape: Tape, value: string, like: string): string =>
  tape.type(value).dims.join() === tape.type(like).dims.join() ? value : reshapeLike(tape, value, like);

const gemm: GradientRule = ({ tape, node, gradient, input, needs }) => {
  const alpha = numberAttribute(node, 'alpha', 1);
  const transA = numberAttribute(node, 'transA', 0);
  const transB = numberAttribute(node, 'transB', 0);
  const [a, b] = [input(0), input(1)];
  const left = (): string => (transA === 1 ? product(tape, b, gradient, transB, 1, alpha) : product(tape, gradient, b, 0, 1 - transB, alpha));
  const right = (): string => (transB === 1 ? product(tape, gradient, a, 1, transA, alpha) : product(tape, a, gradient, 1 - transA, 0, alpha));
  const bias = (): string => scaled(tape, sumTo(tape, gradient, input(2)), numberAttribute(node, 'beta', 1));
  return [needs(0) ? left() : undefined, needs(1) ? right() : undefined, needs(2) ? bias() : undefined];
};

/** The gradient of a factor is the product of the output's with all other factors, over the same letters. */
const einsum: GradientRule = ({ tape, node, gradient, input, needs }) => {
  const { inputs, output } = einsumTerms(node);
  return inputs.map((term, index) => {
    if (!needs(index)) return undefined;
    if (new Set(term).size !== term.length) throw unsupported(node, `the gradient of a diagonal, ${term}`);
    const others = range(inputs.length).filter((other) => other !== index);
    const given = [output, ...others.map((other) => inputs[other] ?? '')];
    // A letter of this factor alone was summed over: every element of its axis counts the same.
    const known = term.split('').filter((letter) => given.some((letters) => letters.includes(letter)));
    const equation = text(`${given.join(',')}->${known.join('')}`);
    const found = tape.add('Einsum', [gradient, ...others.map((other) => input(other))], { equation });
    if (known.length === term.length) return found;
    const { dims } = tape.type(input(index));
    const kept = dims.map((dim, axis) => (known.includes(term.charAt(axis)) ? dim : 1));
    return tape.add('Expand', [tape.add('Reshape', [found, tape.longs(kept)]), tape.longs(dims)]);
  });
};

export const linearGradients: Readonly<Record<string, GradientRule>> = {
  MatMul: matMul,
  Gemm: gemm,
  Einsum: einsum,
};
