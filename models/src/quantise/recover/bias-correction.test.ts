import { beforeAll, expect, test } from 'vitest';

import type { Model } from '../../onnx/graph.ts';
import { quantise } from '../quantise.ts';
import { correctBiases } from './bias-correction.ts';
import { quantisedLayers } from './layers.ts';
import { noiseOf, referenceOf } from './noise.ts';
import { observe, outputOf } from './observe.ts';
import { noiseBatches, smallNet, unevenChannels } from './testing/uneven-net.ts';

const batches = noiseBatches(4);
let float: Model;
let quantised: Model;

beforeAll(async () => {
  float = unevenChannels(await smallNet(), 10);
  quantised = (await quantise(float, { batches, prepared: true, eager: true })).model;
});

/** The mean of all that a node puts out on these batches. */
async function meansOf(model: Model, node: string): Promise<number[]> {
  const sums: number[] = [];
  let rows = 0;
  await observe(model, [outputOf(model, node) ?? ''], { batches }, (values) => {
    for (const { dims, data } of values.values()) {
      const [count = 1, channels = 1] = dims;
      const inner = data.length / count / channels;
      data.forEach((value, index) => (sums[Math.floor(index / inner) % channels] = (sums[Math.floor(index / inner) % channels] ?? 0) + value));
      rows += count * inner;
    }
  });
  return sums.map((sum) => sum / rows);
}

test('after the correction every channel of every layer is as high as in the float model, on average', async () => {
  const { model, layers } = await correctBiases(float, quantised, { batches });
  expect(layers).toBe(4);
  for (const [name, { inputScale, weight }] of quantisedLayers(model)) {
    const [wanted, before, after] = [await meansOf(float, name), await meansOf(quantised, name), await meansOf(model, name)];
    const off = (found: readonly number[]): number[] => found.map((value, channel) => Math.abs(value - (wanted[channel] ?? 0)));
    // A bias is stored in steps of its own.
    const step = (channel: number): number => inputScale * (weight.scales[channel] ?? 0);
    off(after).forEach((value, channel) => expect(value).toBeLessThanOrEqual(step(channel)));
    if (name === 'dense') expect(Math.max(...off(before))).toBeGreaterThan(10 * Math.max(...off(after)));
  }
});

test('what is heard of quantisation in the last layer becomes less, on other data too', async () => {
  const { model } = await correctBiases(float, quantised, { batches });
  const reference = await referenceOf(float, noiseBatches(8).slice(4), {});
  expect(await noiseOf(model, reference, {})).toBeLessThan(0.9 * (await noiseOf(quantised, reference, {})));
});
