import { describe, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder, type GraphBuilder } from '../builder.ts';
import { findFaults } from '../check.ts';
import { compareModels } from '../compare.ts';
import { openModelFile } from '../external-data.ts';
import { createModel, float, floats, int, ints, longs, scalar, text, type Attribute, type Model } from '../graph.ts';
import { readModel, writeModel } from '../model-file.ts';
import { foreignModels } from '../testing/foreign-models.ts';
import { randomGraph } from '../testing/random-graph.ts';
import { foldBatchNorm } from './fold-batch-norm.ts';
import { foldConstants } from './fold-constants.ts';
import { removeDeadCode } from './remove-dead-code.ts';
import { simplify } from './simplify.ts';
import { upgradeOpset } from './upgrade-opset.ts';

const random = seededRandom(Number(process.env['SEED'] ?? 7));
const operators = (model: Model): string[] => model.graph.nodes.map(({ operator }) => operator);

function modelOf(build: (builder: GraphBuilder, x: string) => string, dims: number[] = [2, 3, 4, 4], opset = 17): Model {
  const builder = createGraphBuilder('g');
  const result = build(builder, builder.input('x', 'float32', dims));
  builder.add('Abs', [result], {}, ['y']);
  builder.output('y', 'float32', ['A', 'B', 'C', 'D'].slice(0, dims.length));
  return { ...createModel(builder.finish()), opsets: { '': opset } };
}
const anyShape = (model: Model): Model => ({
  ...model,
  graph: { ...model.graph, outputs: model.graph.outputs.map((output) => ({ ...output, dims: [], anyShape: true })) },
});
const weights = (builder: GraphBuilder, dims: number[], low = -1, high = 1): string =>
  builder.constant(
    floats(
      dims,
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.between(low, high)),
    ),
  );

describe('a model simplified computes what it computed', () => {
  const passes: [name: string, pass: (model: Model) => Model | Promise<Model>][] = [
    ['removeDeadCode', removeDeadCode],
    ['foldConstants', foldConstants],
    ['foldBatchNorm', foldBatchNorm],
    ['simplify', simplify],
  ];
  test.each(passes)('%s, over random networks', async (_, pass) => {
    let fewer = 0;
    for (let index = 0; index < 60; index += 1) {
      const model = randomGraph(random.fork(`network ${index}`));
      const after = await pass(model);
      expect(findFaults(after), `network ${index}`).toEqual([]);
      expect(await compareModels(model, after, random.fork(`inputs ${index}`), { otherwise: 2 }), `network ${index}`).toBeLessThan(2e-4);
      if (after.graph.nodes.length < model.graph.nodes.length) fewer += 1;
    }
    expect(fewer).toBeGreaterThan(10);
  });

  test('simplify comes to an end: what it returns it leaves alone', async () => {
    for (let index = 0; index < 20; index += 1) {
      const simpler = await simplify(randomGraph(random.fork(`again ${index}`)));
      expect(await simplify(simpler)).toBe(simpler);
      for (const gone of ['Dropout', 'Constant', 'BatchNormalization', 'Exp']) expect(operators(simpler), gone).not.toContain(gone);
    }
  });
});

