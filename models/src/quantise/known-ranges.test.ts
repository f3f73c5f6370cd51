import { expect, test } from 'vitest';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, ints, longs } from '../onnx/graph.ts';
import { inferModel } from '../onnx/infer-model.ts';
import { rangeSources } from './known-ranges.ts';

test('values are measured once: bounds, gates and what only moves values say the rest', () => {
  const b = createGraphBuilder('net');
  const x = b.input('x', 'float32', [2, 4]);
  const weight = b.constant(floats([4, 4], new Float32Array(16).fill(0.5)));
  b.add('MatMul', [x, weight], {}, ['alone']);
  b.add('Relu', ['alone'], {}, ['bounded']);
  b.add('Transpose', ['bounded'], { perm: ints([1, 0]) }, ['turned']);
  b.add('Reshape', ['turned', b.constant(longs([2, 4]))], {}, ['shaped']);
  b.add('Sigmoid', ['shaped'], {}, ['gate']);
  b.add('MatMul', ['shaped', weight], {}, ['shared']);
  b.add('Relu', ['shared'], {}, ['cut']);
  b.add('Mul', ['shared', 'gate'], {}, ['shown']);
  b.add('Relu', ['shown'], {}, ['last']);
  for (const name of ['shown', 'cut', 'last']) b.output(name, 'float32', [2, 4]);
  const model = createModel(b.finish());
  const { types } = inferModel(model);
  const values = new Set(model.graph.nodes.flatMap(({ outputs }) => outputs));
  const sources = rangeSources(model.graph, values, { type: (name) => types.get(name), constant: (name) => model.graph.initialisers.get(name) });
  expect(Object.fromEntries(sources)).toEqual({
    alone: 'bounded',
    bounded: 'bounded',
    turned: 'bounded',
    shaped: 'bounded',
    gate: { min: 0, max: 1 },
    // Somebody else reads what the bound cuts off.
    shared: 'shared',
    cut: 'cut',
    shown: 'shown',
    last: 'last',
  });
});
