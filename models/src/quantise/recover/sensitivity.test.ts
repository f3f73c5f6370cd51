import { expect, test } from 'vitest';

import type { Model } from '../../onnx/graph.ts';
import { quantise } from '../quantise.ts';
import { screenNodes } from './screening.ts';
import { rankLayers } from './sensitivity.ts';
import { noiseBatches, smallNet, unevenChannels } from './testing/uneven-net.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const names = ['first', 'depthwise', 'pointwise', 'dense'];
const batches = noiseBatches(2);

test('a first look keeps the nodes that add most noise of their own', async () => {
  const float = unevenChannels(await smallNet(), 12, ({ second }) => second.name === 'pointwise');
  const { model } = await quantise(float, { batches, prepared: true, eager: true });
  // What the depthwise one puts out is too uneven for one scale, which shows in what the pointwise one makes of it.
  expect(await screenNodes(float, model, names, 1, { batches })).toEqual(['pointwise']);
  expect(await screenNodes(float, model, names, 4, { batches })).toEqual(names);
});

async function rank(bench: Workbench, metric: (model: Model) => Promise<number>, metricMax: number) {
  const recipe = { float: bench.float, exclude: new Set<string>(), biases: false, learnt: undefined };
  return rankLayers({ names, only: (name) => bench.only(recipe, name), reference: bench.reference, metric, metricMax });
}

test('the layers that put out and take in what is uneven are the most sensitive', async () => {
  const model = unevenChannels(await smallNet(), 12, ({ second }) => second.name === 'pointwise');
  const bench = await openWorkbench({ model, batches, metric: async () => 1, eager: true, prepared: true });
  const ranking = await rank(bench, async () => 1, 2);
  expect(new Set(ranking.map(({ name }) => name))).toEqual(new Set(names));
  const [one, two, three] = ranking;
  expect(new Set([one?.name, two?.name])).toEqual(new Set(['depthwise', 'pointwise']));
  expect(two?.sqnrDb).toBeLessThan((three?.sqnrDb ?? 0) - 10);
  expect(ranking.map(({ metric }) => metric)).toEqual([1, 1, undefined, undefined]);
});

test('among the noisiest the metric of the task decides', async () => {
  const bench = await openWorkbench({ model: await smallNet(), batches, metric: async () => 1, eager: true, prepared: true });
  let asked = 0;
  const plain = await rank(bench, async () => 1, 0);
  // The second noisiest loses most.
  const ranking = await rank(bench, async () => (asked++ === 1 ? 0 : 1), 3);
  const [a, b, c, d] = plain.map(({ name }) => name);
  expect(ranking.map(({ name }) => name)).toEqual([b, a, c, d]);
});
