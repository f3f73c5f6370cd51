import { beforeAll, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import type { Model, Tensor } from '../../onnx/graph.ts';
import { runModel } from '../../onnx/session.ts';
import { mse } from '../../train/losses.ts';
import { quantise } from '../quantise.ts';
import { trainableGraph } from './fake-quant.ts';
import { exampleSource, fineTuneQuantised, type FineTuneRequest } from './fine-tune.ts';
import { editLayers, quantisedLayers } from './layers.ts';
import { decibelsOf, noiseOf, referenceOf } from './noise.ts';
import { noise, noiseBatches, smallNet, unevenChannels } from './testing/uneven-net.ts';

const batches = noiseBatches(8, 16);
const largest = 63;
let request: FineTuneRequest;

beforeAll(async () => {
  const float = unevenChannels(await smallNet(), 10);
  const { model } = await quantise(float, { batches, prepared: true, eager: true });
  request = { float, quantised: model, batches, largest, steps: 60 };
});

const answer = async (model: Model, x: Tensor): Promise<number[]> => Array.from((await runModel(model, new Map([['x', x]]))).get('y')?.data as Float32Array);

test.each(['int8', 'uint8'] as const)(
  'what is trained is what ships, with %s weights: the graph that learns answers as the one written from it',
  async (weightType) => {
    const { model } = await quantise(request.float, { batches, prepared: true, eager: true, weightType, weightBits: 8 });
    const graph = trainableGraph(request.float, model, 127);
    const random = seededRandom(5);
    // Some way off, beyond what may be stored too.
    const moved = new Map(
      graph.trainable.map((name): [string, Tensor] => {
        const tensor = graph.model.graph.initialisers.get(name) as Tensor<'float32'>;
        return [name, { ...tensor, data: tensor.data.map((value) => value + 3 * random.normal()) }];
      }),
    );
    const learning = { ...graph.model, graph: { ...graph.model.graph, initialisers: new Map([...graph.model.graph.initialisers, ...moved]) } };
    const x = noise(9, [4, 3, 8, 8]);
    const [found, wanted] = [await answer(editLayers(model, graph.edits(moved)), x), await answer(learning, x)];
    const size = Math.max(...wanted.map(Math.abs));
    found.forEach((value, index) => expect(Math.abs(value - (wanted[index] ?? 0))).toBeLessThan(size * 1e-3));
    for (const { weight } of quantisedLayers(editLayers(model, graph.edits(moved))).values()) {
      expect(Math.max(...Array.from(weight.tensor.data, (value) => Math.abs(value - weight.zeroPoint)))).toBeLessThanOrEqual(127);
    }
  },
);

test('training through the roundings brings the 8-bit form nearer to the float model, on other data too, and is the same each time', async () => {
  const reference = await referenceOf(request.float, noiseBatches(12, 16).slice(8), {});
  const before = decibelsOf(await noiseOf(request.quantised, reference, {}));
  const { model, steps, edits } = await fineTuneQuantised(request);
  expect(steps).toBe(60);
  expect(decibelsOf(await noiseOf(model, reference, {}))).toBeGreaterThan(before + 1.5);
  const again = await fineTuneQuantised(request);
  expect([...again.edits.values()].map(({ bias }) => bias)).toEqual([...edits.values()].map(({ bias }) => bias));
});

test('a loss of the task asks for values by the names of the float model', async () => {
  const source = exampleSource(batches);
  const wanted = {
    examples: source.examples,
    fill: async (indices: Int32Array, random: Parameters<typeof source.fill>[1]) => {
      const { feeds } = await source.fill(indices, random);
      return { feeds, targets: { goal: { type: 'float32' as const, dims: [indices.length, 5], data: new Float32Array(indices.length * 5) } } };
    },
  };
  const { model } = await fineTuneQuantised({ ...request, source: wanted, loss: mse({ prediction: 'y', targets: 'goal' }), distil: 0, rate: 0.3 });
  const x = batches[0]?.['x'] as Tensor;
  const size = (values: readonly number[]): number => values.reduce((sum, value) => sum + value * value, 0);
  expect(size(await answer(model, x))).toBeLessThan(0.9 * size(await answer(request.quantised, x)));
});

test('the best of some judgements is kept', async () => {
  const judged: number[] = [];
  const { model } = await fineTuneQuantised({
    ...request,
    judge: async (each) => {
      judged.push(quantisedLayers(each).get('dense')?.bias?.[0] ?? 0);
      // The first is the best.
      return -judged.length;
    },
  });
  expect(judged.length).toBe(4);
  expect(quantisedLayers(model).get('dense')?.bias?.[0]).toBe(judged[0]);
});

test('training can be cancelled', async () => {
  const controller = new AbortController();
  const onProgress = (): void => controller.abort();
  await expect(fineTuneQuantised({ ...request, signal: controller.signal, onProgress })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('calibration batches are handed out example by example, those of another shape are not', async () => {
  const source = exampleSource([{ x: noise(1, [2, 3]) }, { x: noise(2, [1, 4]) }, { x: noise(3, [1, 3]) }]);
  expect(source.examples).toBe(3);
  const { feeds } = await source.fill(Int32Array.of(2, 0), seededRandom(1));
  expect(feeds['x']?.dims).toEqual([2, 3]);
  expect(Array.from(feeds['x']?.data as Float32Array)).toEqual([...noise(3, [1, 3]).data, ...noise(1, [2, 3]).data.slice(0, 3)]);
});
