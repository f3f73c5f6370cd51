import fc from 'fast-check';
import { expect, test } from 'vitest';

import { checkModel } from '../onnx/check.ts';
import { int, ints, type Model, type Tensor } from '../onnx/graph.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { normals, operatorsRun, outputOf, smallModel, sqnrDb } from './testing/formats.ts';
import { packBlocks } from './weight-blocks.ts';
import { packBytes } from './weight-bytes.ts';
import { quantiseWeights } from './weight-only.ts';

const dense = (depth = 100): Model =>
  smallModel(['N', depth], (builder) => {
    const hidden = builder.add('Relu', [builder.add('MatMul', ['x', builder.constant(normals(1, [depth, 128], 0.1), 'w1')])]);
    return builder.add('Gemm', [hidden, builder.constant(normals(2, [64, 128], 0.1), 'w2'), builder.constant(normals(3, [1, 64]), 'b2')], { transB: int(1) });
  });

for (const [bits, decibelsMin, share] of [
  [8, 38, 0.45],
  [4, 18, 0.3],
] as const) {
  for (const zeroPoints of [false, true]) {
    test(`${bits}-bit weights ${zeroPoints ? 'with' : 'without'} zero points: the runtime's own kernel at level 4, close to float, smaller`, async () => {
      const model = dense();
      const { model: quantised, report } = quantiseWeights(model, { bits, zeroPoints });
      expect(await operatorsRun(quantised)).toEqual({ 'com.microsoft:MatMulNBits': 2, Relu: 1 });
      for (const { attributes } of quantised.graph.nodes.filter(({ operator }) => operator === 'MatMulNBits'))
        expect(attributes['accuracy_level']?.value).toBe(4);
      const x = normals(4, [32, 100]);
      expect(sqnrDb(await outputOf(model, x), await outputOf(quantised, x))).toBeGreaterThan(decibelsMin);
      expect(writeModel(quantised).length).toBeLessThan(share * writeModel(model).length);
      expect(report.quantised).toHaveLength(2);
      expect(checkModel(readModel(writeModel(quantised)))).toBeDefined();
    });
  }
}

/** The weights again, as [column][row]. */
function unpack({ blocks, data, scales, zeroPoints }: ReturnType<typeof packBlocks>, depth: number, width: number, bits: 4 | 8, blockSize: number): number[][] {
  const nibble = (bytes: Uint8Array, base: number, place: number): number =>
    bits === 8 ? (bytes[base + place] ?? 0) : ((bytes[base + (place >> 1)] ?? 0) >> (4 * (place % 2))) & 15;
  return Array.from({ length: width }, (_, column) =>
    Array.from({ length: depth }, (__, row) => {
      const block = Math.floor(row / blockSize);
      const place = column * blocks + block;
      const zero = zeroPoints === undefined ? 2 ** (bits - 1) : nibble(zeroPoints, column * Math.ceil((blocks * bits) / 8), block);
      return (nibble(data, (place * blockSize * bits) / 8, row % blockSize) - zero) * (scales[place] ?? 0);
    }),
  );
}

test('every weight comes back within half a step of its block, whatever the shape and the layout', () => {
  const shapes = fc.record({
    depth: fc.integer({ min: 1, max: 70 }),
    width: fc.integer({ min: 1, max: 5 }),
    bits: fc.constantFrom(4 as const, 8 as const),
    blockSize: fc.constantFrom(16, 32),
    zeroPoints: fc.boolean(),
    turned: fc.boolean(),
    seed: fc.integer(),
    shift: fc.double({ min: -2, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(shapes, ({ depth, width, bits, blockSize, zeroPoints, turned, seed, shift }) => {
      const weight: Tensor<'float32'> = normals(seed, turned ? [width, depth] : [depth, width]);
      weight.data.forEach((value, index) => (weight.data[index] = value + shift));
      const [rowStep, columnStep] = turned ? [1, depth] : [width, 1];
      const packed = packBlocks({ weight, depth, width, rowStep, columnStep }, { bits, blockSize, zeroPoints });
      unpack(packed, depth, width, bits, blockSize).forEach((column, c) =>
        column.forEach((value, r) => {
          const step = packed.scales[c * packed.blocks + Math.floor(r / blockSize)] ?? 0;
          expect(Math.abs(value - (weight.data[r * rowStep + c * columnStep] ?? 0))).toBeLessThanOrEqual(step * 0.5001);
        }),
      );
    }),
    { numRuns: 60 },
  );
});

test('weights of zeros stay zeros', () => {
  const weight: Tensor<'float32'> = { type: 'float32', dims: [32, 1], data: new Float32Array(32) };
  const packed = packBlocks({ weight, depth: 32, width: 1, rowStep: 1, columnStep: 1 }, { bits: 4, blockSize: 32, zeroPoints: true });
  expect(unpack(packed, 32, 1, 4, 32)[0]?.every((value) => value === 0)).toBe(true);
});

test('with scales along both channels every weight comes back within half a step, and none is clipped', () => {
  const dims = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }));
  fc.assert(
    fc.property(dims, fc.integer(), fc.integer({ min: -3, max: 3 }), (shape, seed, outlier) => {
      const weight = normals(seed, shape);
      const [height, width, inner] = shape;
      weight.data.forEach((value, index) => (weight.data[index] = Math.floor(index / inner) % width === 0 ? value * 10 ** outlier : value));
      const { data, rows, columns } = packBytes(weight);
      expect([rows.length, columns.length]).toEqual([height, width]);
      data.forEach((stored, index) => {
        const place = Math.floor(index / inner);
        const step = (rows[Math.floor(place / width)] ?? 0) * (columns[place % width] ?? 0);
        expect(Math.abs(stored * step - (weight.data[index] ?? 0))).toBeLessThanOrEqual(step * 0.501);
      });
    }),
    { numRuns: 60 },
  );
});

