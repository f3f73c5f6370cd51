import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createModel, elementCount, floats, int, text, type Tensor } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { differentiate } from '../autodiff.ts';
import { createTape } from '../tape.ts';
import { checkGradient } from '../testing/gradient-check.ts';

const size = fc.integer({ min: 1, max: 4 });
const shapes = (max: number, min = 1) => fc.integer({ min, max }).chain((rank) => fc.array(size, { minLength: rank, maxLength: rank }));
const runs = { numRuns: 20 };

/** Indices into axes of the given sizes (taken in turn), from the front or from the back. */
function indicesOf(dims: readonly number[], sizes: readonly number[], seed: number, type: 'int64' | 'int32' = 'int64'): Tensor {
  const random = seededRandom(seed);
  const values = Array.from({ length: elementCount(dims) }, (_, place) => {
    const limit = sizes[place % sizes.length] ?? 1;
    return random.integer(2 * limit) - limit;
  });
  return type === 'int64' ? { type, dims, data: BigInt64Array.from(values, BigInt) } : { type, dims, data: Int32Array.from(values) };
}

const alongAxis = fc.tuple(shapes(3), fc.nat(2), fc.boolean()).map(([dims, place, negative]) => {
  const axis = place % dims.length;
  return { dims, axis: negative ? axis - dims.length : axis };
});

test('the gradient of Gather agrees with differences: any axis, indices of any shape, repeated and from the back', async () => {
  await fc.assert(
    fc.asyncProperty(alongAxis, shapes(2, 0), fc.constantFrom('int64', 'int32'), fc.nat(), async ({ dims, axis }, indexDims, type, seed) => {
      const indices = indicesOf(indexDims, [dims.at(axis) ?? 1], seed, type);
      await checkGradient((tape, input) => tape.add('Gather', [input(dims), tape.constant(indices)], { axis: int(axis) }), { seed });
    }),
    { numRuns: 40 },
  );
});

test('the gradient of Gather from a long table agrees with differences', async () => {
  for (const [rows, width] of [
    [700, 3],
    [30, 1],
  ] as const) {
    const indices = indicesOf([2, 9], [rows], 1);
    await checkGradient((tape, input) => tape.add('Gather', [input([rows, width]), tape.constant(indices)]), { seed: 1 });
  }
});

test('the gradients of GatherElements and ScatterElements agree with differences', async () => {
  await fc.assert(
    fc.asyncProperty(alongAxis, fc.integer({ min: 1, max: 6 }), fc.nat(), async ({ dims, axis }, count, seed) => {
      const limit = dims.at(axis) ?? 1;
      const some = dims.with(axis, count);
      const repeated = indicesOf(some, [limit], seed);
      await checkGradient((tape, input) => tape.add('GatherElements', [input(dims), tape.constant(repeated)], { axis: int(axis) }), { seed });
      const added = { axis: int(axis), reduction: text('add') };
      await checkGradient((tape, input) => tape.add('ScatterElements', [input(dims), tape.constant(repeated), input(some)], added), { seed });
      // Without adding up no two may fall on one place.
      const places: Tensor = { type: 'int64', dims: dims.with(axis, 1), data: new BigInt64Array(elementCount(dims) / limit).fill(BigInt(seed % limit)) };
      await checkGradient((tape, input) => tape.add('ScatterElements', [input(dims), tape.constant(places), input(places.dims)], { axis: int(axis) }), {
        seed,
      });
    }),
    runs,
  );
});

test('the gradient of GatherND agrees with differences: whole rows or single elements, stacks gathered each on its own', async () => {
  const cases = shapes(4, 2).chain((dims) =>
    fc.tuple(fc.constant(dims), fc.integer({ min: 0, max: dims.length - 1 }), fc.nat(3), fc.integer({ min: 1, max: 5 })),
  );
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(), async ([dims, batch, more, count], seed) => {
      const depth = 1 + (more % (dims.length - batch));
      const indices = indicesOf([...dims.slice(0, batch), count, depth], dims.slice(batch, batch + depth), seed);
      await checkGradient((tape, input) => tape.add('GatherND', [input(dims), tape.constant(indices)], { batch_dims: int(batch) }), { seed });
    }),
    { numRuns: 40 },
  );
});

test('the gradient of ScatterND agrees with differences, written over or added', async () => {
  await fc.assert(
    fc.asyncProperty(shapes(3, 2), fc.nat(2), fc.integer({ min: 1, max: 5 }), fc.nat(), async (dims, more, count, seed) => {
      const depth = 1 + (more % dims.length);
      const updates = [count, ...dims.slice(depth)];
      const repeated = indicesOf([count, depth], dims.slice(0, depth), seed);
      const one = indicesOf([1, depth], dims.slice(0, depth), seed);
      await checkGradient((tape, input) => tape.add('ScatterND', [input(dims), tape.constant(repeated), input(updates)], { reduction: text('add') }), { seed });
      await checkGradient((tape, input) => tape.add('ScatterND', [input(dims), tape.constant(one), input(updates.with(0, 1))]), { seed });
    }),
    runs,
  );
});

test('the gradient of a table is the same in every run, though many threads meet in its rows', async () => {
  const [rows, width, count] = [1500, 16, 12_000];
  const tape = createTape('table');
  const table = tape.input('table', 'float32', [rows, width]);
  const random = seededRandom(3);
  const indices = tape.constant({ type: 'int64', dims: [count], data: BigInt64Array.from({ length: count }, () => BigInt(random.integer(9))) });
  const weights = tape.constant(
    floats(
      [count, width],
      Array.from({ length: count * width }, () => random.normal()),
    ),
  );
  const loss = tape.add('ReduceSum', [tape.add('Mul', [tape.add('Gather', [table, indices]), weights])], { keepdims: int(0) });
  tape.output(tape.add('Identity', [differentiate(tape, loss, [table]).get(table) ?? ''], {}, 'gradient'));
  const bytes = writeModel(createModel(tape.finish()));
  const seen = new Set<string>();
  for (const threads of [1, 2, 4]) {
    // Without optimisation nothing is reckoned beforehand, once for all runs.
    const session = await openSession(bytes, { threads, optimisation: 'disabled' });
    for (let run = 0; run < 5; run += 1) {
      const made = await session.run({ table: runtimeTensor('float32', new Float32Array(rows * width), [rows, width]) });
      seen.add(
        Array.from(made['gradient']?.data as Float32Array)
          .slice(0, 9 * width)
          .join(),
      );
    }
    await session.release();
  }
  expect(seen.size).toBe(1);
});
