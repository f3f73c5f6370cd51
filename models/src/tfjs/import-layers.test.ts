import type * as Layers from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { inferModel } from '../onnx/infer-model.ts';
import { compareOutputs, drawInputs } from './check-import.ts';
import { importNetwork } from './import-model.ts';
import { layerKinds } from './layer-kinds.ts';
import { openTfjs, predict, type Tfjs } from './runtime.ts';
import { layerRows, recurrentRows } from './testing/layer-rows.ts';
import { mergeRows, networkRows } from './testing/network-rows.ts';
import { filesOf, randomise, save } from './testing/saved.ts';

let tf: Tfjs;
beforeAll(async () => {
  ({ tf } = await openTfjs());
});

const rows = [...layerRows, ...recurrentRows, ...mergeRows, ...networkRows];

/** Sums of float32 in another order, and functions that tfjs approximates. */
const tolerance = 1e-5;

test.each(rows)('$what: the same as tfjs', async ({ build, options }) => {
  const original = build(tf);
  randomise(tf, original, seededRandom(7));
  const { network, weights } = filesOf(await save(tf, original));
  const imported = importNetwork(network, weights, options);
  const inputs = drawInputs(imported, seededRandom(3));
  const expected = await predict(
    tf,
    original,
    imported.model.graph.inputs.map(({ name }) => inputs.get(name) ?? expect.unreachable()),
  );
  expect(await compareOutputs(imported, inputs, expected)).toBeLessThan(tolerance);

  const { graph } = imported.model;
  const bound = graph.inputs.map((input) => ({ ...input, dims: inputs.get(input.name)?.dims ?? [] }));
  const { types } = inferModel({ ...imported.model, graph: { ...graph, inputs: bound } });
  graph.outputs.forEach(({ name, dims }, index) => {
    expect(types.get(name)?.dims, 'the inferred shape').toEqual(expected[index]?.dims);
    expect(
      dims.map((dim, axis) => (typeof dim === 'number' ? dim : expected[index]?.dims[axis])),
      'the declared shape',
    ).toEqual(expected[index]?.dims);
  });
});

/** A layer, and those inside it. */
const classesOf = (layer: Layers.layers.Layer): string[] => {
  const inner = (layer as unknown as { layer?: Layers.layers.Layer }).layer;
  const layers = (layer as unknown as Layers.LayersModel).layers ?? [];
  return [layer.getClassName(), ...(inner === undefined ? [] : classesOf(inner)), ...layers.flatMap(classesOf)];
};

test('every class of layer that is read is compared with tfjs', () => {
  const compared = new Set(rows.flatMap(({ build }) => build(tf).layers.flatMap(classesOf)));
  expect(Object.keys(layerKinds).filter((name) => !compared.has(name))).toEqual([]);
});
