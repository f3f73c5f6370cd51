import { expect, test } from 'vitest';

import type { Model, Tensor } from '../../onnx/graph.ts';
import { runModel } from '../../onnx/session.ts';
import { quantise } from '../quantise.ts';
import { operatorsRun } from '../testing/formats.ts';
import { editLayers, quantisedLayers, type LayerEdit } from './layers.ts';
import { lastLayers, outputOf } from './observe.ts';
import { noise, noiseBatches, randomNet, smallNet } from './testing/uneven-net.ts';

const answer = async (model: Model, x: Tensor): Promise<number[]> => Array.from((await runModel(model, new Map([['x', x]]))).get('y')?.data as Float32Array);
const batches = noiseBatches(1);
const x = noise(9, [4, 3, 8, 8]);

test.each(['int8', 'uint8'] as const)('layers with %s weights are found in the 8-bit graph under the names they had', async (weightType) => {
  const float = await smallNet();
  const { model, report } = await quantise(float, { batches, prepared: true, eager: true, weightType });
  const layers = quantisedLayers(model);
  expect([...layers.keys()]).toEqual(['first', 'depthwise', 'pointwise', 'dense']);
  expect(report.quantised).toEqual(expect.arrayContaining([...layers.keys()]));
  for (const name of layers.keys()) expect(outputOf(model, name)).toBeDefined();
  expect(layers.get('pointwise')?.bias).toBeUndefined();
  expect(layers.get('first')?.bias?.length).toBe(8);
});

test.each(['int8', 'uint8'] as const)('%s weights written back as they were read give the same answers', async (weightType) => {
  const { model } = await quantise(await smallNet(), { batches, prepared: true, eager: true, weightType });
  const edits = [...quantisedLayers(model)].map(([name, { weight, bias }]): [string, LayerEdit] => {
    const { tensor, scales, zeroPoint } = weight;
    // Of these layers, the channels are the first axis.
    const inner = tensor.data.length / scales.length;
    const values = Float32Array.from(tensor.data, (stored, index) => (stored - zeroPoint) * (scales[Math.floor(index / inner)] ?? 0));
    return [name, { weight: { values, scales, largest: 127 }, ...(bias === undefined ? {} : { bias }) }];
  });
  expect(await answer(editLayers(model, new Map(edits)), x)).toEqual(await answer(model, x));
});

test('a layer gets another bias, even one that had none', async () => {
  const float = await randomNet(1, (nn, value) => nn.dense(nn.flatten(nn.relu(nn.conv(value, 4))), 2, { bias: false, name: 'dense' }));
  const { model } = await quantise(float, { batches, prepared: true, eager: true });
  const before = await answer(model, x);
  const after = await answer(editLayers(model, new Map([['dense', { bias: Float32Array.of(3, -2) }]])), x);
  after.forEach((value, index) => expect(value - (before[index] ?? 0)).toBeCloseTo(index % 2 === 0 ? 3 : -2, 3));
});

test('layers that were written anew still run as 8-bit kernels', async () => {
  const { model } = await quantise(await smallNet(), { batches, prepared: true, eager: true });
  const edits = [...quantisedLayers(model)].map(([name, { weight, bias }]): [string, LayerEdit] => [
    name,
    {
      weight: { values: Float32Array.from(weight.tensor.data, (stored) => stored / 100), scales: weight.scales.map(() => 0.01), largest: 63 },
      // Each has one afterwards.
      bias: bias ?? new Float32Array(weight.scales.length),
    },
  ]);
  expect(await operatorsRun(editLayers(model, new Map(edits)))).toEqual(await operatorsRun(model));
});

test('the last layers are those behind which no other comes', async () => {
  const two = await randomNet(1, (nn, value) => {
    const body = nn.relu(nn.conv(value, 4));
    nn.output('boxes', nn.sigmoid(nn.conv(body, 2, { name: 'boxes_head' })));
    return nn.conv(body, 3, { name: 'scores_head' });
  });
  // The one named after the output it became.
  expect(lastLayers(two).length).toBe(2);
  expect(lastLayers(await smallNet())).toEqual(['dense']);
});
