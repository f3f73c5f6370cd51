import { elementCount, numberAttribute, numbersAttribute, type ElementType, type Node, type Tensor } from './graph.ts';
import { constantOf, shapeBounds } from './shape-rules/creation.ts';
import { permutation, slicedAxes, splitSizes } from './shape-rules/movement.ts';
import { at, axisOf, type ValueType } from './shape-rules/rule.ts';

/** Shapes and indices are short; more elements than this are data and stay unknown. */
export const shapeValuesMax = 1024;

interface Context {
  readonly node: Node;
  /** Types of the outputs. */
  readonly outputs: readonly ValueType[];
  type(index: number): ValueType | undefined;
  /** A known input with its values as numbers; undefined when it is absent. */
  input(index: number): Known;
  has(index: number): boolean;
}
interface Known {
  readonly dims: readonly number[];
  readonly values: readonly number[];
}
/** The values of a node's outputs, in order. */
type Evaluator = (context: Context) => (readonly number[])[];

/** Calls `visit` with every index of a tensor, in the order of its elements. */
function forEachIndex(dims: readonly number[], visit: (index: readonly number[]) => void): void {
  const index = dims.map(() => 0);
  for (let left = elementCount(dims); left > 0; left -= 1) {
    visit(index);
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      index[axis] = at(index, axis) + 1;
      if (at(index, axis) < at(dims, axis)) break;
      index[axis] = 0;
    }
  }
}

/** The tensor each of whose elements is one of another's: `from` says which, by its index. */
function pick(source: Known, dims: readonly number[], from: (index: readonly number[]) => readonly number[]): number[] {
  const values: number[] = [];
  forEachIndex(dims, (index) => {
    let place = 0;
    from(index).forEach((coordinate, axis) => (place = place * at(source.dims, axis) + coordinate));
    values.push(source.values[place] ?? Number.NaN);
  });
  return values;
}

/** Aligned at the last axis; along an axis of size 1 the same element serves all. */
const spread = (source: Known, dims: readonly number[]): number[] =>
  pick(source, dims, (index) => source.dims.map((dim, axis) => (dim === 1 ? 0 : at(index, axis + index.length - source.dims.length))));

const outDims = ({ outputs }: Context): readonly number[] => outputs[0]?.dims ?? [];
const same: Evaluator = ({ input }) => [input(0).values];

const elementwise =
  (act: (...values: number[]) => number): Evaluator =>
  (context) => {
    const operands = context.node.inputs.map((_, index) => spread(context.input(index), outDims(context)));
    return [(operands[0] ?? []).map((_, index) => act(...operands.map((values) => at(values, index))))];
  };
/** Operators that take any number of inputs, two at a time. */
const folded = (act: (left: number, right: number) => number): Evaluator => elementwise((...values) => values.reduce((left, right) => act(left, right)));

const division: Evaluator = (context) => {
  const whole = context.outputs[0]?.type !== 'float32';
  return elementwise((a, b) => (whole ? Math.trunc(a / b) : a / b))(context);
};

/** Rounds towards zero where the target holds whole numbers, as the runtime does. */
const cast: Evaluator = (context) => {
  const type = context.outputs[0]?.type;
  const convert = (value: number): number => (type === 'bool' ? Number(value !== 0) : type === 'int64' || type === 'int32' ? Math.trunc(value) : value);
  return [context.input(0).values.map(convert)];
};

const shape: Evaluator = ({ node, type }) => {
  const dims = type(0)?.dims;
  return dims === undefined ? [] : [dims.slice(...shapeBounds(node, dims.length))];
};

const gather: Evaluator = (context) => {
  const [data, indices] = [context.input(0), context.input(1)];
  const axis = axisOf(context.node, numberAttribute(context.node, 'axis', 0), data.dims.length);
  const count = indices.dims.length;
  const size = at(data.dims, axis);
  const from = (index: readonly number[]): number[] => {
    const place = index.slice(axis, axis + count).reduce((sum, coordinate, each) => sum * at(indices.dims, each) + coordinate, 0);
    const wanted = at(indices.values, place);
    const row = wanted < 0 ? wanted + size : wanted;
    // Not a number, so that the whole result counts as unknown.
    return [...index.slice(0, axis), row >= 0 && row < size ? row : Number.NaN, ...index.slice(axis + count)];
  };
  return [pick(data, outDims(context), from)];
};

