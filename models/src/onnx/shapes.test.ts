import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createTape, type Tape } from '../train/tape.ts';
import { createModel, elementCount, floats, int, ints, type Attribute, type ElementType, type Tensor } from './graph.ts';
import { writeModel } from './model-file.ts';
import { openSession, runtimeTensor } from './session.ts';

const arrays = { float32: Float32Array, bool: Uint8Array, int64: BigInt64Array } as const;
type InputType = keyof typeof arrays;

interface Case {
  readonly inputs?: readonly { readonly type?: InputType; readonly dims: readonly number[] }[];
  readonly attributes?: Record<string, Attribute>;
  /** Constant inputs after the others. */
  readonly constants?: (tape: Tape) => string[];
  readonly outputs?: number;
}

/** What the rule says must be what the runtime makes; values known beforehand included. */
async function compare(operator: string, { inputs = [], attributes = {}, constants = () => [], outputs = 1 }: Case, opset = 17): Promise<void> {
  const tape = createTape('shapes', opset);
  const names = inputs.map(({ type = 'float32', dims }, index) => tape.input(`x${index}`, type, dims));
  const made = tape.addMany(operator, [...names, ...constants(tape)], attributes, outputs);
  for (const name of made) tape.output(name);
  const session = await openSession(writeModel({ ...createModel(tape.finish()), opsets: { '': opset } }));
  try {
    const feeds = inputs.map(({ type = 'float32', dims }, index) => {
      const data = new arrays[type](elementCount(dims));
      return [names[index] ?? '', runtimeTensor(type, data as Tensor['data'], dims)] as const;
    });
    const results = await session.run(Object.fromEntries(feeds));
    for (const name of made) {
      const { type, dims } = tape.type(name);
      expect({ type: results[name]?.type, dims: results[name]?.dims }).toEqual({ type, dims });
      const known = tape.constantValue(name);
      if (known !== undefined) expect(Array.from(results[name]?.data as Float32Array, Number)).toEqual(Array.from(known.data as Float32Array, Number));
    }
  } finally {
    await session.release();
  }
}

const shapes = (max: number, min = 1) =>
  fc.integer({ min, max }).chain((rank) => fc.array(fc.integer({ min: 1, max: 4 }), { minLength: rank, maxLength: rank }));
const alongAxis = fc.tuple(shapes(3), fc.nat(2), fc.boolean()).map(([dims, place, negative]) => {
  const axis = place % dims.length;
  return { dims, axis: negative ? axis - dims.length : axis };
});
/** Two shapes that broadcast. */
const pairs = fc.tuple(shapes(3, 0), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.nat(2), fc.boolean()).map(([dims, flatten, drop, swap]) => {
  const small = dims.map((dim, axis) => (flatten[axis] === true ? 1 : dim)).slice(drop);
  return swap ? [small, dims] : [dims, small];
});

const comparing = (type: InputType): fc.Arbitrary<Case> => pairs.map((both) => ({ inputs: both.map((dims) => ({ type, dims })) }));
const ofOne = (type: InputType = 'float32'): fc.Arbitrary<Case> => shapes(3, 0).map((dims) => ({ inputs: [{ type, dims }] }));
const argument: fc.Arbitrary<Case> = fc
  .tuple(alongAxis, fc.nat(1))
  .map(([{ dims, axis }, keep]) => ({ inputs: [{ dims }], attributes: { axis: int(axis), keepdims: int(keep) } }));
const long = (value: number): Tensor => ({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) });

