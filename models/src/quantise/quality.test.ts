import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { drawTensor } from '../onnx/example-inputs.ts';
import type { Model, Node, Tensor } from '../onnx/graph.ts';
import { bindDims } from '../onnx/infer-model.ts';
import { runModel } from '../onnx/session.ts';
import { randomGraph } from '../onnx/testing/random-graph.ts';
import { quantise, type Quantised } from './quantise.ts';

const inputsOf = (model: Model, seed: number): Record<string, Tensor> =>
  Object.fromEntries(
    model.graph.inputs.map((input) => [input.name, drawTensor(input, bindDims(input, { otherwise: 4 }) ?? [], seededRandom(seed).fork(input.name))]),
  );

async function sqnrDb(before: Model, after: Model, inputs: Record<string, Tensor>): Promise<number> {
  const map = new Map(Object.entries(inputs));
  const [left, right] = [await runModel(before, map), await runModel(after, map)];
  let [signal, noise] = [0, 0];
  for (const [name, { data }] of left) {
    const other = right.get(name)?.data as Float32Array;
    (data as Float32Array).forEach((value, index) => {
      signal += value ** 2;
      noise += (value - (other[index] ?? Number.NaN)) ** 2;
    });
  }
  return 10 * Math.log10(signal / Math.max(noise, signal * 1e-15));
}

/** Floats that go into 8 bits and come back without an 8-bit kernel between. */
function idlePairs({ model, report }: Quantised): string[] {
  const makers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const inFloat = new Set(report.left.map(({ node }) => node));
  const isFloat = (name: string): boolean => !makers.has(name) || inFloat.has(makers.get(name)?.name ?? '');
  return model.graph.nodes
    .filter((node) => inFloat.has(node.name))
    .flatMap((reader) => reader.inputs.map((name) => makers.get(name)))
    .filter((maker): maker is Node => maker?.operator === 'DequantizeLinear')
    .filter((restored) => {
      const stored = makers.get(restored.inputs[0] ?? '');
      return stored?.operator === 'QuantizeLinear' && isFloat(stored.inputs[0] ?? '');
    })
    .map(({ name }) => name);
}

test('random networks stay close to float, report every node once and never convert in vain', async () => {
  let worst = Infinity;
  let bytes = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const model = randomGraph(seededRandom(seed));
    const batches = [inputsOf(model, seed + 1000), inputsOf(model, seed + 2000)];
    // What is eager asks for no gain.
    const eager = seed % 2 === 0;
    const result = await quantise(model, { batches, weightBits: 8, calibrator: 'min-max', eager });
    const { report, prepared } = result;
    const names = [...report.quantised, ...report.absorbed, ...report.left.map(({ node }) => node)];
    expect(names.toSorted()).toEqual(prepared.graph.nodes.map(({ name }) => name).toSorted());
    if (!eager) expect(idlePairs(result)).toEqual([]);
    const nodeNames = result.model.graph.nodes.map(({ name }) => name);
    expect(new Set(nodeNames).size).toBe(nodeNames.length);
    const sqnr = await sqnrDb(model, result.model, batches[0] ?? {});
    if (sqnr < worst) worst = sqnr;
    bytes += report.quantised.length;
  }
  expect(worst).toBeGreaterThan(28);
  expect(bytes).toBeGreaterThan(100);
});