test('an input channel that is far larger than the others costs them little', () => {
  const weight = normals(1, [32, 32]);
  weight.data.forEach((value, index) => (weight.data[index] = index % 32 === 5 ? value * 1000 : value));
  const { data, rows, columns } = packBytes(weight);
  const wanted: number[] = [];
  const found: number[] = [];
  data.forEach((stored, index) => {
    if (index % 32 === 5) return;
    wanted.push(weight.data[index] ?? 0);
    found.push(stored * (rows[Math.floor(index / 32)] ?? 0) * (columns[index % 32] ?? 0));
  });
  expect(sqnrDb(wanted, found)).toBeGreaterThan(25);
});

test('large weights of a Conv are stored in bytes and are float again once loaded, in the same kernel', async () => {
  const model = smallModel([1, 16, 8, 8], (builder) => {
    const inner = builder.add('Conv', ['x', builder.constant(normals(1, [32, 16, 3, 3], 0.1), 'w')], { pads: ints([1, 1, 1, 1]) });
    return builder.add('ConvTranspose', [inner, builder.constant(normals(2, [32, 32, 2, 2], 0.1), 'u')], { strides: ints([2, 2]) });
  });
  const { model: stored, report } = quantiseWeights(model, { bits: 4 });
  expect(report.quantised).toHaveLength(1 + 1);
  expect(await operatorsRun(stored)).toEqual(await operatorsRun(model));
  const x = normals(4, [1, 16, 8, 8]);
  expect(sqnrDb(await outputOf(model, x), await outputOf(stored, x))).toBeGreaterThan(40);
  expect(writeModel(stored).length).toBeLessThan(0.32 * writeModel(model).length);
});

test('a bias that is not one number a column is added behind the product', async () => {
  const model = smallModel(['N', 64], (builder) =>
    builder.add('Gemm', ['x', builder.constant(normals(1, [64, 64]), 'w'), builder.constant(normals(2, []), 'b')]),
  );
  const { model: quantised } = quantiseWeights(model, { bits: 8 });
  expect(quantised.graph.nodes.map(({ operator }) => operator)).toEqual(['MatMulNBits', 'Add']);
  const x = normals(4, [4, 64]);
  expect(sqnrDb(await outputOf(model, x), await outputOf(quantised, x))).toBeGreaterThan(35);
});

test('what is left in float is listed with its reason, and excluded nodes keep their weights', () => {
  const model = smallModel(['N', 64], (builder) => {
    const weight = builder.constant(normals(1, [64, 64]), 'w');
    const value = builder.add('MatMul', ['x', weight], {}, ['kept']);
    return builder.add('Tanh', [builder.add('MatMul', [value, builder.constant(normals(2, [64, 8]), 'few')], {}, ['small'])], {}, ['tanh']);
  });
  const { report, model: same } = quantiseWeights(model, { bits: 4, exclude: new Set(['kept']) });
  expect(report.quantised).toEqual([]);
  expect(report.left.map(({ node, reason }) => [node, reason])).toEqual([
    ['kept', 'excluded'],
    ['small', 'cost'],
    ['tanh', 'operator'],
    ['y', 'operator'],
  ]);
  expect(same.graph.initialisers.get('w')).toBe(model.graph.initialisers.get('w'));
  expect(same.opsets).toEqual(model.opsets);
});
