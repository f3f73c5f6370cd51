import fc from 'fast-check';
import { expect, test } from 'vitest';

import { float, floats, int, ints, text, type Attribute } from '../onnx/graph.ts';
import { gradientRules } from './gradient-rules.ts';
import { castTo, type Tape } from './tape.ts';
import { awayFromZero, checkGradient, distinct, normal, positive, type GradientCheck, type Values } from './testing/gradient-check.ts';

interface Case {
  readonly dims: readonly (readonly number[])[];
  readonly attributes?: Record<string, Attribute>;
  /** Constant inputs before the differentiable ones, and after them. */
  readonly leading?: (tape: Tape) => string[];
  readonly constants?: (tape: Tape) => string[];
}

interface Rule extends Omit<GradientCheck, 'seed'> {
  readonly cases: fc.Arbitrary<Case>;
  /** Of the input with this index. */
  readonly values?: (index: number) => Values;
  /** The operator is a step: its gradient is none, which shows beside that of its input. */
  readonly flat?: true;
  readonly outputs?: number;
  /** Writes the operator together with what makes its outcome a real number. */
  readonly write?: (tape: Tape, input: string) => string;
}

/** Linear in every single input: a long step is exact, which float32 kernels need. */
const linear = { type: 'float32', step: 0.5, tolerance: 1e-3 } as const;
/** The runtime has no float64 kernel. */
const single = { type: 'float32' } as const;
const above = { values: () => positive };
const unbent = { values: () => awayFromZero };
/** Not near a whole number or half of one. */
const betweenSteps = { values: (): Values => (random, count) => Array.from({ length: count }, () => random.integer(5) - 2 + random.between(0.15, 0.35)) };
/** On both sides of 2 and 3, above and below zero, not near them. */
const wide = {
  values: (): Values => (random, count) =>
    betweenSteps
      .values()(random, count)
      .map((value) => value * 2),
};
/** No element of one input is near its counterpart in another. */
const apart = {
  values:
    (index: number): Values =>
    (random, count) =>
      distinct(random, count).map((value) => value + index * 0.1),
};

const dims = (rank: number, least = 1) => fc.array(fc.integer({ min: least, max: 4 }), { minLength: rank, maxLength: rank });
const anyDims = fc.integer({ min: 1, max: 3 }).chain((rank) => dims(rank));
const pictures = fc.integer({ min: 3, max: 4 }).chain((rank) => dims(rank, 2));

const one = (shapes: fc.Arbitrary<readonly number[]>, rest: Omit<Case, 'dims'> = {}): fc.Arbitrary<Case> => shapes.map((shape) => ({ dims: [shape], ...rest }));
const unary = one(anyDims);
const softmax = one(anyDims, { attributes: { axis: int(-1) } });
const several = fc.tuple(dims(2), fc.integer({ min: 1, max: 3 })).map(([shape, count]) => ({ dims: Array.from({ length: count }, () => shape) }));
/** Two shapes that broadcast: leading axes dropped or sizes turned into 1, on either side. */
const broadcast: fc.Arbitrary<Case> = fc
  .tuple(dims(3), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.nat(2), fc.boolean())
  .map(([shape, flatten, drop, swap]) => {
    const small = shape.map((dim, axis) => (flatten[axis] === true ? 1 : dim)).slice(drop);
    return { dims: swap ? [small, shape] : [shape, small] };
  });
const axes = fc.tuple(dims(3), fc.subarray([0, 1, 2], { minLength: 1 }), fc.boolean());
const reduction: fc.Arbitrary<Case> = axes.map(([shape, chosen, keep]) => ({
  dims: [shape],
  attributes: { keepdims: int(keep ? 1 : 0) },
  constants: (tape) => [tape.longs(chosen)],
}));
/** Other reductions take their axes as an attribute up to opset 17. */
const oldReduction: fc.Arbitrary<Case> = axes.map(([shape, chosen, keep]) => ({
  dims: [shape],
  attributes: { keepdims: int(keep ? 1 : 0), axes: ints(chosen) },
}));
const channelwise = (vectors: number, attributes: Record<string, Attribute> = {}): fc.Arbitrary<Case> =>
  pictures.map((shape) => ({
    dims: [shape, ...Array.from({ length: vectors }, () => [shape[1] ?? 1])],
    attributes: { epsilon: float(1), ...attributes },
  }));
