import { SerinError } from '@serin/protocol/errors';

import { elementCount, numberAttribute, numbersAttribute, type ElementType, type Node, type Tensor } from './graph.ts';

/** Type and concrete shape of a value. */
export interface ValueType {
  readonly type: ElementType;
  readonly dims: readonly number[];
}

export interface ShapeContext {
  readonly node: Node;
  /** The type of an input; throws when the input is absent. */
  input(index: number): ValueType;
  /** The whole numbers of a constant input. */
  constant(index: number): readonly number[] | undefined;
}

/** One rule an operator: the types of its outputs. */
export type ShapeRule = (context: ShapeContext) => ValueType;

const mismatch = (node: Node, detail: string): SerinError =>
  new SerinError('MODEL_INVALID', {
    detail: `${node.operator} ${node.outputs[0] ?? ''}: ${detail}`,
  });

export function broadcastDims(left: readonly number[], right: readonly number[]): number[] | undefined {
  const rank = Math.max(left.length, right.length);
  const dims: number[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const a = left[axis - rank + left.length] ?? 1;
    const b = right[axis - rank + right.length] ?? 1;
    if (a !== b && a !== 1 && b !== 1) return undefined;
    dims.push(a === 1 ? b : a);
  }
  return dims;
}

const same: ShapeRule = ({ input }) => input(0);

const elementwise: ShapeRule = ({ node, input }) => {
  const dims = broadcastDims(input(0).dims, input(1).dims);
  if (dims === undefined) throw mismatch(node, `[${input(0).dims.join()}] and [${input(1).dims.join()}] do not broadcast`);
  return { type: input(0).type, dims };
};

const comparison: ShapeRule = (context) => ({ type: 'bool', dims: elementwise(context).dims });

/** Axes of a reduction, from the attribute (older opsets) or the second input. */
export function reducedAxes(node: Node, constant: readonly number[] | undefined, rank: number): number[] {
  const given = constant ?? numbersAttribute(node, 'axes', []);
  const axes = given.length > 0 ? given : Array.from({ length: rank }, (_, axis) => axis);
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}

const reduction: ShapeRule = ({ node, input, constant }) => {
  const { type, dims } = input(0);
  const axes = reducedAxes(node, constant(1), dims.length);
  const keep = numberAttribute(node, 'keepdims', 1) === 1;
  const kept = dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return { type, dims: keep ? kept : kept.filter((_, axis) => !axes.includes(axis)) };
};

export interface ConvGeometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** All begins, then all ends. */
  readonly pads: readonly number[];
  readonly group: number;
}

export function convGeometry(node: Node, weightDims: readonly number[]): ConvGeometry {
  const kernel = weightDims.slice(2);
  const ones = kernel.map(() => 1);
  const automatic = node.attributes['auto_pad']?.value;
  if (automatic !== undefined && automatic !== 'NOTSET') {
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `${node.operator} with auto_pad`,
      hint: 'Export it with explicit pads',
    });
  }
  return {
    kernel,
    strides: numbersAttribute(node, 'strides', ones),
    dilations: numbersAttribute(node, 'dilations', ones),
    pads: numbersAttribute(node, 'pads', [...ones, ...ones].fill(0)),
    group: numberAttribute(node, 'group', 1),
  };
}

const at = (list: readonly number[], index: number): number => list[index] ?? 0;

const conv: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const w = input(1);
  const { kernel, strides, dilations, pads, group } = convGeometry(node, w.dims);
  if (x.dims.length !== w.dims.length) throw mismatch(node, 'input and weight differ in rank');
  if (at(x.dims, 1) !== at(w.dims, 1) * group) throw mismatch(node, `${at(x.dims, 1)} channels in, weights for ${at(w.dims, 1) * group}`);
  const spatial = kernel.map((size, axis) => {
    const padded = at(x.dims, axis + 2) + at(pads, axis) + at(pads, axis + kernel.length);
    return Math.floor((padded - at(dilations, axis) * (size - 1) - 1) / at(strides, axis)) + 1;
  });
  if (spatial.some((size) => size < 1)) throw mismatch(node, 'the kernel is larger than its input');
  return { type: x.type, dims: [at(x.dims, 0), at(w.dims, 0), ...spatial] };
};

const convTranspose: ShapeRule = ({ node, input }) => {
  const x = input(0);
  const w = input(1);
  const { kernel, strides, dilations, pads, group } = convGeometry(node, w.dims);
  const extra = numbersAttribute(
    node,
    'output_padding',
    kernel.map(() => 0),
  );
  const spatial = kernel.map(
    (size, axis) =>
      (at(x.dims, axis + 2) - 1) * at(strides, axis) + at(extra, axis) + at(dilations, axis) * (size - 1) + 1 - at(pads, axis) - at(pads, axis + kernel.length),
  );
  return { type: x.type, dims: [at(x.dims, 0), at(w.dims, 1) * group, ...spatial] };
};

const matMul: ShapeRule = ({ node, input }) => {
  const a = input(0).dims;
  const b = input(1).dims;
  const batch = broadcastDims(a.slice(0, -2), b.slice(0, -2));
  if (a.length < 2 || b.length < 2 || batch === undefined || a.at(-1) !== b.at(-2)) {
    throw mismatch(node, `[${a.join()}] times [${b.join()}]`);
  }
  return { type: input(0).type, dims: [...batch, a.at(-2) ?? 0, b.at(-1) ?? 0] };
};

