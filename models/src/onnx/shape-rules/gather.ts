import { numberAttribute } from '../graph.ts';
import { at, axisOf, mismatch, same, shapeText, type ShapeRule } from './rule.ts';

const gather: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), dims.length);
  return [{ type, dims: [...dims.slice(0, axis), ...input(1).dims, ...dims.slice(axis + 1)] }];
};

const gatherElements: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  if (input(1).dims.length !== dims.length) throw mismatch(node, `expected indices with ${dims.length} axes, found ${shapeText(input(1).dims)}`);
  return [{ type, dims: input(1).dims }];
};

const gatherNd: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const indices = input(1).dims;
  const batch = numberAttribute(node, 'batch_dims', 0);
  const depth = at(indices, indices.length - 1);
  if (indices.length === 0 || depth + batch > dims.length) {
    throw mismatch(node, `expected indices of at most ${dims.length - batch} numbers for ${shapeText(dims)}, found ${shapeText(indices)}`);
  }
  return [{ type, dims: [...indices.slice(0, -1), ...dims.slice(batch + depth)] }];
};

const oneHot: ShapeRule = ({ node, input, fixed }) => {
  const indices = input(0).dims;
  const axis = axisOf(node, numberAttribute(node, 'axis', -1), indices.length + 1);
  return [{ type: input(2).type, dims: indices.toSpliced(axis, 0, at(fixed(1, 'depth'), 0)) }];
};

export const gatherShapes: Readonly<Record<string, ShapeRule>> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  ScatterElements: same,
  ScatterND: same,
  OneHot: oneHot,
};
