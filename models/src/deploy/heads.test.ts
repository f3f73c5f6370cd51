import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, type Dimension, type Model, type Tensor } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { classMapOutput, withClassMap, withProbabilities, type ProbabilityOptions } from './heads.ts';
import { probabilitiesAt } from './temperature.ts';

/** A model that answers with its input, or with what an operator makes of it. */
function echo(dims: readonly Dimension[], operator = 'Identity', name = 'scores_out'): Model {
  const builder = createGraphBuilder('echo');
  builder.input('x', 'float32', dims);
  builder.add(operator, ['x'], operator === 'Softmax' ? { axis: int(-1) } : {}, [name]);
  builder.output(name, 'float32', dims);
  return createModel(builder.finish());
}

const run = (model: Model, x: Tensor): Promise<Map<string, Tensor>> => runModel(model, new Map([['x', x]]));
const drawn = (dims: readonly number[], seed = 1): Tensor<'float32'> => {
  const random = seededRandom(seed);
  return floats(
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 3 * random.normal()),
  );
};

function expectClose(found: Tensor | undefined, wanted: ArrayLike<number>): void {
  expect(found?.data.length).toBe(wanted.length);
  Array.from(wanted).forEach((value, at) => expect(Number(found?.data[at])).toBeCloseTo(value, 5));
}

test('probabilities are the softmax of logits over the temperature, for any number of classes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.double({ min: 0.2, max: 5, noNaN: true }),
      async (columns, rows, temperature) => {
        const x = drawn([rows, columns], columns);
        const found = await run(withProbabilities(echo(['N', columns]), { temperature }), x);
        expect([...found.keys()]).toEqual(['probabilities']);
        expect(found.get('probabilities')?.dims).toEqual([rows, Math.max(2, columns)]);
        expectClose(found.get('probabilities'), probabilitiesAt(x.data, columns, temperature));
      },
    ),
    { numRuns: 30 },
  );
});

test.each([
  ['a softmax of its own', echo(['N', 4], 'Softmax'), {}],
  ['an output that is called so already', echo(['N', 4], 'Softmax', 'probabilities'), {}],
  ['maps of one pixel', echo(['N', 4, 1, 1]), {}],
] as [string, Model, ProbabilityOptions][])('the temperature reaches the logits of a model with %s', async (_, model, options) => {
  const x = drawn([3, 4]);
  const wrapped = withProbabilities(model, { ...options, temperature: 2 });
  expect(wrapped.graph.nodes.filter(({ operator }) => operator === 'Softmax')).toHaveLength(1);
  const dims = model.graph.inputs[0]?.dims.length === 4 ? [3, 4, 1, 1] : [3, 4];
  expectClose((await run(wrapped, { ...x, dims })).get('probabilities'), probabilitiesAt(x.data, 4, 2));
});

test('probabilities whose logits are out of reach are cooled all the same', async () => {
  const x = drawn([5, 3]);
  const said = floats([5, 3], probabilitiesAt(x.data, 3, 1));
  const found = await run(withProbabilities(echo(['N', 3]), { holds: 'probabilities', temperature: 1.5 }), said);
  expectClose(found.get('probabilities'), probabilitiesAt(x.data, 3, 1.5));
});

test('of many classes the best few, with their scores', async () => {
  const x = drawn([4, 50]);
  const model = withProbabilities(echo(['N', 50]), { top: 3 });
  expect(model.graph.outputs).toEqual([
    { name: 'labels', type: 'int64', dims: ['N', 3] },
    { name: 'scores', type: 'float32', dims: ['N', 3] },
  ]);
  const found = await run(model, x);
  const probabilities = probabilitiesAt(x.data, 50, 1);
  for (let row = 0; row < 4; row += 1) {
    const own = probabilities.subarray(row * 50, (row + 1) * 50);
    const order = Array.from(own.keys())
      .toSorted((a, b) => (own[b] ?? 0) - (own[a] ?? 0))
      .slice(0, 3);
    expect(Array.from(found.get('labels')?.data as BigInt64Array, Number).slice(row * 3, row * 3 + 3)).toEqual(order);
    order.forEach((label, place) => expect(Number(found.get('scores')?.data[row * 3 + place])).toBeCloseTo(own[label] ?? 0, 6));
  }
  expect([...(await run(withProbabilities(echo(['N', 50]), { top: 3, all: true }), x)).keys()].toSorted()).toEqual(['labels', 'probabilities', 'scores']);
});

describe('maps', () => {
  test.each([
    [7, 'uint8'],
    [300, 'int32'],
  ] as const)('of %i classes become the best class of every pixel', async (classes, type) => {
    const x = drawn([2, classes, 3, 5]);
    const model = withClassMap(echo(['N', classes, 3, 5]));
    expect(model.graph.outputs).toEqual([{ name: classMapOutput, type, dims: ['N', 3, 5] }]);
    const found = (await run(model, x)).get(classMapOutput);
    for (let pixel = 0; pixel < 30; pixel += 1) {
      const [image, place] = [Math.floor(pixel / 15), pixel % 15];
      const scores = Array.from({ length: classes }, (_, label) => x.data[(image * classes + label) * 15 + place] ?? 0);
      expect(Number(found?.data[pixel])).toBe(scores.indexOf(Math.max(...scores)));
    }
  });
});

test.each([
  ['a temperature of zero', () => withProbabilities(echo(['N', 3]), { temperature: 0 })],
  ['more of the best than there are', () => withProbabilities(echo(['N', 3]), { top: 4 })],
  ['maps as probabilities', () => withProbabilities(echo(['N', 3, 2, 2]))],
  ['an output that is not there', () => withProbabilities(echo(['N', 3]), { output: 'other' })],
  ['vectors as maps', () => withClassMap(echo(['N', 3]))],
])('refused: %s', (_, make) => {
  expect(make).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }));
});
