import { SerinError } from '@serin/protocol/errors';

import { elementCount, numberAttribute, numbersAttribute, type Node } from '../graph.ts';
import { at, axisOf, broadcastDims, mismatch, range, shapeText, type ShapeRule } from './rule.ts';

const reshape: ShapeRule = ({ node, input, fixed }) => {
  const { type, dims } = input(0);
  const wanted = fixed(1, 'shape');
  const keepZero = numberAttribute(node, 'allowzero', 0) === 1;
  const known = wanted.map((dim, axis) => (dim === 0 && !keepZero ? at(dims, axis) : dim));
  const rest = elementCount(known.filter((dim) => dim !== -1));
  const result = known.map((dim) => (dim === -1 ? elementCount(dims) / rest : dim));
  if (elementCount(result) !== elementCount(dims)) throw mismatch(node, `${shapeText(dims)} into ${shapeText(wanted)}`);
  return [{ type, dims: result }];
};

const flatten: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const axis = numberAttribute(node, 'axis', 1);
  const split = axis < 0 ? axis + dims.length : axis;
  return [{ type, dims: [elementCount(dims.slice(0, split)), elementCount(dims.slice(split))] }];
};

const transpose: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  return [{ type, dims: permutation(node, dims.length).map((axis) => at(dims, axis)) }];
};

export const permutation = (node: Node, rank: number): readonly number[] => numbersAttribute(node, 'perm', range(rank).toReversed());

const expand: ShapeRule = ({ node, input, fixed }) => {
  const { type, dims } = input(0);
  const wanted = fixed(1, 'shape');
  const result = broadcastDims(dims, wanted);
  if (result === undefined) throw mismatch(node, `expected a shape ${shapeText(dims)} broadcasts to, found ${shapeText(wanted)}`);
  return [{ type, dims: result }];
};

const slice: ShapeRule = ({ input, fixed, has }) => {
  const { type, dims } = input(0);
  const starts = fixed(1, 'starts');
  const ends = fixed(2, 'ends');
  const axes = has(3) ? fixed(3, 'axes') : range(starts.length);
  const steps = has(4) ? fixed(4, 'steps') : starts.map(() => 1);
  if (steps.some((step) => step < 1)) throw new SerinError('MODEL_UNSUPPORTED', { detail: 'Slice with a negative step' });
  const result = [...dims];
  axes.forEach((axis, index) => {
    const size = at(dims, axis);
    const clip = (bound: number): number => Math.min(size, Math.max(0, bound < 0 ? bound + size : bound));
    result[axis] = Math.max(0, Math.ceil((clip(at(ends, index)) - clip(at(starts, index))) / at(steps, index)));
  });
  return [{ type, dims: result }];
};

const concat: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), dims.length);
  const sizes = node.inputs.map((_, index) => at(input(index).dims, axis));
  return [{ type, dims: dims.map((dim, index) => (index === axis ? sizes.reduce((sum, size) => sum + size, 0) : dim)) }];
};

export const movementShapes: Readonly<Record<string, ShapeRule>> = {
  Reshape: reshape,
  Flatten: flatten,
  Transpose: transpose,
  Expand: expand,
  Slice: slice,
  Concat: concat,
};
