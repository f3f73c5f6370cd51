import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom, type Random } from '@serin/inference/random';
import { createModel, elementCount, float, int, ints, type Attribute, type ElementType } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { differentiate } from './autodiff.ts';
import { gradientRules } from './gradient-rules.ts';
import { castTo, createTape, type Tape } from './tape.ts';

type Draw = (random: Random) => number;

interface Case {
  readonly dims: readonly (readonly number[])[];
  readonly attributes?: Record<string, Attribute>;
  /** Constant inputs after the differentiable ones. */
  readonly constants?: (tape: Tape) => string[];
}

interface Rule {
  readonly cases: fc.Arbitrary<Case>;
  readonly draw?: Draw;
  /** Linear in every single input: a long step is exact, which float32 kernels need. */
  readonly linearFloat32?: true;
}

const size = fc.integer({ min: 1, max: 4 });
const dims = (rank: number) => fc.array(size, { minLength: rank, maxLength: rank });
const anyDims = fc.integer({ min: 1, max: 3 }).chain(dims);
const unary: fc.Arbitrary<Case> = anyDims.map((shape) => ({ dims: [shape] }));
const softmaxCase: fc.Arbitrary<Case> = anyDims.map((shape) => ({ dims: [shape], attributes: { axis: int(-1) } }));
/** Two shapes that broadcast: leading axes dropped or sizes turned into 1, on either side. */
const broadcast: fc.Arbitrary<Case> = fc
  .tuple(dims(3), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.nat(2), fc.boolean())
  .map(([shape, flatten, drop, swap]) => {
    const small = shape.map((dim, axis) => (flatten[axis] === true ? 1 : dim)).slice(drop);
    return { dims: swap ? [small, shape] : [shape, small] };
  });
const reduction: fc.Arbitrary<Case> = fc.tuple(dims(3), fc.subarray([0, 1, 2], { minLength: 1 }), fc.boolean()).map(([shape, axes, keep]) => ({
  dims: [shape],
  attributes: { keepdims: int(keep ? 1 : 0) },
  constants: (tape) => [tape.longs(axes)],
}));
/** ReduceMean takes its axes as an attribute up to opset 17. */
const meanReduction: fc.Arbitrary<Case> = fc.tuple(dims(3), fc.subarray([0, 1, 2], { minLength: 1 }), fc.boolean()).map(([shape, axes, keep]) => ({
  dims: [shape],
  attributes: { keepdims: int(keep ? 1 : 0), axes: ints(axes) },
}));

const away: Draw = (random) => (random.uniform() < 0.5 ? -1 : 1) * random.between(0.2, 1.5);
const positive: Draw = (random) => random.between(0.3, 2);

const convCase: fc.Arbitrary<Case> = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    channels: fc.integer({ min: 1, max: 3 }),
    filters: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 5, max: 8 }),
    width: fc.integer({ min: 5, max: 8 }),
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    pads: fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }),
    bias: fc.boolean(),
  })
  .map((c) => ({
    dims: [[c.batch, c.channels, c.height, c.width], [c.filters, c.channels, c.kernel, c.kernel], ...(c.bias ? [[c.filters]] : [])],
    attributes: { strides: ints([c.stride, c.stride]), dilations: ints([c.dilation, c.dilation]), pads: ints(c.pads) },
  }));

