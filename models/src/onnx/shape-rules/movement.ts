import { elementCount, numberAttribute, numbersAttribute, type Node } from '../graph.ts';
import { at, axisOf, broadcastDims, mismatch, range, same, shapeText, unsupported, type ShapeContext, type ShapeRule } from './rule.ts';

const reshape: ShapeRule = ({ node, input, fixed }) => {
  const { type, dims } = input(0);
  const wanted = fixed(1, 'shape');
  const keepZero = numberAttribute(node, 'allowzero', 0) === 1;
  const known = wanted.map((dim, axis) => (dim === 0 && !keepZero ? at(dims, axis) : dim));
  const rest = elementCount(known.filter((dim) => dim !== -1));
  const result = known.map((dim) => (dim === -1 ? elementCount(dims) / Math.max(rest, 1) : dim));
  if (elementCount(result) !== elementCount(dims) || result.some((dim) => !Number.isInteger(dim))) {
    throw mismatch(node, `expected ${elementCount(result.map(Math.floor))} values for the shape ${shapeText(wanted)}, found ${shapeText(dims)}`);
  }
  return [{ type, dims: result }];
};

const flatten: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const axis = numberAttribute(node, 'axis', 1);
  const split = axis < 0 ? axis + dims.length : axis;
  return [{ type, dims: [elementCount(dims.slice(0, split)), elementCount(dims.slice(split))] }];
};

/** Axes as the second input, or as the attribute of older opsets. */
const axesOf = ({ node, has, fixed }: ShapeContext): readonly number[] => (has(1) ? fixed(1, 'axes') : numbersAttribute(node, 'axes', []));

const squeeze: ShapeRule = (context) => {
  const { type, dims } = context.input(0);
  const given = axesOf(context).map((axis) => axisOf(context.node, axis, dims.length));
  const axes = given.length > 0 ? given : range(dims.length).filter((axis) => dims[axis] === 1);
  if (axes.some((axis) => dims[axis] !== 1)) throw mismatch(context.node, `expected size 1 along the axes ${axes.join(', ')}, found ${shapeText(dims)}`);
  return [{ type, dims: dims.filter((_, axis) => !axes.includes(axis)) }];
};

const unsqueeze: ShapeRule = (context) => {
  const { type, dims } = context.input(0);
  const given = axesOf(context);
  const rank = dims.length + given.length;
  const axes = given.map((axis) => axisOf(context.node, axis, rank));
  const rest = dims.values();
  return [{ type, dims: range(rank).map((axis) => (axes.includes(axis) ? 1 : (rest.next().value ?? 1))) }];
};

export const permutation = (node: Node, rank: number): readonly number[] => numbersAttribute(node, 'perm', range(rank).toReversed());

const transpose: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const order = permutation(node, dims.length);
  if (order.length !== dims.length) throw mismatch(node, `expected ${order.length} axes to exchange, found ${shapeText(dims)}`);
  return [{ type, dims: order.map((axis) => at(dims, axis)) }];
};

const expand: ShapeRule = ({ node, input, fixed }) => {
  const { type, dims } = input(0);
  const wanted = fixed(1, 'shape');
  const result = broadcastDims(dims, wanted);
  if (result === undefined) throw mismatch(node, `expected a shape ${shapeText(dims)} broadcasts to, found ${shapeText(wanted)}`);
  return [{ type, dims: result }];
};

const tile: ShapeRule = ({ node, input, fixed }) => {
  const { type, dims } = input(0);
  const repeats = fixed(1, 'repeats');
  if (repeats.length !== dims.length) throw mismatch(node, `expected ${repeats.length} axes to repeat, found ${shapeText(dims)}`);
  return [{ type, dims: dims.map((dim, axis) => dim * at(repeats, axis)) }];
};

const concat: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), dims.length);
  const shapes = node.inputs.map((_, index) => input(index).dims);
  for (const other of shapes) {
    if (other.length !== dims.length || other.with(axis, 0).join() !== dims.with(axis, 0).join()) {
      throw mismatch(node, `expected shapes that differ along axis ${axis} only, found ${shapes.map(shapeText).join(' and ')}`);
    }
  }
  const size = shapes.reduce((sum, other) => sum + at(other, axis), 0);
  return [{ type, dims: dims.with(axis, size) }];
};

/** Sizes of the parts of a Split, however they are said. */
export function splitSizes(node: Node, given: readonly number[] | undefined, size: number): readonly number[] {
  const sizes = given ?? numbersAttribute(node, 'split', []);
  if (sizes.length > 0) return sizes;
  const parts = numberAttribute(node, 'num_outputs', node.outputs.length);
  const part = Math.ceil(size / parts);
  return range(parts).map((index) => Math.min(part, size - part * index));
}

