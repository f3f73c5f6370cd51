import { SerinError } from '@serin/protocol/errors';

import { elementCount, int, ints, numberAttribute, text, textAttribute, type Node, type Tensor } from '../../onnx/graph.ts';
import { at, axisOf, range } from '../../onnx/shape-rules/rule.ts';
import { castTo, type Tape } from '../tape.ts';
import { filledLike, reshapeLike, type GradientContext, type GradientRule } from './rule.ts';

/** As int64 and counted from the front; `sizes` broadcasts to the indices. */
function countedIndices(tape: Tape, indices: string, sizes: readonly number[]): string {
  const constant = tape.constantValue(indices);
  const long = tape.type(indices).type === 'int64' ? indices : tape.add('Cast', [indices], castTo('int64'));
  if (constant !== undefined && Array.from(constant.data as ArrayLike<number | bigint>, Number).every((index) => index >= 0)) return long;
  const size = sizes.length === 1 ? tape.number(at(sizes, 0), long) : tape.longs(sizes);
  return tape.add('Where', [tape.add('Less', [long, tape.number(0, long)]), tape.add('Add', [long, size]), long]);
}

/**
 * What a product with a matrix of zeros and ones costs for a number gathered, against what scattering it costs, both in
 * nanoseconds as measured: writing an element of the matrix, multiplying with it, scattering.
 */
const productCost = { write: 1.5, multiply: 0.03, scatter: 20 };

/**
 * Adds each row [count, width] to the row of the result [size, width] that its index names. Not with ScatterND, which
 * loses updates where two threads meet in a row, nor by rows, which is slower than in one long line.
 */
function sumRows(tape: Tape, indices: string, rows: string, size: number): string {
  const { type, dims } = tape.type(rows);
  const [count, width] = [at(dims, 0), at(dims, 1)];
  if (size * (productCost.multiply + productCost.write / width) < productCost.scatter) {
    const names = tape.add('Reshape', [tape.longs(range(size)), tape.longs([size, 1])]);
    const flat = tape.add('Reshape', [indices, tape.longs([1, count])]);
    return tape.add('MatMul', [tape.add('Cast', [tape.add('Equal', [names, flat])], castTo(type)), rows]);
  }
  const starts = tape.add('Mul', [tape.add('Reshape', [indices, tape.longs([count, 1])]), tape.number(width, indices)]);
  const places = tape.add('Reshape', [tape.add('Add', [starts, tape.longs(range(width))]), tape.longs([-1])]);
  const empty = tape.add('Expand', [tape.number(0, rows), tape.longs([size * width])]);
  const flat = tape.add('Reshape', [rows, tape.longs([-1])]);
  const sums = tape.add('ScatterElements', [empty, places, flat], { axis: int(0), reduction: text('add') });
  return tape.add('Reshape', [sums, tape.longs([size, width])]);
}

const gather: GradientRule = ({ tape, node, gradient, input }) => {
  const { dims } = tape.type(input(0));
  const axis = axisOf(node, numberAttribute(node, 'axis', 0), dims.length);
  const depth = tape.type(input(1)).dims.length;
  const count = elementCount(tape.type(input(1)).dims);
  const others = dims.toSpliced(axis, 1);
  // The gathered axes to the front, so that what one index names is a row.
  const rank = tape.type(gradient).dims.length;
  const front = range(depth).map((place) => axis + place);
  const order = [...front, ...range(rank).filter((place) => !front.includes(place))];
  const moved = axis === 0 ? gradient : tape.add('Transpose', [gradient], { perm: ints(order) });
  const rows = tape.add('Reshape', [moved, tape.longs([count, elementCount(others)])]);
  const sums = sumRows(tape, countedIndices(tape, input(1), [at(dims, axis)]), rows, at(dims, axis));
  if (axis === 0) return [reshapeLike(tape, sums, input(0))];
  const apart = tape.add('Reshape', [sums, tape.longs([at(dims, axis), ...others])]);
  return [tape.add('Transpose', [apart], { perm: ints(range(dims.length).map((place) => (place === axis ? 0 : place < axis ? place + 1 : place))) })];
};

const gatherElements: GradientRule = ({ tape, node, gradient, input }) => [
  tape.add('ScatterElements', [filledLike(tape, 0, input(0)), input(1), gradient], {
    axis: int(numberAttribute(node, 'axis', 0)),
    reduction: text('add'),
  }),
];

const gatherNd: GradientRule = ({ tape, node, gradient, input }) => {
  const { dims } = tape.type(input(0));
  const indexDims = tape.type(input(1)).dims;
  const batch = numberAttribute(node, 'batch_dims', 0);
  const named = batch + at(indexDims, indexDims.length - 1);
  const sizes = dims.slice(batch, named);
  const strides = sizes.map((_, axis) => elementCount(sizes.slice(axis + 1)));
  const counted = countedIndices(tape, input(1), sizes);
  const places = tape.add('ReduceSum', [tape.add('Mul', [counted, tape.longs(strides)]), tape.longs([-1])], { keepdims: int(0) });
  const rowCount = elementCount(indexDims.slice(0, -1));
  const batches = elementCount(dims.slice(0, batch));
  const apart = tape.add('Reshape', [places, tape.longs([batches, rowCount / batches])]);
  const starts = {
    type: 'int64',
    dims: [batches, 1],
    data: BigInt64Array.from(range(batches), (index) => BigInt(index * elementCount(sizes))),
  } satisfies Tensor;
  const indices = batch === 0 ? places : tape.add('Add', [apart, tape.constant(starts)]);
  const rows = tape.add('Reshape', [gradient, tape.longs([rowCount, elementCount(dims.slice(named))])]);
  return [reshapeLike(tape, sumRows(tape, indices, rows, batches * elementCount(sizes)), input(0))];
};

/** What is written over has no gradient, what is added to keeps its own. */
const scatter =
  (erase: (context: GradientContext) => string, take: (context: GradientContext) => string): GradientRule =>
  (context) => {
    const { node, gradient, needs } = context;
    const reduction = textAttribute(node, 'reduction', 'none');
    if (reduction !== 'none' && reduction !== 'add') throw unsupportedReduction(node, reduction);
    const data = (): string => (reduction === 'add' ? gradient : erase(context));
    return [needs(0) ? data() : undefined, undefined, needs(2) ? take(context) : undefined];
  };

const unsupportedReduction = (node: Node, reduction: string): SerinError =>
  new SerinError('MODEL_UNSUPPORTED', {
    detail: `the gradient of ${node.operator} ${node.name} with reduction ${reduction}`,
    hint: 'Export the model without it',
  });

const alongAxis = ({ node }: GradientContext) => ({ axis: int(numberAttribute(node, 'axis', 0)) });

export const gatherGradients: Readonly<Record<string, GradientRule>> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  ScatterElements: scatter(
    (context) => context.tape.add('ScatterElements', [context.gradient, context.input(1), filledLike(context.tape, 0, context.input(2))], alongAxis(context)),
    (context) => context.tape.add('GatherElements', [context.gradient, context.input(1)], alongAxis(context)),
  ),
  ScatterND: scatter(
    ({ tape, gradient, input }) => tape.add('ScatterND', [gradient, input(1), filledLike(tape, 0, input(2))]),
    ({ tape, gradient, input }) => tape.add('GatherND', [gradient, input(1)]),
  ),
};
