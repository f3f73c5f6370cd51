import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, ints, scalar, type Model, type Tensor } from '../onnx/graph.ts';
import { inspectModel } from '../onnx/inspect.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { heNormal } from '../train/initialise.ts';
import { castTo } from '../train/tape.ts';
import { findInputStage } from './input-stage.ts';
import { activationParameters, quantiseBias, quantiseWeight, roundHalfEven, weightScale, weightScaleForBias } from './parameters.ts';
import { quantise } from './quantise.ts';

const batch = 32;

function frames(seed: number): Tensor<'uint8'> {
  const random = seededRandom(seed);
  return { type: 'uint8', dims: [batch, 8, 8, 3], data: Uint8Array.from({ length: batch * 8 * 8 * 3 }, () => random.integer(256)) };
}

interface Shape {
  readonly head: 'gemm' | 'matmul' | 'pool';
  readonly shift?: number;
}

/** Every operator the quantiser knows, in a small net. */
function network({ head, shift }: Shape): Model {
  const random = seededRandom(4);
  const builder = createGraphBuilder('net');
  let value = builder.add('Cast', [builder.input('frame', 'uint8', ['N', 8, 8, 3])], castTo('float32'));
  if (shift !== undefined) value = builder.add('Sub', [value, builder.constant(scalar(shift))]);
  value = builder.add('Mul', [value, builder.constant(scalar(1 / 255))]);
  value = builder.add('Transpose', [value], { perm: ints([0, 3, 1, 2]) });
  const conv = (channels: number, filters: number): string => {
    const weight = builder.constant(heNormal(random, [filters, channels, 3, 3], channels * 9), builder.fresh('weight'));
    const bias = builder.constant(
      floats(
        [filters],
        Array.from({ length: filters }, () => random.normal() * 0.1),
      ),
      builder.fresh('bias'),
    );
    const output = builder.add('Conv', [value, weight, bias], { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) });
    return builder.add('Relu', [output]);
  };
  value = conv(3, 8);
  value = conv(8, 16);
  const inputs = head === 'pool' ? 16 : 64;
  if (head === 'pool') value = builder.add('GlobalAveragePool', [value]);
  value = builder.add('Flatten', [value]);
  const weight = builder.constant(heNormal(random, [inputs, 4], inputs), 'head.weight');
  if (head === 'matmul') builder.add('MatMul', [value, weight], {}, ['logits']);
  else builder.add('Gemm', [value, weight, builder.constant(floats([4], [0.1, 0, -0.1, 0.2]), 'head.bias')], { transB: int(0) }, ['logits']);
  builder.add('Softmax', ['logits'], {}, ['probabilities']);
  builder.output('probabilities', 'float32', ['N', 4]);
  return createModel(builder.finish());
}

async function probabilities(bytes: Uint8Array, optimisedPath?: string): Promise<Float32Array> {
  const session = await openSession(bytes, optimisedPath === undefined ? {} : { optimisedPath });
  try {
    const { type, data, dims } = frames(2);
    const results = await session.run({ frame: runtimeTensor(type, data, dims) });
    return results['probabilities']?.data as Float32Array;
  } finally {
    await session.release();
  }
}

for (const [head, kernel] of [
  ['gemm', 'com.microsoft:QGemm'],
  ['matmul', 'MatMulIntegerToFloat'],
  ['pool', 'com.microsoft:QLinearGlobalAveragePool'],
] as const) {
  test(`with a ${head} head the runtime fuses every 8-bit kernel and the answers stay close`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'serin-quantise-'));
    try {
      const model = network({ head });
      const quantised = writeModel((await quantise(model, { batches: [{ frame: frames(1) }] })).model);
      const path = join(folder, 'optimised.onnx');
      const answers = await probabilities(quantised, path);
      const { operators } = inspectModel(await readFile(path));
      const names = Object.entries(operators).flatMap(([name, count]) => Array.from({ length: count }, () => name));
      expect(names.filter((name) => name.endsWith('QLinearConv')).length).toBe(2);
      expect(names.some((name) => name.endsWith(kernel))).toBe(true);
      for (const gone of ['Conv', 'Gemm', 'MatMul', 'Relu', 'Cast', 'Mul', 'FusedConv', 'GlobalAveragePool']) expect(names).not.toContain(gone);

      const exact = await probabilities(writeModel(model));
      answers.forEach((answer, index) => expect(Math.abs(answer - (exact[index] ?? 0))).toBeLessThan(0.05));
      expect(quantised.length).toBeLessThan(writeModel(model).length);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}

