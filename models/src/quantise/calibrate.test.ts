import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, type Model, type Tensor } from '../onnx/graph.ts';
import type { Batch } from './batches.ts';
import { calibrate, type CalibrationOptions } from './calibrate.ts';
import { calibratorNames, createCalibrator, type CalibratorName } from './calibrators/calibrator.ts';
import { binCount, createHistogram } from './calibrators/histogram.ts';
import { activationParameters, type ValueRange } from './parameters.ts';
import { quantise } from './quantise.ts';

function rangeBy(name: CalibratorName, parts: readonly Float32Array[], keep = 0.999): ValueRange {
  const calibrator = createCalibrator(keep, true);
  for (const part of parts) calibrator.add(part, Math.min(...part), Math.max(...part));
  return calibrator.range(name);
}
function errorOf(values: Float32Array, range: ValueRange): number {
  const { scale, zeroPoint } = activationParameters(range);
  const restored = values.map((value) => (Math.min(255, Math.max(0, Math.round(value / scale) + zeroPoint)) - zeroPoint) * scale);
  return values.reduce((sum, value, index) => sum + (value - (restored[index] ?? 0)) ** 2, 0) / values.length;
}
const normals = (seed: number, count: number, scale = 1, shift = 0): Float32Array => {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => random.normal() * scale + shift);
};

const part = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 50 }).map((list) => Float32Array.from(list));

test('a histogram that grows counts every value once, wherever its batch came', () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), fc.nat(6), (parts, power) => {
      const builder = createHistogram();
      const scaled = parts.map((values, index) => values.map((value) => Math.fround(value * 10 ** ((index * power) % 7))));
      for (const values of scaled) builder.add(values, Math.min(...values), Math.max(...values));
      const { counts, zeros, first, width, min, max } = builder.finish();
      const all = scaled.flatMap((values) => [...values]);
      expect(zeros + counts.reduce((sum, count) => sum + count, 0)).toBe(all.length);
      expect([min, max]).toEqual([Math.min(...all), Math.max(...all)]);
      if (width === 0) return;
      // Within the window, and fine enough for 8 bits.
      expect(first * width).toBeLessThanOrEqual(min);
      expect((first + binCount) * width).toBeGreaterThanOrEqual(max);
      expect((Math.max(max, 0) - Math.min(min, 0)) / width).toBeGreaterThan(binCount / 4);
      const median = all.filter((value) => value !== 0).length;
      let seen = 0;
      counts.forEach((count, bin) => {
        seen += count;
        const upTo = all.filter((value) => value !== 0 && value < (first + bin + 1) * width).length;
        if (count > 0) expect(seen).toBe(upTo);
      });
      expect(seen).toBe(median);
    }),
  );
});

test('every range lies inside what was seen', () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.constantFrom(...calibratorNames), (parts, name) => {
      const all = parts.flatMap((values) => [...values]);
      const { min, max } = rangeBy(name, parts);
      expect(min).toBeGreaterThanOrEqual(Math.min(...all, 0));
      expect(max).toBeLessThanOrEqual(Math.max(...all, 0));
      expect(min).toBeLessThanOrEqual(max);
    }),
  );
});

test('the range of least error is as good as the best of many that were tried', () => {
  const shapes: ((value: number) => number)[] = [
    (value) => value,
    (value) => Math.max(0, value),
    (value) => value ** 3,
    (value) => value ** 5 + 1,
    (value) => -Math.abs(value),
  ];
  for (const shape of shapes) {
    const values = normals(1, 6000).map(shape);
    const [min, max] = [Math.min(0, ...values), Math.max(0, ...values)];
    const shares = Array.from({ length: 12 }, (_, index) => 1 - index * 0.08);
    const least = Math.min(...shares.flatMap((low) => shares.map((high) => errorOf(values, { min: min * low, max: max * high }))));
    expect(errorOf(values, rangeBy('mse', [values]))).toBeLessThanOrEqual(least * 1.05);
  }
});

test('each calibrator does with an outlier what it is for', () => {
  const odd = Float32Array.from([...normals(5, 20_000), 100]);
  expect(rangeBy('min-max', [odd]).max).toBe(100);
  expect(rangeBy('percentile', [odd]).max).toBeLessThan(5);
  expect(rangeBy('entropy', [odd]).max).toBeLessThan(80);
  // Losing it would cost more than the finer steps are worth.
  expect(rangeBy('mse', [odd]).max).toBeGreaterThan(50);
  const usual = normals(6, 100);
  const averaged = rangeBy('moving-average', [usual, odd]);
  expect(averaged.max).toBeCloseTo(Math.max(...usual) + 0.01 * (100 - Math.max(...usual)), 3);
});

