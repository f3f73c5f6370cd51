import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createModel, elementCount, floats, int, ints, type Graph, type Model } from '../../onnx/graph.ts';
import { writeModel } from '../../onnx/model-file.ts';
import { openSession, runtimeTensor } from '../../onnx/session.ts';
import { differentiate } from '../autodiff.ts';
import { learningWeights, defineModel } from '../layers.ts';
import { softmaxCrossEntropy } from '../losses.ts';
import { adam } from '../optimiser.ts';
import { createTape, type Tape } from '../tape.ts';
import { openTrainer } from '../trainer.ts';
import { blockSize } from './block-size.ts';
import { inBlocks } from './layout.ts';
import { blockedDomain } from './writer.ts';

const block = await blockSize();

/** All outputs of a graph on random inputs. */
async function outputsOf(model: Model, seed: number): Promise<Map<string, Float32Array>> {
  const session = await openSession(writeModel(model));
  try {
    const feeds = model.graph.inputs.map(({ name, dims }) => {
      const random = seededRandom(seed).fork(name);
      return [
        name,
        runtimeTensor(
          'float32',
          Float32Array.from({ length: elementCount(dims as number[]) }, () => random.normal()),
          dims as number[],
        ),
      ] as const;
    });
    const found = await session.run(Object.fromEntries(feeds));
    return new Map(Object.entries(found).map(([name, tensor]) => [name, tensor.data as Float32Array]));
  } finally {
    await session.release();
  }
}

const kernelsOf = ({ nodes }: Graph): string[] => nodes.filter(({ domain }) => domain === blockedDomain).map(({ operator }) => operator);

/** A graph with the gradients of all its inputs as outputs, plain and in blocks, on the same numbers. */
async function compare(build: (tape: Tape) => string, seed: number): Promise<string[]> {
  const tape = createTape('blocks');
  const output = build(tape);
  const { dims } = tape.type(output);
  const weights = tape.input('weights', 'float32', dims);
  const loss = tape.add('ReduceSum', [tape.add('Mul', [output, weights])], { keepdims: int(0) });
  const graph = tape.finish();
  const sources = graph.inputs.map(({ name }) => name).filter((name) => name !== weights);
  const gradients = differentiate(tape, loss, sources);
  tape.output(output);
  for (const source of sources) tape.output(tape.add('Identity', [gradients.get(source) ?? '']));
  const model = createModel(tape.finish());
  const turned = inBlocks(model, block);
  const [expected, found] = [await outputsOf(model, seed), await outputsOf(turned, seed)];
  expect([...found.keys()].toSorted()).toEqual([...expected.keys()].toSorted());
  for (const [name, values] of expected) {
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    values.forEach((value, index) => {
      if (Math.abs(value - (found.get(name)?.[index] ?? Number.NaN)) > 1e-4 * scale) {
        throw new Error(`${name}[${index}] is ${found.get(name)?.[index]} in blocks, ${value} otherwise`);
      }
    });
  }
  return kernelsOf(turned.graph);
}

const convolutions = fc.record({
  batch: fc.constantFrom(1, 3, 16, 32),
  channels: fc.constantFrom(1, 3, 8, 16, 32, 48),
  filters: fc.constantFrom(16, 32, 10),
  height: fc.integer({ min: 6, max: 11 }),
  width: fc.integer({ min: 6, max: 11 }),
  kernel: fc.constantFrom(1, 2, 3, 5),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.constantFrom(1, 1, 2),
  pads: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
  depthwise: fc.constantFrom(false, false, true),
  bias: fc.boolean(),
  seed: fc.nat(),
});