test('an input that is only cast, shifted and scaled is taken as the bytes it is', () => {
  const plain = findInputStage(network({ head: 'gemm' }).graph);
  expect(plain).toMatchObject({ input: 'frame', range: { scale: Math.fround(1 / 255), zeroPoint: 0 } });
  expect(plain?.moves.length).toBe(1);
  expect(findInputStage(network({ head: 'gemm', shift: 128 }).graph)?.range.zeroPoint).toBe(128);
  expect(findInputStage(network({ head: 'gemm', shift: 127.5 }).graph)).toBeUndefined();
});

test('a shift by a whole byte is no work at all', async () => {
  const { model, report } = await quantise(network({ head: 'gemm', shift: 128 }), { batches: [{ frame: frames(1) }] });
  const operators = model.graph.nodes.map(({ operator }) => operator);
  for (const gone of ['Cast', 'Sub', 'Add', 'Mul']) expect(operators).not.toContain(gone);
  expect(report.left.map(({ operator }) => operator)).toEqual(['Softmax']);
});

test('a shift between two bytes still gives a working model', async () => {
  const model = network({ head: 'gemm', shift: 127.5 });
  const answers = await probabilities(writeModel((await quantise(model, { batches: [{ frame: frames(1) }] })).model));
  const exact = await probabilities(writeModel(model));
  const errors = answers.map((answer, index) => Math.abs(answer - (exact[index] ?? 0)));
  expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(0.04);
});

test('weights of 8 bits come closer than weights of 7', async () => {
  const model = network({ head: 'gemm' });
  const exact = await probabilities(writeModel(model));
  const errors = await Promise.all(
    ([7, 8] as const).map(async (weightBits) => {
      const answers = await probabilities(writeModel((await quantise(model, { batches: [{ frame: frames(1) }], weightBits })).model));
      return answers.reduce((sum, answer, index) => sum + Math.abs(answer - (exact[index] ?? 0)), 0);
    }),
  );
  expect(errors[1]).toBeLessThan(errors[0] ?? 0);
});

test('an older operator set is brought up to date first', async () => {
  const { model, prepared } = await quantise({ ...network({ head: 'gemm' }), opsets: { '': 12 } }, { batches: [{ frame: frames(1) }] });
  expect(model.opsets['']).toBe(17);
  expect(new Set(prepared.graph.nodes.map(({ name }) => name)).size).toBe(prepared.graph.nodes.length);
});

test('nodes that are excluded stay float, ranges measured before are used again, and every node is reported once', async () => {
  const model = network({ head: 'gemm' });
  const first = await quantise(model, { batches: [{ frame: frames(1) }] });
  const conv = first.prepared.graph.nodes.find(({ operator }) => operator === 'Conv')?.name ?? '';
  const again = await quantise(first.prepared, { batches: [], prepared: true, ranges: first.ranges, exclude: new Set([conv]) });
  expect(again.report.left).toContainEqual(expect.objectContaining({ node: conv, reason: 'excluded' }));
  const { quantised, absorbed, left } = again.report;
  expect([...quantised, ...absorbed, ...left.map(({ node }) => node)].toSorted()).toEqual(again.prepared.graph.nodes.map(({ name }) => name).toSorted());
});

const range = fc.record({ min: fc.double({ min: -1e6, max: 1e6, noNaN: true }), width: fc.double({ min: 0, max: 1e6, noNaN: true }) });

test('activation parameters hold zero exactly and reach both ends within a step', () => {
  fc.assert(
    fc.property(range, ({ min, width }) => {
      const { scale, zeroPoint } = activationParameters({ min, max: min + width });
      expect(scale).toBeGreaterThan(0);
      expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255).toBe(true);
      if (Math.max(Math.abs(min), Math.abs(min + width)) < 1e-30) return;
      expect((0 - zeroPoint) * scale).toBeLessThanOrEqual(Math.min(0, min) + scale * 0.51);
      expect((255 - zeroPoint) * scale).toBeGreaterThanOrEqual(Math.max(0, min + width) - scale * 0.51);
    }),
  );
});

test('weights and biases round to the nearest step and never overflow', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.constantFrom(7 as const, 8 as const),
      (largest, share, bits) => {
        const scale = weightScale(largest, bits);
        const stored = quantiseWeight(largest * share, scale, bits);
        expect(Math.abs(stored)).toBeLessThanOrEqual(bits === 7 ? 63 : 127);
        expect(Math.abs(stored * scale - largest * share)).toBeLessThanOrEqual(scale * 0.501);
        const biasScale = weightScaleForBias(largest * 1e6, 1e-3) * 1e-3;
        expect(Math.abs(quantiseBias(largest * 1e6, biasScale) * biasScale - largest * 1e6)).toBeLessThan(largest);
      },
    ),
  );
  expect([0.5, 1.5, 2.5, -0.5, -1.5].map(roundHalfEven)).toEqual([0, 2, 2, 0, -2].map((value) => expect.closeTo(value)));
});