function network(): Model {
  const b = createGraphBuilder('net');
  const x = b.input('x', 'float32', ['N', 4]);
  const dense = (value: string): string => b.add('Gemm', [value, b.constant(floats([4, 4], normals(7, 16)))]);
  b.add('Identity', [dense(b.add('Log', [dense(x)], {}, ['logarithm']))], {}, ['y']);
  b.output('y', 'float32', ['N', 4]);
  return createModel(b.finish());
}
const batch = (values: ArrayLike<number>): Batch => ({ x: floats([values.length / 4, 4], values) });
const twoDense = (): Model => {
  const b = createGraphBuilder('net');
  const x = b.input('x', 'float32', ['N', 4]);
  const hidden = b.add('Relu', [b.add('Gemm', [x, b.constant(floats([4, 4], normals(7, 16)))])], {}, ['hidden']);
  b.add('Gemm', [hidden, b.constant(floats([4, 4], normals(8, 16)))], {}, ['y']);
  b.output('y', 'float32', ['N', 4]);
  return createModel(b.finish());
};

test('a value that is no number is named, with its batch', async () => {
  const options: CalibrationOptions = { batches: [batch([1, 1, 1, 1])], values: new Map([['logarithm', 4]]) };
  const model = network();
  const error = calibrate(model, { ...options, batches: [batch(normals(9, 400))] });
  await expect(error).rejects.toMatchObject({ code: 'CALIBRATION_NOT_FINITE', detail: expect.stringMatching(/logarithm is not a number for batch 1/) });
  const infinite = quantise(twoDense(), { batches: [batch([1, 2, 3, 4]), batch([1, 2, Infinity, 4])], eager: true });
  await expect(infinite).rejects.toMatchObject({ code: 'CALIBRATION_NOT_FINITE', detail: expect.stringMatching(/batch 2/) });
});

test('batches that do not fit are refused with what the model takes', async () => {
  const bytes: Tensor = { type: 'uint8', dims: [1, 4], data: new Uint8Array(4) };
  const wrong: [Batch, RegExp][] = [
    [{}, /input x is missing/],
    [{ x: bytes }, /input x is uint8/],
    [{ x: floats([1, 5], [1, 2, 3, 4, 5]) }, /\[1, 5\]/],
    [{ x: floats([4], [1, 2, 3, 4]) }, /\[4\]/],
    [{ x: { type: 'float32', dims: [2, 4], data: new Float32Array(4) } }, /4 elements/],
    [{ ...batch([1, 2, 3, 4]), z: bytes }, /no input z/],
  ];
  for (const [one, detail] of wrong) {
    for (const batches of [[one], [batch([1, 2, 3, 4]), one]]) {
      await expect(quantise(twoDense(), { batches, eager: true })).rejects.toMatchObject({
        code: 'CALIBRATION_MISFIT',
        detail: expect.stringMatching(detail),
        hint: expect.stringContaining('x: float32 [N, 4]'),
      });
    }
  }
  await expect(quantise(twoDense(), { batches: [], eager: true })).rejects.toMatchObject({ code: 'CALIBRATION_MISFIT' });
});

test('progress is told, and a cancelled calibration ends', async () => {
  const batches = Array.from({ length: 5 }, (_, index) => batch(normals(index, 40)));
  const fractions: number[] = [];
  await quantise(twoDense(), { batches, eager: true, calibrator: 'mse', onProgress: (fraction) => fractions.push(fraction) });
  expect(fractions).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  const controller = new AbortController();
  const cancelled = quantise(twoDense(), { batches, eager: true, signal: controller.signal, onProgress: (fraction) => fraction > 0.5 && controller.abort() });
  await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('a value that is always the same is no obstacle, but is told', async () => {
  const model = twoDense();
  const dead = {
    ...model.graph,
    initialisers: new Map(
      [...model.graph.initialisers].map(([name, tensor], index) => [name, index === 0 ? floats([4, 4], new Float32Array(16).fill(-1)) : tensor]),
    ),
  };
  const { report, model: small } = await quantise({ ...model, graph: dead }, { batches: [batch([1, 2, 3, 4])], eager: true });
  expect(report.warnings).toEqual([expect.stringContaining('hidden')]);
  expect(small.graph.nodes.length).toBeGreaterThan(4);
});

test('left to itself it takes the ranges that bring batches it did not learn from nearest to float, and says so', async () => {
  const model = twoDense();
  const batches = Array.from({ length: 8 }, (_, index) => batch(normals(20 + index, 400).map((value) => value ** 5)));
  const { calibrator, ranges, report } = await quantise(model, { batches, eager: true });
  const decibels = new Map([...(report.calibration ?? '').matchAll(/([a-z-]+) (-?[\d.]+) dB/g)].map(([, name = '', value]) => [name, Number(value)]));
  expect([...decibels.keys()].toSorted()).toEqual(calibratorNames.toSorted());
  expect(decibels.get(calibrator)).toBe(Math.max(...decibels.values()));
  expect(Math.min(...decibels.values())).toBeLessThan(Math.max(...decibels.values()));
  expect(report.calibration).toContain('on 100 examples');
  const learntFrom = batches.filter((_, index) => index !== 3);
  expect((await quantise(model, { batches: learntFrom, eager: true, calibrator })).ranges).toEqual(ranges);
  // With one batch there is no other to choose on.
  expect((await quantise(model, { batches: batches.slice(0, 1), eager: true })).report.calibration).toContain('on 100 examples');
});