describe('removeDeadCode', () => {
  test('keeps the name of an output whose value was only handed on, and an input that is an output', () => {
    const builder = createGraphBuilder('g');
    const x = builder.input('x', 'float32', [2]);
    const inner = builder.add('Relu', [x]);
    builder.add('Identity', [inner], {}, ['a']);
    builder.add('Identity', [inner], {}, ['b']);
    builder.add('Identity', [x], {}, ['c']);
    for (const name of ['a', 'b', 'c']) builder.output(name, 'float32', [2]);
    const after = removeDeadCode(createModel(builder.finish()));
    expect(after.graph.nodes.map(({ operator, inputs, outputs }) => [operator, ...inputs, ...outputs])).toEqual([
      ['Relu', 'x', 'a'],
      ['Identity', 'a', 'b'],
      ['Identity', 'x', 'c'],
    ]);
  });

  test('a value that a branch takes from outside is alive, under its new name', async () => {
    const build = (builder: GraphBuilder, x: string): string => {
      const copy = builder.add('Identity', [builder.add('Relu', [x])]);
      const branch = (operator: string): Attribute => ({
        kind: 'graph',
        value: {
          name: operator,
          inputs: [],
          outputs: [{ name: `${operator}_out`, type: 'float32', dims: ['A', 'B', 'C', 'D'] }],
          nodes: [{ operator, domain: '', name: '', inputs: [copy], outputs: [`${operator}_out`], attributes: {} }],
          initialisers: new Map(),
        },
      });
      const condition = builder.constant({ type: 'bool', dims: [], data: Uint8Array.of(1) });
      return builder.add('If', [condition], { then_branch: branch('Neg'), else_branch: branch('Exp') });
    };
    const model = modelOf(build);
    const after = removeDeadCode(model);
    expect(operators(after)).toEqual(['Relu', 'If', 'Abs']);
    expect(await compareModels(model, after, random)).toBe(0);
  });

  test('a Dropout that is trained, or whose mask is read, stays', () => {
    const build = (training: number) => (builder: GraphBuilder, x: string) =>
      builder.add('Dropout', [x, builder.constant(scalar(0.5)), builder.constant({ type: 'bool', dims: [], data: Uint8Array.of(training) })]);
    expect(operators(removeDeadCode(modelOf(build(1))))).toContain('Dropout');
    expect(operators(removeDeadCode(modelOf(build(0))))).toEqual(['Abs']);
  });
});

