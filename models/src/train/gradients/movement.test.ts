import fc from 'fast-check';
import { test } from 'vitest';

import { int, ints, text, type Attribute } from '../../onnx/graph.ts';
import type { Tape } from '../tape.ts';
import { checkGradient } from '../testing/gradient-check.ts';

const size = fc.integer({ min: 1, max: 4 });
const shapes = (max: number, min = 1) => fc.integer({ min, max }).chain((rank) => fc.array(size, { minLength: rank, maxLength: rank }));
const runs = { numRuns: 20 };

/** The operator on one input with constant others. */
async function check(
  operator: string,
  dims: readonly number[],
  rest: readonly (readonly number[])[],
  attributes: Record<string, Attribute>,
  seed: number,
  opset = 17,
) {
  const constants = (tape: Tape): string[] => rest.map((values) => tape.longs(values));
  await checkGradient((tape, input) => tape.add(operator, [input(dims), ...constants(tape)], attributes), { seed, opset });
}

test('the gradients of Reshape, Flatten, Squeeze and Unsqueeze agree with differences', async () => {
  await fc.assert(
    fc.asyncProperty(shapes(3, 2), fc.integer({ min: -2, max: 2 }), fc.nat(), async (dims, axis, seed) => {
      const counted = axis < 0 ? axis + dims.length : axis;
      await check('Reshape', dims, [[0, -1]], {}, seed);
      await check('Reshape', dims, [[-1, 1, ...dims.slice(1)]], { allowzero: int(1) }, seed);
      await check('Flatten', dims, [], { axis: int(axis) }, seed);
      await check('Unsqueeze', dims, [[axis]], {}, seed);
      await check('Squeeze', dims.toSpliced(counted, 0, 1), [[counted]], {}, seed);
      await check('Squeeze', [1, ...dims], [], {}, seed);
    }),
    runs,
  );
});

test('the gradient of Transpose agrees with differences for any order', async () => {
  const cases = shapes(4).chain((dims) => fc.tuple(fc.constant(dims), fc.shuffledSubarray([...dims.keys()], { minLength: dims.length })));
  await fc.assert(
    fc.asyncProperty(cases, fc.boolean(), fc.nat(), async ([dims, order], usual, seed) => {
      await check('Transpose', dims, [], usual ? {} : { perm: ints(order) }, seed);
    }),
    runs,
  );
});

test('the gradients of Expand and Tile agree with differences, with copies along any axis', async () => {
  const cases = shapes(3).chain((dims) =>
    fc.tuple(fc.constant(dims), fc.array(fc.integer({ min: 1, max: 3 }), { minLength: dims.length, maxLength: dims.length })),
  );
  await fc.assert(
    fc.asyncProperty(cases, fc.array(size, { maxLength: 2 }), fc.nat(), async ([dims, repeats], lead, seed) => {
      await check('Tile', dims, [repeats], {}, seed);
      const narrow = dims.map((dim, axis) => (repeats[axis] === 1 ? dim : 1));
      await check('Expand', narrow, [[...lead, ...dims]], {}, seed);
    }),
    runs,
  );
});

const alongAxis = fc.tuple(shapes(3), fc.nat(2), fc.boolean()).map(([dims, place, negative]) => {
  const axis = place % dims.length;
  return { dims, axis: negative ? axis - dims.length : axis };
});

test('the gradient of Concat agrees with differences, whether all parts are asked for or one', async () => {
  await fc.assert(
    fc.asyncProperty(alongAxis, fc.array(size, { minLength: 1, maxLength: 4 }), fc.boolean(), fc.nat(), async ({ dims, axis }, sizes, all, seed) => {
      await checkGradient(
        (tape, input) => {
          const parts = sizes.map((part, index) => {
            const partDims = dims.with(axis, part);
            return all || index === seed % sizes.length ? input(partDims) : '';
          });
          const zero = tape.number(0, 'x0');
          const written = parts.map((part, index) => (part === '' ? tape.add('Expand', [zero, tape.longs(dims.with(axis, sizes[index] ?? 1))]) : part));
          return tape.add('Concat', written, { axis: int(axis) });
        },
        { seed },
      );
    }),
    runs,
  );
});