const cases: Record<string, fc.Arbitrary<Case>> = {
  Greater: comparing('float32'),
  GreaterOrEqual: comparing('float32'),
  Less: comparing('int64'),
  LessOrEqual: comparing('float32'),
  Equal: comparing('int64'),
  And: comparing('bool'),
  Or: comparing('bool'),
  Xor: comparing('bool'),
  Not: ofOne('bool'),
  IsNaN: ofOne(),
  IsInf: ofOne(),
  ArgMax: argument,
  ArgMin: argument,
  Shape: fc
    .tuple(shapes(4, 0), fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 }))
    .map(([dims, start, end]) => ({ inputs: [{ dims }], attributes: { start: int(start), end: int(end) } })),
  Size: ofOne(),
  Constant: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1 }).map((values) => ({ attributes: { value_ints: ints(values) } })),
  ConstantOfShape: shapes(3).map((dims) => ({ constants: (tape) => [tape.longs(dims)], attributes: { value: { kind: 'tensor', value: floats([1], [1.5]) } } })),
  Range: fc
    .tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 }), fc.constantFrom(-3, -1, 1, 2))
    .map((bounds) => ({ constants: (tape) => bounds.map((value) => tape.constant(long(value))) })),
  OneHot: fc.tuple(shapes(2), fc.integer({ min: -1, max: 0 })).map(([dims, axis]) => ({
    inputs: [{ type: 'int64', dims }],
    constants: (tape) => [tape.longs([5]), tape.constant(floats([2], [0, 1]))],
    attributes: { axis: int(axis) },
  })),
  Dropout: ofOne().map((one) => ({ ...one, outputs: 2 })),
  TopK: alongAxis.map(({ dims, axis }) => ({ inputs: [{ dims }], constants: (tape) => [tape.longs([1])], attributes: { axis: int(axis) }, outputs: 2 })),
  Hardmax: alongAxis.map(({ dims, axis }) => ({ inputs: [{ dims }], attributes: { axis: int(axis) } })),
};

test.each(Object.entries(cases))('%s has the type and shape the runtime makes', async (operator, arbitrary) => {
  await fc.assert(
    fc.asyncProperty(arbitrary, (one) => compare(operator, one)),
    { numRuns: 15 },
  );
});

test('a cast has the type the runtime makes', async () => {
  for (const [code, type] of Object.entries({ 6: 'int32', 7: 'int64', 9: 'bool', 11: 'float64' } satisfies Record<number, ElementType>)) {
    const tape = createTape('cast');
    expect(tape.type(tape.add('Cast', [tape.input('x', 'float32', [2])], { to: int(Number(code)) })).type).toBe(type);
    await compare('Cast', { inputs: [{ dims: [2, 3] }], attributes: { to: int(Number(code)) } });
  }
});

describe('what does not fit names the node, what was expected and what was found:', () => {
  const x = (tape: Tape, dims: readonly number[], type: ElementType = 'float32'): string =>
    tape.input(`x${tape.nodes.length}.${dims.join('x')}.${type}`, type, dims);
  const misfits: readonly [string, (tape: Tape) => unknown][] = [
    ['Add sum: expected shapes that broadcast, found [2, 3] and [4]', (tape) => tape.add('Add', [x(tape, [2, 3]), x(tape, [4])], {}, 'sum')],
    ['Add sum: expected inputs of one type, found float32 and int64', (tape) => tape.add('Add', [x(tape, [2]), x(tape, [2], 'int64')], {}, 'sum')],
    ['PRelu p: expected a slope that broadcasts to [2, 3], found [2, 1, 1]', (tape) => tape.add('PRelu', [x(tape, [2, 3]), x(tape, [2, 1, 1])], {}, 'p')],
    ['Reshape r: expected 8 values for the shape [-1, 4], found [3, 3]', (tape) => tape.add('Reshape', [x(tape, [3, 3]), tape.longs([-1, 4])], {}, 'r')],
    [
      'Concat c: expected shapes that differ along axis 1 only, found [2, 3] and [3, 3]',
      (tape) => tape.add('Concat', [x(tape, [2, 3]), x(tape, [3, 3])], { axis: int(1) }, 'c'),
    ],
    ['Split s: expected 5 values along axis 0 for the parts [2, 3], found [4]', (tape) => tape.add('Split', [x(tape, [4]), tape.longs([2, 3])], {}, 's')],
    ['Softmax m: input missing is not defined before it', (tape) => tape.add('Softmax', ['missing'], {}, 'm')],
    ['ArgMax a: expected an axis of a tensor of rank 2, found 3', (tape) => tape.add('ArgMax', [x(tape, [2, 2])], { axis: int(3) }, 'a')],
    ['Frobnicate f: the operator Frobnicate has no shape rule', (tape) => tape.add('Frobnicate', [x(tape, [2])], {}, 'f')],
    ['Reshape r: its shape: known only at run time', (tape) => tape.add('Reshape', [x(tape, [2]), x(tape, [1], 'int64')], {}, 'r')],
  ];
  test.each(misfits)('%s', (message, write) => {
    expect(() => write(createTape('misfit'))).toThrow(message);
  });
});