const gemm: ShapeRule = ({ node, input }) => {
  const a = input(0).dims;
  const b = input(1).dims;
  const [rows, inner] = numberAttribute(node, 'transA', 0) === 1 ? [a[1], a[0]] : [a[0], a[1]];
  const [innerB, columns] = numberAttribute(node, 'transB', 0) === 1 ? [b[1], b[0]] : [b[0], b[1]];
  if (inner !== innerB) throw mismatch(node, `[${a.join()}] times [${b.join()}]`);
  return { type: input(0).type, dims: [rows ?? 0, columns ?? 0] };
};

const reshape: ShapeRule = ({ node, input, constant }) => {
  const { type, dims } = input(0);
  const wanted = constant(1);
  if (wanted === undefined)
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `Reshape ${node.outputs[0] ?? ''} to a computed shape`,
    });
  const keepZero = numberAttribute(node, 'allowzero', 0) === 1;
  const known = wanted.map((dim, axis) => (dim === 0 && !keepZero ? at(dims, axis) : dim));
  const rest = elementCount(known.filter((dim) => dim !== -1));
  const result = known.map((dim) => (dim === -1 ? elementCount(dims) / rest : dim));
  if (elementCount(result) !== elementCount(dims)) throw mismatch(node, `[${dims.join()}] into [${wanted.join()}]`);
  return { type, dims: result };
};

const flatten: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  const axis = numberAttribute(node, 'axis', 1);
  const split = axis < 0 ? axis + dims.length : axis;
  return { type, dims: [elementCount(dims.slice(0, split)), elementCount(dims.slice(split))] };
};

const transpose: ShapeRule = ({ node, input }) => {
  const { type, dims } = input(0);
  return { type, dims: permutation(node, dims.length).map((axis) => at(dims, axis)) };
};

export function permutation(node: Node, rank: number): readonly number[] {
  return numbersAttribute(
    node,
    'perm',
    Array.from({ length: rank }, (_, axis) => rank - 1 - axis),
  );
}

const cast: ShapeRule = ({ node, input }) => {
  const type = elementTypeOfCode[numberAttribute(node, 'to', 1)];
  if (type === undefined) throw new SerinError('MODEL_UNSUPPORTED', { detail: 'Cast to a type that is not numeric' });
  return { type, dims: input(0).dims };
};

/** TensorProto.DataType, the types a cast is met with. */
const elementTypeOfCode: Readonly<Record<number, ElementType>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
};

const globalPool: ShapeRule = ({ input }) => ({
  type: input(0).type,
  dims: input(0).dims.map((dim, axis) => (axis < 2 ? dim : 1)),
});

const expand: ShapeRule = ({ node, input, constant }) => {
  const wanted = constant(1);
  const dims = wanted === undefined ? undefined : broadcastDims(input(0).dims, wanted);
  if (dims === undefined) throw mismatch(node, 'the shape does not broadcast');
  return { type: input(0).type, dims };
};

const slice: ShapeRule = ({ node, input, constant }) => {
  const { type, dims } = input(0);
  const starts = constant(1);
  const ends = constant(2);
  if (starts === undefined || ends === undefined)
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `Slice ${node.outputs[0] ?? ''} with computed bounds`,
    });
  const axes = constant(3) ?? starts.map((_, axis) => axis);
  const steps = constant(4) ?? starts.map(() => 1);
  if (steps.some((step) => step < 1)) throw new SerinError('MODEL_UNSUPPORTED', { detail: 'Slice with a negative step' });
  const result = [...dims];
  axes.forEach((axis, index) => {
    const size = at(dims, axis);
    const clip = (bound: number): number => Math.min(size, Math.max(0, bound < 0 ? bound + size : bound));
    result[axis] = Math.max(0, Math.ceil((clip(at(ends, index)) - clip(at(starts, index))) / at(steps, index)));
  });
  return { type, dims: result };
};

const where: ShapeRule = ({ node, input }) => {
  const dims = broadcastDims(broadcastDims(input(0).dims, input(1).dims) ?? [], input(2).dims);
  if (dims === undefined) throw mismatch(node, 'the shapes do not broadcast');
  return { type: input(1).type, dims };
};

export const shapeRules: Readonly<Record<string, ShapeRule>> = {
  Add: elementwise,
  Sub: elementwise,
  Mul: elementwise,
  Div: elementwise,
  Greater: comparison,
  Where: where,
  Relu: same,
  Neg: same,
  Exp: same,
  Log: same,
  Sqrt: same,
  Reciprocal: same,
  Sigmoid: same,
  Tanh: same,
  Softmax: same,
  LogSoftmax: same,
  Identity: same,
  Cast: cast,
  ReduceMean: reduction,
  ReduceSum: reduction,
  GlobalAveragePool: globalPool,
  Conv: conv,
  ConvTranspose: convTranspose,
  MatMul: matMul,
  Gemm: gemm,
  Reshape: reshape,
  Flatten: flatten,
  Transpose: transpose,
  Expand: expand,
  Slice: slice,
};

export function inferNode(node: Node, types: ReadonlyMap<string, ValueType>, constants: ReadonlyMap<string, Tensor>): ValueType {
  const rule = shapeRules[node.operator];
  if (rule === undefined || node.domain !== '' || node.outputs.length !== 1) {
    throw new SerinError('MODEL_UNSUPPORTED', {
      detail: `operator ${node.operator} has no shape rule`,
    });
  }
  return rule({
    node,
    input: (index) => {
      const name = node.inputs[index] ?? '';
      const type = types.get(name);
      if (type === undefined) throw mismatch(node, `input ${name === '' ? index : name} is not defined before it`);
      return type;
    },
    constant: (index) => {
      const tensor = constants.get(node.inputs[index] ?? '');
      return tensor === undefined ? undefined : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
    },
  });
}
