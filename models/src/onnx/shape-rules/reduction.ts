import { numberAttribute, numbersAttribute, type Node } from '../graph.ts';
import { axisOf, range, type ShapeRule } from './rule.ts';

/** Axes of a reduction, from the attribute (older opsets) or the second input; none given means all, unless the node says otherwise. */
export function reducedAxes(node: Node, constant: readonly number[] | undefined, rank: number): number[] {
  const given = constant ?? numbersAttribute(node, 'axes', []);
  if (given.length > 0) return given.map((axis) => axisOf(node, axis, rank));
  return numberAttribute(node, 'noop_with_empty_axes', 0) === 1 ? [] : range(rank);
}

const reduction: ShapeRule = ({ node, input, has, fixed }) => {
  const { type, dims } = input(0);
  const axes = reducedAxes(node, has(1) ? fixed(1, 'axes') : undefined, dims.length);
  const keep = numberAttribute(node, 'keepdims', 1) === 1;
  const kept = dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return [{ type, dims: keep ? kept : kept.filter((_, axis) => !axes.includes(axis)) }];
};

export const reductionShapes: Readonly<Record<string, ShapeRule>> = {
  ReduceMean: reduction,
  ReduceSum: reduction,
};