test('the gradient of Split agrees with differences: by sizes, by number, evenly, with parts nobody looks at', async () => {
  await fc.assert(
    fc.asyncProperty(
      alongAxis,
      fc.array(size, { minLength: 1, maxLength: 3 }),
      fc.constantFrom('sizes', 'even', 'number'),
      fc.nat(),
      async ({ dims, axis }, sizes, how, seed) => {
        const total = how === 'even' ? sizes.length * 2 : sizes.reduce((sum, part) => sum + part, 0);
        await checkGradient(
          (tape, input) => {
            const x = input(dims.with(axis, total));
            // Parts by number are equal but for a smaller last one, which must not be empty.
            const count = how === 'number' ? Math.min(2, total) : sizes.length;
            const parts = tape.addMany(
              'Split',
              how === 'sizes' ? [x, tape.longs(sizes)] : [x],
              { axis: int(axis), ...(how === 'number' ? { num_outputs: int(count) } : {}) },
              count,
            );
            return parts.filter((_, index) => parts.length === 1 || index !== seed % parts.length);
          },
          { seed, opset: how === 'number' ? 18 : 17 },
        );
      },
    ),
    runs,
  );
});

test('the gradient of Slice agrees with differences: any bounds, negative axes, steps over elements and backwards', async () => {
  const bound = fc.integer({ min: -5, max: 5 });
  const cuts = fc.array(fc.record({ start: bound, end: fc.oneof(bound, fc.constantFrom(-(2 ** 31), 2 ** 31)), step: fc.constantFrom(1, 1, 2, 3, -1, -2) }), {
    minLength: 2,
    maxLength: 2,
  });
  const dims = [4, 3, 5];
  const kept = (cut: { start: number; end: number; step: number }, length: number): number => {
    const rows = Array.from({ length }, (_, row) => row);
    const clip = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value < 0 ? value + length : value));
    const [low, high] = cut.step > 0 ? [0, length] : [-1, length - 1];
    const [start, end] = [clip(cut.start, low, high), clip(cut.end, low, high)];
    return rows.filter((row) => (cut.step > 0 ? row >= start && row < end : row <= start && row > end) && (row - start) % cut.step === 0).length;
  };
  const cases = cuts.filter((both) => both.every((cut, index) => kept(cut, dims[index === 0 ? 2 : 0] ?? 0) > 0));
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(), async (both, seed) => {
      const list = (key: 'start' | 'end' | 'step'): number[] => both.map((cut) => cut[key]);
      await check('Slice', dims, [list('start'), list('end'), [-1, 0], list('step')], {}, seed);
      await check('Slice', [5, 4], [[1], [2 ** 40]], {}, seed);
    }),
    { numRuns: 40 },
  );
});

test('the gradient of Pad agrees with differences: growing and cutting, every mode, chosen axes', async () => {
  const pads = (min: number) => fc.array(fc.integer({ min, max: 2 }), { minLength: 4, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(pads(-1), pads(0), fc.constantFrom('reflect', 'edge'), fc.nat(), async (any, growing, mode, seed) => {
      await check('Pad', [3, 4], [any], {}, seed);
      await check('Pad', [3, 4], [growing], { mode: text(mode) }, seed);
      await checkGradient((tape, input) => tape.add('Pad', [input([3, 4]), tape.longs(any), input([])]), { seed });
      await checkGradient((tape, input) => tape.add('Pad', [input([2, 3, 4]), tape.longs(growing), '', tape.longs([-1, 0])]), { seed, opset: 18 });
    }),
    runs,
  );
  await check('Pad', [3, 4], [[1, 2, 3, 1]], { mode: text('wrap') }, 1, 19);
});

test('the gradients of DepthToSpace and SpaceToDepth agree with differences, in either order of channels', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(size, size, size, size),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('DCR', 'CRD'),
      fc.nat(),
      async ([n, c, h, w], block, mode, seed) => {
        await check('DepthToSpace', [n, c * block ** 2, h, w], [], { blocksize: int(block), mode: text(mode) }, seed);
        await check('SpaceToDepth', [n, c, h * block, w * block], [], { blocksize: int(block) }, seed);
      },
    ),
    { numRuns: 10 },
  );
});

test('the gradient of Trilu agrees with differences, above and below any diagonal', async () => {
  for (const [upper, diagonal] of [
    [1, undefined],
    [0, undefined],
    [1, 1],
    [0, -1],
  ] as const) {
    await checkGradient(
      (tape, input) => {
        const x = input([2, 3, 4]);
        const shift = diagonal === undefined ? [] : [tape.constant({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(diagonal)) })];
        return tape.add('Trilu', [x, ...shift], { upper: int(upper) });
      },
      { seed: 1 },
    );
  }
});