const split: ShapeRule = ({ node, input, has, fixed }) => {
  const { type, dims } = input(0);
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), dims.length);
  const sizes = splitSizes(node, has(1) ? fixed(1, 'sizes') : undefined, at(dims, axis));
  const sum = sizes.reduce((total, size) => total + size, 0);
  if (sum !== at(dims, axis) || sizes.some((size) => size < 0)) {
    throw mismatch(node, `expected ${sum} values along axis ${axis} for the parts ${shapeText(sizes)}, found ${shapeText(dims)}`);
  }
  return sizes.map((size) => ({ type, dims: dims.with(axis, size) }));
};

/** One axis of a Slice with its bounds inside the tensor: `count` elements from `start` on. */
export interface SlicedAxis {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

export function slicedAxes(node: Node, dims: readonly number[], constant: (index: number) => readonly number[] | undefined): SlicedAxis[] {
  // Before opset 10 the lists were attributes.
  const list = (index: number, name: string): readonly number[] | undefined =>
    constant(index) ?? (node.attributes[name] === undefined ? undefined : numbersAttribute(node, name, []));
  const [starts, ends] = [list(1, 'starts'), list(2, 'ends')];
  if (starts === undefined || ends === undefined) throw unsupported(node, 'its bounds: known only at run time', 'Export the model with fixed shapes');
  const axes = list(3, 'axes') ?? range(starts.length);
  const steps = constant(4) ?? starts.map(() => 1);
  return axes.map((given, index) => {
    const axis = axisOf(node, given, dims.length);
    const size = at(dims, axis);
    const step = steps[index] ?? 1;
    const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1];
    const clip = (bound: number): number => Math.min(highest, Math.max(lowest, bound < 0 ? bound + size : bound));
    const start = clip(at(starts, index));
    return { axis, start, step, count: Math.max(0, Math.ceil((clip(at(ends, index)) - start) / step)) };
  });
}

const slice: ShapeRule = ({ node, input, has, constant, fixed }) => {
  const { type, dims } = input(0);
  for (const index of [3, 4]) if (has(index)) fixed(index, 'axes and steps');
  const cuts = slicedAxes(node, dims, constant);
  return [{ type, dims: cuts.reduce<readonly number[]>((result, { axis, count }) => result.with(axis, count), dims) }];
};

/** Elements added before and after each axis (taken away where negative): all begins, then all ends. */
export function padsOf(node: Node, rank: number, constant: (index: number) => readonly number[] | undefined): number[] {
  const given = constant(1) ?? numbersAttribute(node, 'pads', []);
  const axes = constant(3)?.map((axis) => axisOf(node, axis, rank)) ?? range(rank);
  const pads = Array.from({ length: 2 * rank }, () => 0);
  axes.forEach((axis, index) => {
    pads[axis] = at(given, index);
    pads[axis + rank] = at(given, index + axes.length);
  });
  return pads;
}

const pad: ShapeRule = ({ node, input, has, constant, fixed }) => {
  const { type, dims } = input(0);
  for (const index of [1, 3]) if (has(index)) fixed(index, 'pads');
  const pads = padsOf(node, dims.length, constant);
  const padded = dims.map((dim, axis) => dim + at(pads, axis) + at(pads, axis + dims.length));
  if (padded.some((dim) => dim < 0)) throw mismatch(node, `expected no more than is there to be cut by the pads ${shapeText(pads)}, found ${shapeText(dims)}`);
  return [{ type, dims: padded }];
};

const depthToSpace: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const block = numberAttribute(node, 'blocksize', 1);
  const [batch, channels, height, width] = [at(dims, 0), at(dims, 1), at(dims, 2), at(dims, 3)];
  if (dims.length !== 4 || channels % block ** 2 !== 0) throw mismatch(node, `expected a multiple of ${block ** 2} channels, found ${shapeText(dims)}`);
  return [{ type, dims: [batch, channels / block ** 2, height * block, width * block] }];
};

const spaceToDepth: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const block = numberAttribute(node, 'blocksize', 1);
  const [batch, channels, height, width] = [at(dims, 0), at(dims, 1), at(dims, 2), at(dims, 3)];
  if (dims.length !== 4 || height % block !== 0 || width % block !== 0) {
    throw mismatch(node, `expected height and width in multiples of ${block}, found ${shapeText(dims)}`);
  }
  return [{ type, dims: [batch, channels * block ** 2, height / block, width / block] }];
};

export const movementShapes: Readonly<Record<string, ShapeRule>> = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Trilu: same,
};
