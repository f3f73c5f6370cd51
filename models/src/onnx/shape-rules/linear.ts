import { numberAttribute, textAttribute, type Node } from '../graph.ts';
import { at, broadcastDims, mismatch, shapeText, unsupported, type ShapeRule } from './rule.ts';

export interface MatMulDims {
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly rows: number;
  readonly columns: number;
}

/** A vector on the left is a row, one on the right a column. */
export function matMulDims(a: readonly number[], b: readonly number[]): MatMulDims {
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  return { left, right, rows: at(left, left.length - 2), columns: at(right, right.length - 1) };
}

const matMul: ShapeRule = ({ node, input }) => {
  const a = input(0).dims;
  const b = input(1).dims;
  const { left, right, rows, columns } = matMulDims(a, b);
  const inner = at(left, left.length - 1);
  if (a.length === 0 || b.length === 0 || at(right, right.length - 2) !== inner) {
    throw mismatch(node, `expected a second factor with ${inner} rows for ${shapeText(a)}, found ${shapeText(b)}`);
  }
  const batch = broadcastDims(left.slice(0, -2), right.slice(0, -2));
  if (batch === undefined) throw mismatch(node, `expected stacks of matrices that broadcast, found ${shapeText(a)} and ${shapeText(b)}`);
  // The axis a vector lacks is missing from the product too.
  return [{ type: input(0).type, dims: [...batch, ...(a.length === 1 ? [] : [rows]), ...(b.length === 1 ? [] : [columns])] }];
};

const gemm: ShapeRule = ({ node, input, has }) => {
  const a = input(0).dims;
  const b = input(1).dims;
  if (a.length !== 2 || b.length !== 2) throw mismatch(node, `expected two matrices, found ${shapeText(a)} and ${shapeText(b)}`);
  const [rows, inner] = numberAttribute(node, 'transA', 0) === 1 ? [at(a, 1), at(a, 0)] : [at(a, 0), at(a, 1)];
  const flipped = numberAttribute(node, 'transB', 0) === 1;
  const [found, columns] = flipped ? [at(b, 1), at(b, 0)] : [at(b, 0), at(b, 1)];
  if (inner !== found) throw mismatch(node, `expected weight with ${inner} ${flipped ? 'columns' : 'rows'}, found ${shapeText(b)}`);
  const dims = [rows, columns];
  if (has(2) && broadcastDims(dims, input(2).dims)?.join() !== dims.join()) {
    throw mismatch(node, `expected a bias that broadcasts to ${shapeText(dims)}, found ${shapeText(input(2).dims)}`);
  }
  return [{ type: input(0).type, dims }];
};

/** The axes of each input and of the output, a letter each. */
export function einsumTerms(node: Node): { inputs: string[]; output: string } {
  const equation = textAttribute(node, 'equation', '').replaceAll(' ', '');
  const [left = '', given] = equation.split('->');
  if (left.includes('.')) throw unsupported(node, `the equation ${equation}`, 'Name every axis instead of an ellipsis');
  const letters = left.replaceAll(',', '').split('');
  const once = [...new Set(letters)].filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
  return { inputs: left.split(','), output: given ?? once.toSorted().join('') };
}

const einsum: ShapeRule = ({ node, input }) => {
  const { inputs, output } = einsumTerms(node);
  const sizes = new Map<string, number>();
  inputs.forEach((term, index) => {
    const { dims } = input(index);
    if (dims.length !== term.length) throw mismatch(node, `expected ${term.length} axes for ${term}, found ${shapeText(dims)}`);
    term.split('').forEach((letter, axis) => {
      const known = sizes.get(letter) ?? at(dims, axis);
      if (known !== at(dims, axis)) throw mismatch(node, `expected ${known} along ${letter} of ${term}, found ${shapeText(dims)}`);
      sizes.set(letter, known);
    });
  });
  return [{ type: input(0).type, dims: output.split('').map((letter) => sizes.get(letter) ?? 1) }];
};

export const linearShapes: Readonly<Record<string, ShapeRule>> = {
  MatMul: matMul,
  Gemm: gemm,
  Einsum: einsum,
};
