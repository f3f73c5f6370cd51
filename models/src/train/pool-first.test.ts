import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createModel, elementCount, float, int, ints, type Attribute, type Model } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../onnx/session.ts';
import { differentiate } from './autodiff.ts';
import { createLayout } from './model-layout.ts';
import { poolFirst } from './pool-first.ts';
import { createTape, type Tape } from './tape.ts';

const tiles = { kernel_shape: ints([2, 2]), strides: ints([2, 2]) };

interface Shape {
  readonly kernel: number;
  readonly stride: number;
  readonly pads: readonly number[];
  readonly height: number;
  readonly width: number;
}

function network({ kernel, stride, pads, height, width }: Shape, activation: string, attributes: Record<string, Attribute> = {}): Model {
  const tape = createTape('network');
  const random = seededRandom(5);
  const weights = (name: string, dims: readonly number[]): string =>
    tape.constant({ type: 'float32', dims, data: Float32Array.from({ length: elementCount(dims) }, () => random.normal()) }, name);
  const x = tape.input('x', 'float32', [2, 1, height, width]);
  const first = tape.add('Conv', [x, weights('w1', [4, 1, kernel, kernel]), weights('b1', [4])], { pads: ints(pads), strides: ints([stride, stride]) });
  const pooled = tape.add('MaxPool', [tape.add(activation, [first], attributes, 'active')], tiles);
  const second = tape.add('Conv', [pooled, weights('w2', [3, 4, 3, 3])], { pads: ints([1, 1, 1, 1]) });
  tape.output(tape.add('ReduceMean', [tape.add(activation, [second], attributes)], { axes: ints([2, 3]), keepdims: int(0) }, 'y'));
  return createModel(tape.finish());
}

const trainable = ['w1', 'b1', 'w2'];

/** The model's result and the gradients of its weights. */
async function resultsOf(model: Model, value = 'y'): Promise<{ operators: string[]; values: number[][] }> {
  const tape: Tape = createTape('results');
  const output = createLayout(tape, model, { dimensions: {}, present: new Set() })(value);
  const loss = tape.add('ReduceSum', [tape.add('Mul', [output, output])], { keepdims: int(0) });
  const gradients = value === 'y' ? differentiate(tape, loss, trainable) : new Map<string, string>();
  const outputs = [output, ...[...gradients.values()].map((name) => tape.add('Identity', [name]))];
  for (const name of outputs) tape.output(name);
  const { dims } = tape.type('x');
  const session = await openSession(writeModel(createModel(tape.finish())));
  const random = seededRandom(7);
  // Few different values, so that many windows have ties.
  const image = Float32Array.from({ length: elementCount(dims) }, () => Math.round(random.between(-1, 1)));
  const found = await session.run({ x: runtimeTensor('float32', image, dims) });
  await session.release();
  return { operators: tape.nodes.map(({ operator }) => operator), values: outputs.map((name) => Array.from(found[name]?.data as Float32Array)) };
}

function expectSame(found: readonly number[][], expected: readonly number[][]): void {
  expect(found.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  found.flat().forEach((value, index) => expect(Math.abs(value - (expected.flat()[index] ?? Number.NaN))).toBeLessThan(1e-3 * (1 + Math.abs(value))));
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  kernel: fc.integer({ min: 1, max: 5 }),
  stride: fc.integer({ min: 1, max: 2 }),
  pads: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
  height: fc.integer({ min: 8, max: 13 }),
  width: fc.integer({ min: 8, max: 13 }),
});

test('pooling before activating gives the same results and gradients, whatever the first convolution', async () => {
  let split = 0;
  await fc.assert(
    fc.asyncProperty(shapes, fc.constantFrom('Relu', 'LeakyRelu'), async (shape, activation) => {
      const model = network(shape, activation);
      const expected = await resultsOf(model);
      const changed = await resultsOf(poolFirst(model, { trainable, dimensions: {} }));
      expectSame(changed.values, expected.values);
      if (!changed.operators.includes('MaxPool')) split += 1;
    }),
    { numRuns: 40 },
  );
  expect(split).toBeGreaterThan(0);
});

test('the convolution of a picture becomes one for each place in a window; its activation works on what is left', async () => {
  const model = network({ kernel: 3, stride: 1, pads: [1, 1, 1, 1], height: 8, width: 8 }, 'Relu');
  const { operators } = await resultsOf(poolFirst(model, { trainable, dimensions: {} }));
  expect(operators.slice(0, 9)).toEqual(['Conv', 'Conv', 'Conv', 'Conv', 'Max', 'Max', 'Max', 'Relu', 'Conv']);
});

test('a loss may still ask for a value that training itself has no use for', async () => {
  const model = network({ kernel: 3, stride: 1, pads: [1, 1, 1, 1], height: 8, width: 8 }, 'Relu');
  const expected = await resultsOf(model, 'active');
  expectSame((await resultsOf(poolFirst(model, { trainable, dimensions: {} }), 'active')).values, expected.values);
});

test('an activation that can turn the order of values round stays before its pool', () => {
  const model = network({ kernel: 3, stride: 1, pads: [1, 1, 1, 1], height: 8, width: 8 }, 'LeakyRelu', { alpha: float(-0.5) });
  expect(poolFirst(model, { trainable, dimensions: {} }).graph.nodes).toEqual(model.graph.nodes);
});
