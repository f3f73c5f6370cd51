import fc from 'fast-check';
import { expect, test } from 'vitest';

import { float, int, text } from '../../onnx/graph.ts';
import { createTape } from '../tape.ts';
import { checkGradient } from '../testing/gradient-check.ts';

const size = fc.integer({ min: 1, max: 4 });
const runs = { numRuns: 25 };

/** A stack of matrices of which some axes were dropped or turned into 1. */
const stack = (batch: readonly number[], drop: number, flatten: readonly boolean[]): number[] =>
  batch.map((dim, axis) => (flatten[axis] === true ? 1 : dim)).slice(drop);

test('the gradient of MatMul agrees with differences: vectors, matrices and stacks that broadcast', async () => {
  const flags = fc.array(fc.boolean(), { minLength: 2, maxLength: 2 });
  const cases = fc.record({
    batch: fc.tuple(size, size),
    rows: size,
    inner: size,
    columns: size,
    drops: fc.tuple(fc.nat(2), fc.nat(2)),
    flat: fc.tuple(flags, flags),
  });
  const vectors = fc.constantFrom('neither', 'neither', 'left', 'right', 'both');
  await fc.assert(
    fc.asyncProperty(cases, vectors, fc.nat(), async ({ batch, rows, inner, columns, drops, flat }, vector, seed) => {
      const a = vector === 'left' || vector === 'both' ? [inner] : [...stack(batch, drops[0], flat[0]), rows, inner];
      const b = vector === 'right' || vector === 'both' ? [inner] : [...stack(batch, drops[1], flat[1]), inner, columns];
      await checkGradient((tape, input) => tape.add('MatMul', [input(a), input(b)]), { seed });
    }),
    { numRuns: 60 },
  );
});

test('the gradient of Gemm agrees with differences: either factor transposed, scaled, any bias that broadcasts', async () => {
  const flag = fc.nat(1);
  const cases = fc.record({
    rows: size,
    inner: size,
    columns: size,
    transA: flag,
    transB: flag,
    bias: fc.constantFrom('none', 'one', 'scalar', 'row', 'column', 'full', 'vector'),
  });
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(), async ({ rows, inner, columns, transA, transB, bias }, seed) => {
      const biasDims = { none: undefined, one: [1], scalar: [], row: [1, columns], column: [rows, 1], full: [rows, columns], vector: [columns] }[bias];
      const attributes = { transA: int(transA), transB: int(transB), alpha: float(0.5), beta: float(2) };
      await checkGradient(
        (tape, input) => {
          const a = input(transA === 1 ? [inner, rows] : [rows, inner]);
          const b = input(transB === 1 ? [columns, inner] : [inner, columns]);
          return tape.add('Gemm', [a, b, ...(biasDims === undefined ? [] : [input(biasDims)])], attributes);
        },
        { seed },
      );
    }),
    runs,
  );
});

const equations: readonly [string, ...number[][]][] = [
  ['ij,jk->ik', [2, 3], [3, 4]],
  ['bij,bkj->bik', [2, 3, 4], [2, 2, 4]],
  ['bhqd,bhkd->bhqk', [1, 2, 3, 2], [1, 2, 2, 2]],
  ['ij->ji', [2, 3]],
  ['ij->i', [2, 3]],
  ['ij,kj', [2, 3], [4, 3]],
  ['i,j->ij', [2], [3]],
  ['ijk,j->k', [2, 3, 4], [3]],
  ['ij,jk,kl->il', [2, 3], [3, 2], [2, 4]],
];

test.each(equations)('the gradient of Einsum %s agrees with differences', async (equation, ...shapes) => {
  await checkGradient(
    (tape, input) =>
      tape.add(
        'Einsum',
        shapes.map((dims) => input(dims)),
        { equation: text(equation) },
      ),
    { seed: 1 },
  );
});

test('a product of tensors that do not fit names the layer, what was expected and what was found', () => {
  const write = (operator: string, left: readonly number[], right: readonly number[], attributes = {}): (() => string) => {
    const tape = createTape('misfit');
    return () => tape.add(operator, [tape.input('x', 'float32', left), tape.input('w', 'float32', right)], attributes, 'fc1');
  };
  expect(write('Gemm', [1, 128], [64, 100], { transB: int(1) })).toThrow('Gemm fc1: expected weight with 128 columns, found [64, 100]');
  expect(write('Gemm', [1, 128], [64, 100])).toThrow('Gemm fc1: expected weight with 128 rows, found [64, 100]');
  expect(write('MatMul', [2, 3, 4], [5, 6])).toThrow('MatMul fc1: expected a second factor with 4 rows for [2, 3, 4], found [5, 6]');
  expect(write('Einsum', [2, 3], [4, 5], { equation: text('ij,jk->ik') })).toThrow('Einsum fc1: expected 3 along j of jk, found [4, 5]');
});