const convolution = (groups: number): fc.Arbitrary<Case> =>
  fc.tuple(dims(4), dims(2), fc.integer({ min: 1, max: 2 })).map(([[batch = 1, filters = 1, ...kernel], [height = 1, width = 1], stride]) => ({
    dims: [
      [batch, 2 * groups, height + 3, width + 3],
      [2 * groups, filters, ...kernel],
    ],
    attributes: { strides: ints([stride, stride]), group: int(groups) },
  }));
const windows = one(
  dims(4).map(([batch = 1, channels = 1, height = 1, width = 1]) => [batch, channels, height + 3, width + 3]),
  { attributes: { kernel_shape: ints([3, 2]), strides: ints([2, 1]), pads: ints([1, 0, 1, 1]) } },
);

/** A step of 1/16384 is none that a difference of 0.5 would see. */
const stored: Rule = {
  cases: unary,
  values: () => (random, count) => Array.from({ length: count }, () => random.between(-0.9, 0.9)),
  write: (tape, input) => {
    const [scale, zeroPoint] = [tape.constant(floats([], [2 ** -14])), tape.constant({ type: 'uint16', dims: [], data: Uint16Array.of(32768) })];
    return tape.add('DequantizeLinear', [tape.add('QuantizeLinear', [input, scale, zeroPoint]), scale, zeroPoint]);
  },
  opset: 21,
  ...linear,
};

