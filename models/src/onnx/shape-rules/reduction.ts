import { numberAttribute, numbersAttribute, type Node } from '../graph.ts';
import { at, axisOf, mismatch, range, same, shapeText, unsupported, type ShapeRule } from './rule.ts';

/** Axes of a reduction, from the attribute (older opsets) or the second input; none given means all, unless the node says otherwise. */
export function reducedAxes(node: Node, constant: readonly number[] | undefined, rank: number): number[] {
  const given = constant ?? numbersAttribute(node, 'axes', []);
  if (given.length > 0) return given.map((axis) => axisOf(node, axis, rank));
  if (numberAttribute(node, 'noop_with_empty_axes', 0) !== 1) return range(rank);
  if (reducesAnyway.has(node.operator)) throw unsupported(node, 'no axes to reduce', 'Leave the node out');
  return [];
}

/** What the runtime reduces over all axes even when told to do nothing without axes. */
const reducesAnyway = new Set(['ReduceMax', 'ReduceMin', 'ReduceProd']);

const without = (dims: readonly number[], axes: readonly number[], keep: boolean): number[] =>
  keep ? dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) : dims.filter((_, axis) => !axes.includes(axis));

const keepsDims = (node: Node): boolean => numberAttribute(node, 'keepdims', 1) === 1;

const reduction: ShapeRule = ({ node, input, has, fixed }) => {
  const { type, dims } = input(0);
  const axes = reducedAxes(node, has(1) ? fixed(1, 'axes') : undefined, dims.length);
  return [{ type, dims: without(dims, axes, keepsDims(node)) }];
};

const argument: ShapeRule = ({ node, input }) => {
  const { dims } = input(0);
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), dims.length);
  return [{ type: 'int64', dims: without(dims, [axis], keepsDims(node)) }];
};

const topK: ShapeRule = ({ node, input, fixed }) => {
  const { type, dims } = input(0);
  const axis = axisOf(node, numberAttribute(node, 'axis', -1), dims.length);
  const count = at(fixed(1, 'count k'), 0);
  if (count > at(dims, axis)) throw mismatch(node, `expected at least ${count} values along axis ${axis}, found ${shapeText(dims)}`);
  const kept = dims.with(axis, count);
  return [
    { type, dims: kept },
    { type: 'int64', dims: kept },
  ];
};

export const reductionShapes: Readonly<Record<string, ShapeRule>> = {
  ReduceSum: reduction,
  ReduceMean: reduction,
  ReduceMax: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceSumSquare: reduction,
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ArgMax: argument,
  ArgMin: argument,
  TopK: topK,
  CumSum: same,
};
