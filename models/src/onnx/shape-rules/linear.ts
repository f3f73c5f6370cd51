import { numberAttribute } from '../graph.ts';
import { broadcastDims, mismatch, type ShapeRule } from './rule.ts';

const matMul: ShapeRule = ({ node, input }) => {
  const a = input(0).dims;
  const b = input(1).dims;
  const batch = broadcastDims(a.slice(0, -2), b.slice(0, -2));
  if (a.length < 2 || b.length < 2 || batch === undefined || a.at(-1) !== b.at(-2)) {
    throw mismatch(node, `[${a.join()}] times [${b.join()}]`);
  }
  return [{ type: input(0).type, dims: [...batch, a.at(-2) ?? 0, b.at(-1) ?? 0] }];
};

const gemm: ShapeRule = ({ node, input }) => {
  const a = input(0).dims;
  const b = input(1).dims;
  const [rows, inner] = numberAttribute(node, 'transA', 0) === 1 ? [a[1], a[0]] : [a[0], a[1]];
  const [innerB, columns] = numberAttribute(node, 'transB', 0) === 1 ? [b[1], b[0]] : [b[0], b[1]];
  if (inner !== innerB) throw mismatch(node, `[${a.join()}] times [${b.join()}]`);
  return [{ type: input(0).type, dims: [rows ?? 0, columns ?? 0] }];
};

export const linearShapes: Readonly<Record<string, ShapeRule>> = {
  MatMul: matMul,
  Gemm: gemm,
};
