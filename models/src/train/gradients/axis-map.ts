import { elementCount, floats, ints } from '../../onnx/graph.ts';
import type { Tape } from '../tape.ts';

/**
 * An operator that is linear and works on every axis by itself (a resize, an average over windows) is a matrix an axis,
 * and its gradient is the transposed matrix. The matrix is what the operator makes of the identity, so that rounding and
 * borders are the runtime's own; it is reckoned once, when the session opens.
 */
export function axisMatrix(tape: Tape, size: number, apply: (columns: string) => string): string {
  const answer = apply(identityColumns(tape, size));
  return tape.add('Reshape', [answer, tape.longs([size, tape.type(answer).dims[2] ?? 1])]);
}

/** The identity as one picture of `size` channels, each a column: [1, size, size, 1]. */
function identityColumns(tape: Tape, size: number): string {
  const name = `serin.identity.${size}`;
  if (tape.constantValue(name) !== undefined) return name;
  const values = new Float32Array(size * size);
  for (let row = 0; row < size; row += 1) values[row * (size + 1)] = 1;
  return tape.constant(floats([1, size, size, 1], values), name);
}

/** Takes a gradient back through the matrix [in, out] of one axis. */
export function mapBack(tape: Tape, gradient: string, axis: number, matrix: string): string {
  const { dims } = tape.type(gradient);
  const before = dims.slice(0, axis);
  const after = dims.slice(axis + 1);
  if (after.length === 0) return tape.add('MatMul', [gradient, tape.add('Transpose', [matrix], { perm: ints([1, 0]) })]);
  if (after.length === 1) return tape.add('MatMul', [matrix, gradient]);
  const flat = tape.add('Reshape', [gradient, tape.longs([elementCount(before), dims[axis] ?? 1, elementCount(after)])]);
  return tape.add('Reshape', [tape.add('MatMul', [matrix, flat]), tape.longs([...before, tape.type(matrix).dims[0] ?? 1, ...after])]);
}
