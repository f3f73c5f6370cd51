import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, elementCount, floats, int, type Model } from '../onnx/graph.ts';
import { quantise } from './quantise.ts';
import { quantiseWeights } from './weights.ts';

const axisCase = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 })).chain(([a, b, c]) =>
  fc.record({
    dims: fc.constant([a, b, c]),
    axis: fc.integer({ min: 0, max: 2 }),
    values: fc.array(fc.float({ min: -8, max: 8, noNaN: true, noDefaultInfinity: true }), { minLength: a * b * c, maxLength: a * b * c }),
    type: fc.constantFrom('int8' as const, 'uint8' as const),
    bits: fc.constantFrom(7 as const, 8 as const),
  }),
);

test('every weight comes back within half a step of its own channel, whichever axis counts them', () => {
  fc.assert(
    fc.property(axisCase, ({ dims, axis, values, type, bits }) => {
      const { data, scales, zeroPoint } = quantiseWeights(floats(dims, values), axis, undefined, 1, { type, bits });
      expect(scales.length).toBe(dims[axis]);
      const inner = elementCount(dims.slice(axis + 1));
      values.forEach((value, index) => {
        const scale = scales[Math.floor(index / inner) % (dims[axis] ?? 1)] ?? 0;
        if (Math.abs(value) < 1e-30) return;
        expect(Math.abs(((data[index] ?? 0) - zeroPoint) * scale - value)).toBeLessThanOrEqual(scale * 0.5001);
        expect(Math.abs((data[index] ?? 0) - zeroPoint)).toBeLessThanOrEqual(bits === 7 ? 63 : 127);
      });
    }),
  );
});

test('a bias too large for 32 bits makes the scale of its channel larger, and of no other', () => {
  const weight = floats([2, 2], [1e-4, -1e-4, 1, 0.5]);
  const bias = floats([2], [1000, 0.1]);
  const plain = quantiseWeights(weight, 0, undefined, 1e-6, { type: 'int8', bits: 8 });
  const { scales } = quantiseWeights(weight, 0, bias, 1e-6, { type: 'int8', bits: 8 });
  expect(scales[0]).toBeGreaterThan((plain.scales[0] ?? 0) * 100);
  expect(scales[1]).toBe(plain.scales[1]);
  expect(1000 / (scales[0] ?? 0) / 1e-6).toBeLessThan(2 ** 31);
});

function model(): Model {
  const b = createGraphBuilder('net');
  const x = b.input('x', 'float32', ['N', 3]);
  const bias = b.constant(floats([2], [0.5, -0.5]), 'bias');
  const hidden = b.add('Gemm', [x, b.constant(floats([2, 3], [1, 2, 3, -1, 0.5, 0.25]), 'weight'), bias], { transB: int(1) });
  b.add('MatMul', [hidden, b.constant(floats([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]), 'last')], {}, ['y']);
  b.output('y', 'float32', ['N', 4]);
  return createModel(b.finish());
}

test('biases are int32 under the product of the scales, without a zero point; scales lie along the output channels', async () => {
  for (const weightType of ['int8', 'uint8'] as const) {
    const { model: small } = await quantise(model(), { batches: [{ x: floats([2, 3], [1, -1, 0.5, 0.2, 0.3, -0.7]) }], weightType, eager: true });
    const { nodes, initialisers } = small.graph;
    const restored = (name: string) => nodes.find(({ operator, inputs }) => operator === 'DequantizeLinear' && inputs[0]?.startsWith(name));
    const [weight, bias, last] = [restored(`weight.${weightType}`), restored('bias.int32'), restored(`last.${weightType}`)];
    expect(weight?.attributes['axis']?.value).toBe(0);
    expect(last?.attributes['axis']?.value).toBe(1);
    expect(initialisers.get(last?.inputs[1] ?? '')?.dims).toEqual([4]);
    expect(initialisers.get(weight?.inputs[2] ?? '')).toMatchObject({ type: weightType });
    expect(new Set(initialisers.get(weight?.inputs[2] ?? '')?.data as Uint8Array)).toEqual(new Set([weightType === 'uint8' ? 128 : 0]));
    expect(bias?.inputs.length).toBe(2);
    expect(initialisers.get(bias?.inputs[0] ?? '')?.type).toBe('int32');
    const gemm = nodes.find(({ operator }) => operator === 'Gemm');
    const source = nodes.find(({ outputs }) => outputs[0] === gemm?.inputs[0]);
    const inputScale = Number(initialisers.get(source?.inputs[1] ?? '')?.data[0]);
    const scales = initialisers.get(weight?.inputs[1] ?? '')?.data as Float32Array;
    expect(initialisers.get(bias?.inputs[1] ?? '')?.data).toEqual(scales.map((scale) => scale * inputScale));
    // Nothing of the float weights is left behind.
    expect([...initialisers.keys()].filter((name) => ['weight', 'bias', 'last'].includes(name))).toEqual([]);
  }
});