const rules: Record<string, Rule> = {
  Add: { cases: broadcast },
  Sub: { cases: broadcast },
  Mul: { cases: broadcast },
  Div: { cases: broadcast, draw: positive },
  Neg: { cases: unary },
  Exp: { cases: unary },
  Log: { cases: unary, draw: positive },
  Sqrt: { cases: unary, draw: positive },
  Relu: { cases: unary, draw: away },
  Sigmoid: { cases: unary },
  Tanh: { cases: unary },
  Softmax: { cases: softmaxCase },
  LogSoftmax: { cases: softmaxCase },
  Identity: { cases: unary },
  Cast: { cases: unary.map((one) => ({ ...one, attributes: castTo('float64') })) },
  Reshape: { cases: dims(3).map((shape) => ({ dims: [shape], constants: (tape) => [tape.longs([-1, shape[2] ?? 1])] })) },
  Flatten: { cases: fc.tuple(dims(3), fc.nat(3)).map(([shape, axis]) => ({ dims: [shape], attributes: { axis: int(axis) } })) },
  Transpose: {
    cases: fc.tuple(dims(3), fc.shuffledSubarray([0, 1, 2], { minLength: 3 })).map(([shape, perm]) => ({ dims: [shape], attributes: { perm: ints(perm) } })),
  },
  Expand: { cases: dims(2).map(([rows, columns]) => ({ dims: [[rows ?? 1, 1]], constants: (tape) => [tape.longs([3, rows ?? 1, columns ?? 1])] })) },
  ReduceMean: { cases: meanReduction },
  ReduceSum: { cases: reduction },
  GlobalAveragePool: { cases: dims(4).map((shape) => ({ dims: [shape] })), linearFloat32: true },
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
  Conv: { cases: convCase, linearFloat32: true },
};

test('every gradient rule is compared with differences', () => {
  expect(Object.keys(rules).toSorted()).toEqual(Object.keys(gradientRules).toSorted());
});

for (const [operator, rule] of Object.entries(rules)) {
  test(`the gradient of ${operator} agrees with central differences`, async () => {
    await fc.assert(
      fc.asyncProperty(rule.cases, fc.nat(), async (one, seed) => {
        await compare(operator, rule, one, seededRandom(seed));
      }),
      { numRuns: 12 },
    );
  });
}

async function compare(operator: string, rule: Rule, one: Case, random: Random): Promise<void> {
  const type: ElementType = rule.linearFloat32 === true ? 'float32' : 'float64';
  const makeArray = (length: number, value: () => number): Float32Array | Float64Array =>
    type === 'float32' ? Float32Array.from({ length }, value) : Float64Array.from({ length }, value);
  const draw = rule.draw ?? ((source) => source.normal());

  const tape = createTape('check');
  const names = one.dims.map((shape, index) => tape.input(`x${index}`, type, shape));
  const output = tape.add(operator, [...names, ...(one.constants?.(tape) ?? [])], one.attributes);
  const shape = tape.type(output).dims;
  // A random projection, so that an error in any element of the output's gradient shows.
  const weights = tape.constant({ type, dims: shape, data: makeArray(elementCount(shape), () => random.normal()) } as Parameters<Tape['constant']>[0]);
  const loss = tape.add('ReduceSum', [tape.add('Mul', [output, weights])], { keepdims: int(0) });
  tape.output(loss);
  const gradients = differentiate(tape, loss, names);
  const gradientNames = names.map((name) => tape.add('Identity', [gradients.get(name) ?? '']));
  for (const name of gradientNames) tape.output(name);

  const session = await openSession(writeModel(createModel(tape.finish())));
  try {
    const values = one.dims.map((inputDims) => makeArray(elementCount(inputDims), () => draw(random)));
    const run = () =>
      session.run(Object.fromEntries(names.map((name, index) => [name, runtimeTensor(type, values[index] as Float64Array, one.dims[index] ?? [])])));
    const analytic = await run();
    const step = type === 'float32' ? 0.5 : 1e-5;
    const tolerance = type === 'float32' ? 1e-4 : 1e-6;

    for (const [index, data] of values.entries()) {
      const gradient = analytic[gradientNames[index] ?? ''];
      expect(gradient?.dims).toEqual(one.dims[index]);
      for (let at = 0; at < data.length; at += 1) {
        const kept = data[at] ?? 0;
        const lossAt = async (value: number): Promise<number> => {
          data[at] = value;
          return Number((await run())[loss]?.data[0]);
        };
        const numeric = ((await lossAt(kept + step)) - (await lossAt(kept - step))) / (2 * step);
        data[at] = kept;
        const found = Number(gradient?.data[at]);
        expect(Math.abs(found - numeric), `x${index}[${at}]: ${found} against ${numeric}`).toBeLessThan(tolerance * (10 + Math.abs(numeric)));
      }
    }
  } finally {
    await session.release();
  }
}
