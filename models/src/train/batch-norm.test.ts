import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { createModel, elementCount } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { trainingBatchNorm } from './batch-norm.ts';
import { createTape } from './tape.ts';
import { checkGradient } from './testing/gradient-check.ts';

const shapes = fc.integer({ min: 2, max: 4 }).chain((rank) => fc.array(fc.integer({ min: 2, max: 4 }), { minLength: rank, maxLength: rank }));

test('the gradient of batch normalisation in training agrees with differences', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.nat(), async (dims, seed) => {
      const channels = [dims[1] ?? 1];
      await checkGradient(
        (tape, input) => {
          const running = (): string => tape.constant({ type: 'float64', dims: channels, data: new Float64Array(channels[0] ?? 1) });
          const [x, scale, bias] = [input(dims), input(channels), input(channels)];
          return trainingBatchNorm(tape, { x, scale, bias, mean: running(), variance: running(), epsilon: 0.01, momentum: 0.9 }).output;
        },
        { seed },
      );
    }),
    { numRuns: 40 },
  );
});

test('output and running statistics follow the standard: the population variance, weighted by what the momentum leaves', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: -20, max: 20 }), fc.nat(), async (dims, momentum, offset, seed) => {
      const random = seededRandom(seed);
      const [batch = 1, channels = 1, ...spatial] = dims;
      const places = elementCount(spatial);
      const tape = createTape('statistics');
      const x = tape.input('x', 'float32', dims);
      const [scale = '', bias = '', mean = '', variance = ''] = ['scale', 'bias', 'mean', 'variance'].map((name) => tape.input(name, 'float32', [channels]));
      const made = trainingBatchNorm(tape, { x, scale, bias, mean, variance, epsilon: 0.001, momentum });
      for (const name of Object.values(made)) tape.output(name as string);

      const values = Float32Array.from({ length: elementCount(dims) }, () => random.normal() + offset);
      const vectors = [scale, bias, mean, variance].map((name) => [name, Float32Array.from({ length: channels }, () => random.between(0.5, 2))] as const);
      const given = new Map(vectors.map(([name, data]) => [name, data.slice()]));
      const session = await openSession(writeModel(createModel(tape.finish())));
      const result = await session.run({
        x: runtimeTensor('float32', values, dims),
        ...Object.fromEntries(vectors.map(([name, data]) => [name, runtimeTensor('float32', data, [channels])])),
      });
      await session.release();
      // The runtime's kernel writes over the statistics it is given.
      for (const [name, data] of vectors) expect(data, name).toEqual(given.get(name));

      const [scales, biases, means, variances] = vectors.map(([, data]) => data);
      for (let channel = 0; channel < channels; channel += 1) {
        const positions = Array.from({ length: batch * places }, (_, index) => (Math.floor(index / places) * channels + channel) * places + (index % places));
        const own = positions.map((place) => values[place] ?? 0);
        const average = own.reduce((sum, value) => sum + value, 0) / own.length;
        const spread = own.reduce((sum, value) => sum + (value - average) ** 2, 0) / own.length;
        const close = (name: string, index: number, expected: number) =>
          expect(Math.abs(Number(result[name]?.data[index]) - expected)).toBeLessThan(1e-3 * (1 + Math.abs(expected)));
        close(made.newMean, channel, momentum * (means?.[channel] ?? 0) + (1 - momentum) * average);
        close(made.newVariance, channel, momentum * (variances?.[channel] ?? 0) + (1 - momentum) * spread);
        positions.forEach((place, index) => {
          const standard = ((own[index] ?? 0) - average) / Math.sqrt(spread + 0.001);
          close(made.output, place, standard * (scales?.[channel] ?? 1) + (biases?.[channel] ?? 0));
        });
      }
    }),
    { numRuns: 40 },
  );
});