const concat: Evaluator = (context) => {
  const axis = axisOf(context.node, numberAttribute(context.node, 'axis', 0), outDims(context).length);
  const parts = context.node.inputs.map((_, index) => context.input(index));
  const values: number[] = [];
  forEachIndex(outDims(context), (index) => {
    let along = at(index, axis);
    const part = parts.find(({ dims }) => along < at(dims, axis) || ((along -= at(dims, axis)), false));
    if (part !== undefined)
      values.push(
        ...pick(
          part,
          index.map(() => 1),
          () => index.with(axis, along),
        ),
      );
  });
  return [values];
};

const slice: Evaluator = (context) => {
  const source = context.input(0);
  const cuts = slicedAxes(context.node, source.dims, (index) => (context.has(index) ? context.input(index).values : undefined));
  const from = (index: readonly number[]): readonly number[] =>
    cuts.reduce((place, { axis, start, step }) => place.with(axis, start + step * at(index, axis)), index);
  return [pick(source, outDims(context), from)];
};

const split: Evaluator = (context) => {
  const source = context.input(0);
  const axis = axisOf(context.node, numberAttribute(context.node, 'axis', 0), source.dims.length);
  const sizes = splitSizes(context.node, context.has(1) ? context.input(1).values : undefined, at(source.dims, axis));
  let start = 0;
  return sizes.map((size) => {
    const first = start;
    start += size;
    return pick(source, source.dims.with(axis, size), (index) => index.with(axis, at(index, axis) + first));
  });
};

const transpose: Evaluator = (context) => {
  const source = context.input(0);
  const order = permutation(context.node, source.dims.length);
  return [pick(source, outDims(context), (index) => source.dims.map((_, axis) => at(index, order.indexOf(axis))))];
};

const tile: Evaluator = (context) => {
  const source = context.input(0);
  return [pick(source, outDims(context), (index) => index.map((coordinate, axis) => coordinate % at(source.dims, axis)))];
};

const constantOfShape: Evaluator = (context) => {
  const value = context.node.attributes['value'];
  const fill = value?.kind === 'tensor' ? Number((value.value as Tensor).data[0]) : 0;
  return [Array.from({ length: elementCount(outDims(context)) }, () => fill)];
};

const range: Evaluator = (context) => {
  const [start, step] = [at(context.input(0).values, 0), at(context.input(2).values, 0)];
  return [Array.from({ length: elementCount(outDims(context)) }, (_, index) => start + step * index)];
};

/** Over all elements or along the only axis: what shape arithmetic does. */
const reduction =
  (act: (left: number, right: number) => number, empty: number): Evaluator =>
  (context) => {
    const source = context.input(0);
    const reduced = elementCount(outDims(context)) === 1 && numbersAttribute(context.node, 'axes', []).length <= source.dims.length;
    return reduced ? [[source.values.reduce((left, right) => act(left, right), empty)]] : [];
  };