describe('foldConstants', () => {
  test('a constant that would grow beyond the limit stays to be computed', async () => {
    const build = (size: number) => (builder: GraphBuilder, x: string) =>
      builder.add('Add', [x, builder.add('Expand', [builder.constant(scalar(2)), builder.constant(longs([size]))])]);
    expect(operators(await foldConstants(modelOf(build(4))))).toEqual(['Add', 'Abs']);
    expect(operators(await foldConstants(modelOf(build(2 ** 20)), {}))).toContain('Expand');
    expect(operators(await foldConstants(modelOf(build(4)), { growthBytesMax: 8 }))).toContain('Expand');
  });

  test('many results that are each small enough end at the limit of all folding together, and so does a chain of doublings', async () => {
    const many = (builder: GraphBuilder, x: string): string => {
      const rows = Array.from({ length: 64 }, () => builder.add('Expand', [builder.constant(scalar(1)), builder.constant(longs([4000, 1, 1, 4]))]));
      return builder.add('Sum', [x, ...rows]);
    };
    const chain = (builder: GraphBuilder, x: string): string => {
      let value = weights(builder, [1, 1, 1024, 16]);
      for (let step = 0; step < 14; step += 1) value = builder.add('Concat', [value, value], { axis: int(1) });
      return builder.add('Add', [x, builder.add('ReduceMax', [value], { keepdims: int(0) })]);
    };
    for (const build of [many, chain]) {
      const after = await foldConstants(modelOf(build));
      const bytes = [...after.graph.initialisers.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
      expect(bytes).toBeLessThan(1.3 * 1024 * 1024);
      expect(operators(after).length).toBeGreaterThan(10);
    }
  });

  test('chance is not folded, and weights kept in 8 bits stay so', async () => {
    const build = (builder: GraphBuilder, x: string): string => {
      const noise = builder.add('RandomNormal', [], { shape: ints([4]) });
      const quantised = builder.constant({ type: 'int8', dims: [4], data: Int8Array.of(1, 2, 3, 4) });
      return builder.add('Sum', [x, noise, builder.add('DequantizeLinear', [quantised, builder.constant(scalar(0.1))])]);
    };
    expect(operators(await foldConstants(modelOf(build)))).toEqual(['RandomNormal', 'DequantizeLinear', 'Sum', 'Abs']);
  });

  test('what the runtime refuses to compute is left as it was, and the rest of the model with it', async () => {
    const build = (builder: GraphBuilder, x: string): string => {
      const beyond = builder.add('Gather', [weights(builder, [4]), builder.constant(longs([9]))]);
      return builder.add('Sum', [x, beyond, builder.add('Constant', [], { value: { kind: 'tensor', value: scalar(1) } })]);
    };
    const after = await foldConstants(modelOf(build));
    expect(operators(after)).toEqual(['Gather', 'Sum', 'Abs']);
    expect(findFaults(after)).toEqual([]);
  });

  test('a weight that others read too is not stored a second time in another layout', async () => {
    const build = (builder: GraphBuilder, x: string): string => {
      const shared = weights(builder, [200, 200]);
      const row = builder.add('Gather', [shared, builder.constant(longs([0]))]);
      const turned = builder.add('MatMul', [builder.add('ReduceSum', [x, builder.constant(longs([0, 1, 2]))]), builder.add('Transpose', [shared])]);
      return builder.add('Add', [row, turned]);
    };
    expect(operators(await foldConstants(modelOf(build, [2, 3, 4, 200])))).toContain('Transpose');
  });

  test('shapes that do not depend on free dimensions become constants', async () => {
    const build = (builder: GraphBuilder, x: string): string =>
      builder.add('Reshape', [x, builder.add('Concat', [builder.add('Shape', [x], { end: int(2) }), builder.constant(longs([-1]))], { axis: int(0) })]);
    expect(operators(await foldConstants(anyShape(modelOf(build))))).toEqual(['Reshape', 'Abs']);
  });
});

describe('foldBatchNorm', () => {
  const normalise = (builder: GraphBuilder, x: string, channels: number): string => {
    const parameters = [weights(builder, [channels], 0.5, 2), weights(builder, [channels]), weights(builder, [channels]), weights(builder, [channels], 0.1, 2)];
    return builder.add('BatchNormalization', [x, ...parameters]);
  };

  const makers: [name: string, dims: number[], channels: number, build: (builder: GraphBuilder, x: string) => string][] = [
    ['Conv', [2, 3, 4, 4], 5, (builder, x) => builder.add('Conv', [x, weights(builder, [5, 3, 3, 3])])],
    ['Conv of groups', [2, 4, 4, 4], 6, (builder, x) => builder.add('Conv', [x, weights(builder, [6, 2, 1, 1]), weights(builder, [6])], { group: int(2) })],
    ['ConvTranspose', [2, 3, 4, 4], 5, (builder, x) => builder.add('ConvTranspose', [x, weights(builder, [3, 5, 2, 2])])],
    [
      'ConvTranspose of groups',
      [2, 4, 4, 4],
      6,
      (builder, x) => builder.add('ConvTranspose', [x, weights(builder, [4, 3, 2, 2]), weights(builder, [6])], { group: int(2) }),
    ],
    ['Gemm', [2, 3], 5, (builder, x) => builder.add('Gemm', [x, weights(builder, [3, 5]), weights(builder, [5])], { alpha: float(2), beta: float(0.5) })],
    ['Gemm of turned weights', [2, 3], 5, (builder, x) => builder.add('Gemm', [x, weights(builder, [5, 3])], { transB: int(1) })],
  ];
  test.each(makers)('becomes part of the %s before it', async (_, dims, channels, build) => {
    const model = modelOf((builder, x) => normalise(builder, build(builder, x), channels), dims);
    const after = removeDeadCode(foldBatchNorm(model));
    expect(after.graph.nodes.length).toBe(2);
    expect(after.graph.initialisers.size).toBe(2);
    expect(await compareModels(model, after, random)).toBeLessThan(1e-5);
  });

  test('becomes a Mul and an Add after anything else', async () => {
    const model = modelOf((builder, x) => normalise(builder, builder.add('Relu', [x]), 3));
    const after = foldBatchNorm(model);
    expect(operators(after)).toEqual(['Relu', 'Mul', 'Add', 'Abs']);
    expect(await compareModels(model, after, random)).toBeLessThan(1e-5);
  });

  test('a convolution that others read, or whose weight others share, keeps what they see', async () => {
    const shared = modelOf((builder, x) => {
      const weight = weights(builder, [3, 3, 1, 1]);
      const first = builder.add('Conv', [x, weight]);
      return builder.add('Sum', [normalise(builder, first, 3), normalise(builder, builder.add('Conv', [x, weight]), 3), first]);
    });
    const after = foldBatchNorm(shared);
    expect(operators(after).filter((operator) => operator === 'Conv').length).toBe(2);
    expect(operators(after).filter((operator) => operator === 'Mul').length).toBe(1);
    expect(await compareModels(shared, after, random)).toBeLessThan(1e-5);
  });

  test('an element-wise constant, a normalisation that still learns and one without variance are left alone', () => {
    const wide = modelOf((builder, x) => builder.add('Mul', [builder.add('Conv', [x, weights(builder, [5, 3, 1, 1])]), weights(builder, [4])]));
    expect(foldBatchNorm(wide)).toBe(wide);
    const broken = modelOf((builder, x) => {
      const zeros = builder.constant(floats([3], [0, 0, 0]));
      return builder.add('BatchNormalization', [x, weights(builder, [3]), zeros, zeros, builder.constant(floats([3], [-1, -1, -1]))]);
    });
    expect(foldBatchNorm(broken)).toBe(broken);
  });
});

describe('upgradeOpset', () => {
  const floatsAttribute = (value: number[]): Attribute => ({ kind: 'floats', value });
  const index = (builder: GraphBuilder, values: number[]): string =>
    builder.constant({ type: 'int64', dims: [1, 1, 1, 1], data: BigInt64Array.from(values, BigInt) });
  const cases: [name: string, opset: number, build: (builder: GraphBuilder, x: string) => string][] = [
    ['Clip', 7, (b, x) => b.add('Clip', [x], { min: float(0.25), max: float(0.5) })],
    ['Clip above only', 10, (b, x) => b.add('Clip', [x], { max: float(0.5) })],
    ['Clip without limits', 10, (b, x) => b.add('Clip', [x])],
    ['Pad', 7, (b, x) => b.add('Pad', [x], { pads: ints([0, 0, 1, 2, 0, 0, 0, 1]), value: float(3) })],
    ['Pad by reflection', 10, (b, x) => b.add('Pad', [x], { pads: ints([0, 0, 1, 1, 0, 0, 1, 1]), mode: text('reflect') })],
    ['Slice', 9, (b, x) => b.add('Slice', [x], { starts: ints([1, -3]), ends: ints([3, 1000]), axes: ints([1, 2]) })],
    ['Slice of the first axes', 7, (b, x) => b.add('Slice', [x], { starts: ints([0, 1]), ends: ints([1, 3]) })],
    ['TopK', 9, (b, x) => b.add('TopK', [x], { k: int(2), axis: int(1) }, [b.fresh('values'), b.fresh('indices')])],
    ['Dropout', 7, (b, x) => b.add('Dropout', [x], { ratio: float(0.9) })],
    ['Dropout 10', 10, (b, x) => b.add('Dropout', [x], { ratio: float(0.9) })],
    ['Squeeze', 11, (b, x) => b.add('Squeeze', [b.add('ReduceMax', [x], { axes: ints([1]) })], { axes: ints([1]) })],
    ['Squeeze of all', 12, (b, x) => b.add('Squeeze', [b.add('ReduceMax', [x], { axes: ints([1]) })])],
    ['Unsqueeze', 12, (b, x) => b.add('Unsqueeze', [x], { axes: ints([0, 3]) })],
    ['ReduceSum', 12, (b, x) => b.add('ReduceSum', [x], { axes: ints([1, 2]), keepdims: int(0) })],
    ['ReduceSum of all', 11, (b, x) => b.add('ReduceSum', [x])],
    ['Split', 12, (b, x) => (b.add('Split', [x], { axis: int(1), split: ints([1, 2]) }, ['a', 'b']), 'b')],
    ['Split in halves', 11, (b, x) => (b.add('Split', [x], { axis: int(2) }, ['a', 'b']), 'b')],
    ['Softmax', 12, (b, x) => b.add('Softmax', [x])],
    ['Softmax along the last axis', 11, (b, x) => b.add('Softmax', [x], { axis: int(3) })],
    ['Softmax of all', 9, (b, x) => b.add('Softmax', [x], { axis: int(0) })],
    ['LogSoftmax', 11, (b, x) => b.add('LogSoftmax', [x], { axis: int(2) })],
    ['Hardmax', 11, (b, x) => b.add('Hardmax', [x], { axis: int(1) })],
    ['Upsample 7', 7, (b, x) => b.add('Upsample', [x], { scales: floatsAttribute([1, 1, 2, 3]) })],
    ['Upsample 9', 9, (b, x) => b.add('Upsample', [x, b.constant(floats([4], [1, 1, 2, 1.5]))])],
    ['Upsample, linear', 9, (b, x) => b.add('Upsample', [x, b.constant(floats([4], [1, 1, 2, 2]))], { mode: text('linear') })],
    ['Resize 10 up', 10, (b, x) => b.add('Resize', [x, b.constant(floats([4], [1, 1, 2, 1.5]))])],
    ['Resize 10 down', 10, (b, x) => b.add('Resize', [x, b.constant(floats([4], [1, 1, 0.5, 0.75]))])],
    ['Resize 10, linear', 10, (b, x) => b.add('Resize', [x, b.constant(floats([4], [1, 1, 0.5, 2]))], { mode: text('linear') })],
    [
      'Resize 11 by sizes',
      11,
      (b, x) => b.add('Resize', [x, b.constant(floats([0], [])), b.constant(floats([0], [])), b.constant(longs([2, 3, 7, 5]))], { mode: text('linear') }),
    ],
    ['Scatter', 10, (b, x) => b.add('Scatter', [x, index(b, [2]), b.constant(floats([1, 1, 1, 1], [9]))], { axis: int(2) })],
    [
      'BatchNormalization',
      8,
      (b, x) => b.add('BatchNormalization', [x, weights(b, [3]), weights(b, [3]), weights(b, [3]), weights(b, [3], 0.1, 1)], { spatial: int(1) }),
    ],
    ['BatchNormalization 13', 13, (b, x) => b.add('BatchNormalization', [x, weights(b, [3]), weights(b, [3]), weights(b, [3]), weights(b, [3], 0.1, 1)])],
    [
      'RoiAlign',
      15,
      (b, x) =>
        b.add('RoiAlign', [x, b.constant(floats([1, 4], [0.3, 0.2, 2.6, 3.1])), b.constant(longs([1]))], {
          output_height: int(2),
          output_width: int(2),
          sampling_ratio: int(2),
        }),
    ],
  ];
  test.each(cases)('%s of opset %i', async (_, opset, build) => {
    const model = anyShape(modelOf(build, [2, 3, 4, 4], opset));
    const after = upgradeOpset(model);
    expect(after.opsets['']).toBe(17);
    expect(findFaults(after)).toEqual([]);
    expect(await compareModels(model, after, random)).toBeLessThan(1e-6);
    // The names of the standard's present form, so that the runtime would refuse an old one.
    expect(after.graph.outputs).toEqual(model.graph.outputs);
  });

  test('an operator in a branch is upgraded as well', async () => {
    const build = (builder: GraphBuilder, x: string): string => {
      const branch = (low: number): Attribute => ({
        kind: 'graph',
        value: {
          name: 'branch',
          inputs: [],
          outputs: [{ name: `out${low}`, type: 'float32', dims: ['A', 'B', 'C', 'D'] }],
          nodes: [{ operator: 'Clip', domain: '', name: '', inputs: [x], outputs: [`out${low}`], attributes: { min: float(low) } }],
          initialisers: new Map(),
        },
      });
      return builder.add('If', [builder.constant({ type: 'bool', dims: [], data: Uint8Array.of(0) })], { then_branch: branch(0), else_branch: branch(0.5) });
    };
    const model = modelOf(build, [2, 3, 4, 4], 10);
    expect(await compareModels(model, upgradeOpset(model), random)).toBe(0);
  });

  test('what has no present form is refused with the node', () => {
    const old = (build: (builder: GraphBuilder, x: string) => string, opset: number) => () => upgradeOpset(modelOf(build, [2, 3, 4, 4], opset));
    expect(old((b, x) => b.add('Dropout', [x], {}, ['a', 'mask']), 7)).toThrow('Dropout');
    expect(old((b, x) => b.add('BatchNormalization', [x, x, x, x, x], {}, ['a', 'm', 'v']), 9)).toThrow('exported for training');
    expect(old((b, x) => b.add('Resize', [x, x]), 10)).toThrow('Resize');
    expect(old((b, x) => b.add('Resize', [x, '', x], { coordinate_transformation_mode: text('tf_half_pixel_for_nn') }), 11)).toThrow('Resize');
  });
});

test.each(foreignModels)('a model that others exported computes the same with far fewer nodes: $file', async ({ file, dimensions }) => {
  const model = await openModelFile(file);
  const simpler = readModel(writeModel(await simplify(model)));
  expect(await compareModels(model, simpler, random, { dimensions })).toBeLessThan(1e-5);
  expect(simpler.graph.nodes.length).toBeLessThan(model.graph.nodes.length * 0.6);
  expect(operators(simpler)).not.toContain('BatchNormalization');
  expect(simpler.opsets['']).toBe(17);
});