test.runIf(block > 1)('a Conv and its gradients are the same in blocks: any channels, strides, dilations, pads, batch', async () => {
  const kernels = new Set<string>();
  await fc.assert(
    fc.asyncProperty(convolutions, async ({ batch, channels, filters, height, width, kernel, stride, dilation, pads, depthwise, bias, seed }) => {
      fc.pre((kernel - 1) * dilation < Math.min(height, width));
      const attributes = { strides: ints([stride, stride]), dilations: ints([dilation, dilation]), pads: ints(pads), group: int(depthwise ? channels : 1) };
      const used = await compare((tape) => {
        const x = tape.input('x', 'float32', [batch, channels, height, width]);
        const w = tape.input('w', 'float32', [depthwise ? channels : filters, depthwise ? 1 : channels, kernel, kernel]);
        const b = bias ? [tape.input('b', 'float32', [depthwise ? channels : filters])] : [];
        // Both neighbours read it in blocks.
        const convolved = tape.add('Relu', [tape.add('Conv', [tape.add('Relu', [x]), w, ...b], attributes)]);
        return tape.add('Mul', [convolved, convolved]);
      }, seed);
      for (const kernelName of used) kernels.add(kernelName);
    }),
    { numRuns: 150 },
  );
  expect([...kernels].toSorted()).toEqual(['Conv', 'ReorderInput', 'ReorderOutput']);
});

test.runIf(block > 1)('a network of convolutions, pools, residues and scaled channels is the same in blocks', async () => {
  const shapes = fc.record({ batch: fc.constantFrom(2, 16), size: fc.integer({ min: 8, max: 13 }), pool: fc.constantFrom(2, 3), seed: fc.nat() });
  await fc.assert(
    fc.asyncProperty(shapes, async ({ batch, size, pool, seed }) => {
      const used = await compare((tape) => {
        const conv = (x: string, name: string, depth: number, filters: number, stride: number): string =>
          tape.add('Conv', [x, tape.input(name, 'float32', [filters, depth, 3, 3])], { pads: ints([1, 1, 1, 1]), strides: ints([stride, stride]) });
        const first = tape.add('Relu', [conv(tape.input('x', 'float32', [batch, 3, size, size]), 'w1', 3, 16, 1)]);
        const pooled = tape.add('MaxPool', [first], { kernel_shape: ints([pool, pool]), strides: ints([pool, pool]) });
        const deeper = conv(pooled, 'w2', 16, 32, 2);
        const scaled = tape.add('Mul', [deeper, tape.input('scale', 'float32', [1, 32, 1, 1])]);
        const shifted = tape.add('Sigmoid', [tape.add('Add', [scaled, tape.input('shift', 'float32', [32, 1, 1])])]);
        const residue = tape.add('Add', [tape.add('Relu', [conv(shifted, 'w3', 32, 32, 1)]), shifted]);
        return tape.add('GlobalAveragePool', [residue]);
      }, seed);
      expect(used).toContain('MaxPool');
    }),
    { numRuns: 12 },
  );
});

test('a convolutional network gets the same weights, bit by bit, with one thread and with two', async () => {
  const batch = 16;
  const model = defineModel('digits', 1, (nn) => {
    const x = nn.input('x', 'float32', [3, 32, 32]);
    const pooled = nn.maxPool(nn.relu(nn.conv(x, 16)), 2);
    const deeper = nn.relu(nn.conv(nn.relu(nn.conv(pooled, 48, { stride: 2 })), 32, { kernel: 5 }));
    nn.output('logits', nn.dense(nn.flatten(nn.maxPool(deeper, 2)), 4));
  });
  const random = seededRandom(3);
  const draw = (dims: readonly number[]) =>
    floats(
      dims,
      Array.from({ length: elementCount(dims) }, () => random.uniform()),
    );
  const examples = { feeds: { x: draw([batch, 3, 32, 32]) }, targets: { targets: draw([batch, 4]) } };
  const weightsWith = async (threads: number): Promise<Float32Array | undefined> => {
    const optimiser = adam();
    const loss = softmaxCrossEntropy({ logits: 'logits' });
    const trainer = await openTrainer({ model, loss, trainable: learningWeights(model), dimensions: { N: batch }, optimiser }, threads);
    for (let step = 1; step <= 5; step += 1) await trainer.step(examples, { rate: 0.01, correction: optimiser.correction(step) });
    const { weights } = trainer.state();
    await trainer.close();
    return weights;
  };
  const alone = await weightsWith(1);
  expect(alone?.every(Number.isFinite)).toBe(true);
  expect(await weightsWith(2)).toEqual(alone);
});

test('without such kernels, or without a Conv, a model stays as it is', () => {
  const tape = createTape('plain');
  tape.output(tape.add('Relu', [tape.input('x', 'float32', [2])]));
  const model = createModel(tape.finish());
  expect(inBlocks(model, 16)).toBe(model);
  expect(inBlocks(model, 1)).toBe(model);
});