const evaluators: Readonly<Record<string, Evaluator>> = {
  Identity: same,
  Reshape: same,
  Flatten: same,
  Squeeze: same,
  Unsqueeze: same,
  Cast: cast,
  Shape: shape,
  Size: ({ type }) => [[elementCount(type(0)?.dims ?? [Number.NaN])]],
  Gather: gather,
  Concat: concat,
  Slice: slice,
  Split: split,
  Transpose: transpose,
  Expand: (context) => [spread(context.input(0), outDims(context))],
  Tile: tile,
  ConstantOfShape: constantOfShape,
  Range: range,
  Add: folded((a, b) => a + b),
  Sub: folded((a, b) => a - b),
  Mul: folded((a, b) => a * b),
  Min: folded(Math.min),
  Max: folded(Math.max),
  Div: division,
  Neg: elementwise((a) => -a),
  Abs: elementwise(Math.abs),
  Sign: elementwise(Math.sign),
  Floor: elementwise(Math.floor),
  Ceil: elementwise(Math.ceil),
  Sqrt: elementwise(Math.sqrt),
  Not: elementwise((a) => Number(a === 0)),
  And: elementwise((a, b) => Number(a !== 0 && b !== 0)),
  Or: elementwise((a, b) => Number(a !== 0 || b !== 0)),
  Equal: elementwise((a, b) => Number(a === b)),
  Greater: elementwise((a, b) => Number(a > b)),
  GreaterOrEqual: elementwise((a, b) => Number(a >= b)),
  Less: elementwise((a, b) => Number(a < b)),
  LessOrEqual: elementwise((a, b) => Number(a <= b)),
  Where: elementwise((condition, a, b) => (condition === 0 ? b : a)),
  ReduceProd: reduction((a, b) => a * b, 1),
  ReduceSum: reduction((a, b) => a + b, 0),
  ReduceMin: reduction(Math.min, Number.POSITIVE_INFINITY),
  ReduceMax: reduction(Math.max, Number.NEGATIVE_INFINITY),
};

/** What a node makes of inputs that are known: shapes and indices, whose values later shapes depend on. Undefined when it cannot be said. */
export function evaluateNode(
  node: Node,
  outputs: readonly ValueType[],
  types: ReadonlyMap<string, ValueType>,
  constants: ReadonlyMap<string, Tensor>,
): readonly Tensor[] | undefined {
  if (node.domain !== '') return undefined;
  if (node.operator === 'Constant') {
    const tensor = constantOf(node);
    return tensor === undefined ? undefined : [tensor];
  }
  const evaluator = Object.hasOwn(evaluators, node.operator) ? evaluators[node.operator] : undefined;
  if (evaluator === undefined || outputs.some(({ dims }) => elementCount(dims) > shapeValuesMax)) return undefined;
  const byShape = node.operator === 'Shape' || node.operator === 'Size';
  const given = node.inputs.filter((name) => name !== '');
  if (!byShape && !given.every((name) => isKnown(constants.get(name)))) return undefined;

  const results = evaluator({
    node,
    outputs,
    type: (index) => types.get(node.inputs[index] ?? ''),
    has: (index) => (node.inputs[index] ?? '') !== '',
    input: (index) => {
      const tensor = constants.get(node.inputs[index] ?? '');
      return { dims: tensor?.dims ?? [], values: tensor === undefined ? [] : Array.from(tensor.data as ArrayLike<number | bigint>, Number) };
    },
  });
  const tensors = outputs.map(({ type, dims }, index) => stored(type, dims, results[index] ?? []));
  return tensors.every((tensor) => tensor !== undefined) ? tensors : undefined;
}

const isKnown = (tensor: Tensor | undefined): boolean => tensor !== undefined && tensor.data.length <= shapeValuesMax && Object.hasOwn(arrays, tensor.type);

const int64Max = 2n ** 63n - 1n;
const arrays: Partial<Record<ElementType, (values: readonly number[]) => Tensor['data'] | undefined>> = {
  int64: (values) => BigInt64Array.from(values, (value) => (value >= 2 ** 63 ? int64Max : BigInt(value))),
  int32: (values) => (values.every((value) => value === (value | 0)) ? Int32Array.from(values) : undefined),
  bool: (values) => Uint8Array.from(values),
  float32: (values) => Float32Array.from(values),
};

/** Undefined where a value is missing or larger than numbers can be exact, save for the marks "from the end" and "to the end". */
function stored(type: ElementType, dims: readonly number[], values: readonly number[]): Tensor | undefined {
  if (values.length !== elementCount(dims) || values.some(Number.isNaN)) return undefined;
  const isExact = (value: number): boolean => Number.isSafeInteger(value) || Math.abs(value) === 2 ** 63;
  if (type === 'int64' && !values.every(isExact)) return undefined;
  const data = arrays[type]?.(values);
  return data === undefined ? undefined : { type, dims, data };
}