const rules: Record<string, Rule> = {
  Add: { cases: broadcast },
  Sub: { cases: broadcast },
  Mul: { cases: broadcast },
  Div: { cases: broadcast, ...above },
  Mod: { cases: one(anyDims, { attributes: { fmod: int(1) }, constants: (tape) => [tape.number(10, 'x0')] }), ...unbent },
  Pow: { cases: broadcast, ...above },
  Sum: { cases: several },
  Mean: { cases: several, ...single },
  Min: { cases: several, ...apart },
  Max: { cases: several, ...apart },
  Clip: { cases: one(anyDims, { constants: (tape) => [tape.number(-0.25, 'x0'), tape.number(1.75, 'x0')] }), ...betweenSteps },
  Where: { cases: broadcast.map((given) => ({ ...given, leading: (tape) => [tape.constant({ type: 'bool', dims: [1], data: Uint8Array.of(1) })] })) },
  Neg: { cases: unary },
  Abs: { cases: unary, ...unbent },
  Reciprocal: { cases: unary, ...above },
  Exp: { cases: unary },
  Log: { cases: unary, ...above },
  Sqrt: { cases: unary, ...above },
  Sin: { cases: unary },
  Cos: { cases: unary },
  Tan: { cases: unary, values: () => (random, count) => Array.from({ length: count }, () => random.between(-1, 1)), ...single },
  Atan: { cases: unary, ...single },
  Identity: { cases: unary },
  Cast: { cases: one(anyDims, { attributes: castTo('float64') }) },
  CastLike: { cases: one(anyDims, { constants: (tape) => [tape.number(1, 'x0')] }) },
  Dropout: { cases: unary },
  Floor: { cases: unary, ...betweenSteps, flat: true },
  Ceil: { cases: unary, ...betweenSteps, flat: true },
  Round: { cases: unary, ...betweenSteps, flat: true },
  Sign: { cases: unary, ...unbent, flat: true },
  Relu: { cases: unary, ...unbent },
  LeakyRelu: { cases: unary, ...unbent, ...single },
  PRelu: { cases: unary.map(({ dims: [shape = []] }) => ({ dims: [shape, shape] })), ...unbent },
  ThresholdedRelu: { cases: one(anyDims, { attributes: { alpha: float(0.1) } }), ...unbent, ...single },
  Elu: { cases: unary, ...unbent, ...single },
  Selu: { cases: unary, ...unbent, ...single },
  Celu: { cases: unary, ...unbent, ...single },
  Sigmoid: { cases: unary },
  Tanh: { cases: unary },
  Softplus: { cases: unary, ...single },
  Softsign: { cases: unary, ...unbent, ...single },
  HardSigmoid: { cases: one(anyDims, { attributes: { alpha: float(0.25) } }), ...wide, ...single },
  HardSwish: { cases: unary, ...wide, ...single },
  Gelu: { cases: unary, opset: 20, ...single },
  Mish: { cases: unary, opset: 18, ...single },
  Erf: { cases: unary, ...single },
  Hardmax: { cases: unary, values: () => distinct, flat: true, ...single },
  Softmax: { cases: softmax },
  LogSoftmax: { cases: softmax },
  ReduceMean: { cases: oldReduction },
  ReduceSum: { cases: reduction },
  ReduceMax: { cases: oldReduction, values: () => distinct },
  ReduceMin: { cases: oldReduction, values: () => distinct },
  ReduceProd: { cases: oldReduction },
  ReduceSumSquare: { cases: oldReduction },
  ReduceL1: { cases: oldReduction, ...unbent },
  ReduceL2: { cases: oldReduction, ...unbent },
  ReduceLogSum: { cases: oldReduction, ...above },
  ReduceLogSumExp: { cases: oldReduction },
  CumSum: { cases: one(anyDims, { constants: (tape) => [tape.longs([0])] }) },
  TopK: { cases: one(anyDims, { constants: (tape) => [tape.longs([1])] }), values: () => distinct, outputs: 2 },
  Reshape: { cases: dims(3).map((shape) => ({ dims: [shape], constants: (tape) => [tape.longs([-1, shape[2] ?? 1])] })) },
  Flatten: { cases: fc.tuple(dims(3), fc.nat(3)).map(([shape, axis]) => ({ dims: [shape], attributes: { axis: int(axis) } })) },
  Squeeze: { cases: one(dims(2).map((shape) => [1, ...shape])) },
  Unsqueeze: { cases: one(anyDims, { constants: (tape) => [tape.longs([-1])] }) },
  Transpose: {
    cases: fc.tuple(dims(3), fc.shuffledSubarray([0, 1, 2], { minLength: 3 })).map(([shape, perm]) => ({ dims: [shape], attributes: { perm: ints(perm) } })),
  },
  Expand: { cases: dims(2).map(([rows, columns]) => ({ dims: [[rows ?? 1, 1]], constants: (tape) => [tape.longs([3, rows ?? 1, columns ?? 1])] })) },
  Tile: { cases: one(dims(2), { constants: (tape) => [tape.longs([2, 3])] }) },
  Concat: { cases: several.map((given) => ({ ...given, attributes: { axis: int(1) } })) },
  Split: { cases: one(dims(2).map(([rows = 1, columns = 1]) => [rows * 2, columns])), outputs: 2 },
  Slice: {
    cases: one(dims(2, 3), {
      constants: (tape) =>
        [
          [-1, 0],
          [-9, 2],
          [1, 0],
          [-2, 1],
        ].map((values) => tape.longs(values)),
    }),
  },
  Pad: { cases: one(dims(2, 2), { constants: (tape) => [tape.longs([1, -1, 0, 2])] }) },
  DepthToSpace: {
    cases: one(
      dims(3).map((shape) => [1, ...shape].with(1, 8)),
      { attributes: { blocksize: int(2) } },
    ),
  },
  SpaceToDepth: {
    cases: one(
      dims(2).map(([n = 1, c = 1]) => [n, c, 4, 2]),
      { attributes: { blocksize: int(2) } },
    ),
  },
  Trilu: { cases: one(dims(2)) },
  Gather: { cases: one(dims(3, 2), { attributes: { axis: int(1) }, constants: (tape) => [tape.longs([1, 0, -1])] }) },
  GatherElements: { cases: one(dims(1), { constants: (tape) => [tape.longs([0, 0, -1])] }) },
  GatherND: { cases: one(dims(2), { constants: (tape) => [tape.longs([0])] }) },
  ScatterElements: {
    cases: one(dims(1), {
      attributes: { reduction: text('add') },
      constants: (tape) => [tape.longs([0, 0]), tape.add('Expand', [tape.number(1, 'x0'), tape.longs([2])])],
    }),
  },
  ScatterND: { cases: one(dims(1, 2), { constants: (tape) => [tape.longs([1]), tape.number(1, 'x0')] }) },
  MatMul: {
    cases: fc.tuple(dims(4), fc.boolean()).map(([[batch = 1, rows = 1, inner = 1, columns = 1], flat]) => ({
      dims: [[batch, rows, inner], flat ? [inner, columns] : [batch, inner, columns]],
    })),
  },
  Gemm: {
    cases: fc
      .tuple(dims(3), fc.boolean(), fc.boolean(), fc.constantFrom('none', 'row', 'full'))
      .map(([[rows = 1, inner = 1, columns = 1], flipA, flipB, bias]) => ({
        dims: [
          flipA ? [inner, rows] : [rows, inner],
          flipB ? [columns, inner] : [inner, columns],
          ...(bias === 'none' ? [] : [bias === 'row' ? [columns] : [rows, columns]]),
        ],
        attributes: { transA: int(flipA ? 1 : 0), transB: int(flipB ? 1 : 0), alpha: float(0.5), beta: float(2) },
      })),
  },
  Einsum: {
    cases: dims(3).map(([a = 1, b = 1, c = 1]) => ({
      dims: [
        [a, b],
        [b, c],
      ],
      attributes: { equation: text('ij,jk->ki') },
    })),
  },
  Conv: { cases: convolution(1).map(({ dims: [x = [], w = []], ...rest }) => ({ ...rest, dims: [x, [w[1] ?? 1, 2, ...w.slice(2)]] })), ...linear },
  ConvTranspose: { cases: convolution(2), ...linear },
  MaxPool: { cases: windows, values: () => distinct, ...single },
  AveragePool: { cases: windows, ...linear },
  LpPool: { cases: windows, ...unbent, ...single },
  GlobalAveragePool: { cases: one(pictures), ...linear },
  GlobalMaxPool: { cases: one(pictures), values: () => distinct, ...single },
  GlobalLpPool: { cases: one(pictures), ...above, ...single },
  Resize: { cases: one(dims(4), { attributes: {}, constants: (tape) => ['', tape.constant(floats([4], [1, 1, 1.5, 2]))] }), ...linear },
  BatchNormalization: { cases: channelwise(4), values: (index) => (index === 4 ? positive : normal) },
  LayerNormalization: {
    cases: pictures.map((shape) => ({ dims: [shape, shape.slice(-1), shape.slice(-1)], attributes: { epsilon: float(1) } })),
    tolerance: 1e-6,
  },
  InstanceNormalization: { cases: channelwise(2), ...single },
  QuantizeLinear: stored,
  DequantizeLinear: stored,
  GroupNormalization: { cases: channelwise(2, { num_groups: int(1) }), opset: 21, ...single },
};

test('every gradient rule is compared with differences', () => {
  expect(Object.keys(rules).toSorted()).toEqual(Object.keys(gradientRules).toSorted());
});

for (const [operator, { cases, values = () => normal, flat, outputs = 1, write, ...check }] of Object.entries(rules)) {
  test(`the gradient of ${operator} agrees with differences`, async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.nat(), async ({ dims: shapes, attributes = {}, leading, constants }, seed) => {
        await checkGradient(
          (tape, input) => {
            const inputs = shapes.map((shape, index) => input(shape, values(index)));
            if (write !== undefined) return write(tape, inputs[0] ?? '');
            const all = [...(leading?.(tape) ?? []), ...inputs, ...(constants?.(tape) ?? [])];
            const written = tape.addMany(operator, all, attributes, outputs).filter((output) => tape.type(output).type !== 'int64');
            return flat === true ? tape.add('Add', [written[0] ?? '', inputs[0] ?? '']) : written;
          },
          { seed, ...check },
        );
      }),
      { numRuns: 10 },
    );
  });
}
