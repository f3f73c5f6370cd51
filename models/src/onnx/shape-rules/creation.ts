import { numberAttribute, type Node, type Tensor } from '../graph.ts';
import { at, unsupported, type ShapeRule } from './rule.ts';

/** The value of a Constant node, in whichever attribute it is. */
export function constantOf(node: Node): Tensor | undefined {
  const [name, attribute] = Object.entries(node.attributes)[0] ?? [];
  const values = (typeof attribute?.value === 'number' ? [attribute.value] : (attribute?.value ?? [])) as readonly number[];
  const dims = typeof attribute?.value === 'number' ? [] : [values.length];
  if (name === 'value') return attribute?.value as Tensor;
  if (name === 'value_int' || name === 'value_ints') return { type: 'int64', dims, data: BigInt64Array.from(values, BigInt) };
  if (name === 'value_float' || name === 'value_floats') return { type: 'float32', dims, data: Float32Array.from(values) };
  return undefined;
}

const constant: ShapeRule = ({ node }) => {
  const tensor = constantOf(node);
  if (tensor === undefined) throw unsupported(node, 'a constant that is neither a tensor nor numbers');
  return [{ type: tensor.type, dims: tensor.dims }];
};

/** First and last axis a Shape node speaks of. */
export function shapeBounds(node: Node, rank: number): [number, number] {
  const bound = (value: number): number => Math.min(rank, Math.max(0, value < 0 ? value + rank : value));
  return [bound(numberAttribute(node, 'start', 0)), bound(numberAttribute(node, 'end', rank))];
}

const shape: ShapeRule = ({ node, input }) => {
  const [start, end] = shapeBounds(node, input(0).dims.length);
  return [{ type: 'int64', dims: [Math.max(0, end - start)] }];
};

const size: ShapeRule = () => [{ type: 'int64', dims: [] }];

const constantOfShape: ShapeRule = ({ node, fixed }) => {
  const value = node.attributes['value']?.value as Tensor | undefined;
  return [{ type: value?.type ?? 'float32', dims: fixed(0, 'shape') }];
};

const range: ShapeRule = ({ input, fixed }) => {
  const [start, limit, step] = [0, 1, 2].map((index) => at(fixed(index, 'bounds'), 0));
  return [{ type: input(0).type, dims: [Math.max(0, Math.ceil(((limit ?? 0) - (start ?? 0)) / (step ?? 1)))] }];
};

export const creationShapes: Readonly<Record<string, ShapeRule>> = {
  Constant: constant,
  Shape: shape,
  Size: size,
  ConstantOfShape: constantOfShape,
  Range: range,
};
