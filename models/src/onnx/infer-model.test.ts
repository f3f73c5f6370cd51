import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder, type GraphBuilder } from './builder.ts';
import { checkModel } from './check.ts';
import { drawTensor } from './example-inputs.ts';
import { openModelFile } from './external-data.ts';
import { createModel, elementCount, float, floats, int, ints, longs, scalar, type Dimension, type Model, type Tensor } from './graph.ts';
import { bindDims, inferModel } from './infer-model.ts';
import { runModel } from './session.ts';
import { foreignModels } from './testing/foreign-models.ts';
import { randomGraph } from './testing/random-graph.ts';

const random = seededRandom(Number(process.env['SEED'] ?? 11));

function modelOf(build: (builder: GraphBuilder, x: string) => string, dims: Dimension[] = ['N', 3, 4]): Model {
  const builder = createGraphBuilder('g');
  const y = build(builder, builder.input('x', 'float32', dims));
  return createModel({ ...builder.finish(), outputs: [{ name: y, type: 'float32', dims: [], anyShape: true }] });
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof SerinError) return `${error.code}: ${error.detail}`;
    throw error;
  }
  return 'none';
}

describe('types of a whole model are those the runtime finds', () => {
  /** With every value an output. */
  async function expectAgreement(model: Model, options: Parameters<typeof inferModel>[1]): Promise<void> {
    const { types } = inferModel(model, options);
    const values = model.graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== ''));
    const outputs = values.map((name) => ({ name, type: types.get(name)?.type ?? 'float32', dims: [], anyShape: true as const }));
    const inputs = new Map(model.graph.inputs.map((input) => [input.name, drawTensor(input, bindDims(input, options ?? {}) ?? [], random)]));
    const results = await runModel({ ...model, graph: { ...model.graph, outputs } }, inputs);
    for (const name of values) {
      const found = results.get(name);
      expect(types.get(name), name).toEqual({ type: found?.type, dims: found?.dims });
    }
  }

  test('random networks', async () => {
    for (let index = 0; index < 40; index += 1) {
      const model = randomGraph(random.fork(`network ${index}`));
      const { graph } = model;
      // The mask of a Dropout without one is not a value the runtime makes.
      const nodes = graph.nodes.map((node) => (node.operator === 'Dropout' ? { ...node, outputs: node.outputs.slice(0, 1) } : node));
      await expectAgreement({ ...model, graph: { ...graph, nodes } }, { dimensions: { N: 1 + random.integer(3) } });
    }
  });

  test.each(foreignModels)('$file', async ({ file, dimensions }) => {
    await expectAgreement(checkModel(await openModelFile(file)), { dimensions });
  });
});

test('shapes that the graph computes from shapes are followed', () => {
  const model = modelOf((builder, x) => {
    const shape = builder.add('Shape', [x]);
    const batch = builder.add('Gather', [shape, builder.constant(longs([0]))]);
    const rest = builder.add('ReduceProd', [builder.add('Slice', [shape, builder.constant(longs([1])), builder.constant(longs([999]))])]);
    return builder.add('Reshape', [x, builder.add('Concat', [batch, rest], { axis: int(0) })]);
  });
  const inferred = inferModel(model, { dimensions: { N: 5 } });
  expect(inferred.types.get(model.graph.outputs[0]?.name ?? '')).toEqual({ type: 'float32', dims: [5, 12] });
});

test('a dimension without a size is named; with a default it takes that', () => {
  const model = modelOf((builder, x) => builder.add('Relu', [x]));
  expect(codeOf(() => inferModel(model))).toContain('dimension N of x has no size');
  expect(inferModel(model, { otherwise: 7 }).types.get('relu')?.dims).toEqual([7, 3, 4]);
  expect(inferModel(model, { dimensions: { N: 2 }, otherwise: 7 }).types.get('relu')?.dims).toEqual([2, 3, 4]);
});

test('the first node that cannot be inferred is named; tolerantly, each of them once, and what is known is known', () => {
  const model = modelOf((builder, x) => {
    const strange = builder.add('Strange', [x], {}, ['s']);
    builder.add('Relu', [strange], {}, ['after']);
    builder.add('MatMul', [x, builder.constant(floats([5, 1], [1, 2, 3, 4, 5]))], {}, ['m']);
    return builder.add('Relu', [x], {}, ['fine']);
  });
  expect(codeOf(() => inferModel(model, { otherwise: 1 }))).toContain('Strange');
  const { unknown, types } = inferModel(model, { otherwise: 1, tolerant: true });
  expect(unknown.map(({ node }) => node.operator)).toEqual(['Strange', 'MatMul']);
  expect(types.has('after')).toBe(false);
  expect(types.get('fine')?.dims).toEqual([1, 3, 4]);
});

test('a result larger than the limit is refused before anything of its size exists, tolerantly too', () => {
  const huge = (build: (builder: GraphBuilder, x: string) => string): void => {
    for (const tolerant of [false, true]) expect(codeOf(() => inferModel(modelOf(build), { otherwise: 2 ** 20, tolerant }))).toMatch(/MODEL_INVALID: .*limit/);
  };
  const computed = (builder: GraphBuilder, x: string): string => {
    const shape = builder.add('Shape', [x]);
    return builder.add('Mul', [shape, shape]);
  };
  huge((builder, x) => builder.add('ConstantOfShape', [computed(builder, x)]));
  huge((builder, x) => builder.add('Expand', [builder.constant(scalar(1)), computed(builder, x)]));
  huge((builder, x) => builder.add('Tile', [x, computed(builder, x)]));
  huge((builder, x) =>
    builder.add('MatMul', [builder.add('Transpose', [x], { perm: ints([1, 0, 2]) }), builder.add('Transpose', [x], { perm: ints([1, 2, 0]) })]),
  );
  huge((builder) =>
    builder.add(
      'Range',
      [0, 2 ** 40, 1].map((value) => builder.constant({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) })),
    ),
  );
});

describe('values that follow from shapes', () => {
  const numbers = fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 6 });
  const whole = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor => ({
    type: 'int64',
    dims,
    data: BigInt64Array.from(values, BigInt),
  });
  type Build = (builder: GraphBuilder, a: string, b: string) => string[];
  const grid: Build = (builder, a) => [
    builder.add('Reshape', [builder.add('Concat', [a, a, a, a, a, a], { axis: int(0) }), builder.constant(longs([2, 3, -1]))]),
  ];
  const cases: Record<string, Build> = {
    arithmetic: (builder, a, b) => ['Add', 'Sub', 'Mul', 'Min', 'Max'].map((operator) => builder.add(operator, [a, b])),
    division: (builder, a, b) => {
      const one = builder.constant(longs([1]));
      return [builder.add('Div', [a, builder.add('Add', [builder.add('Abs', [b]), one])]), builder.add('Neg', [a]), builder.add('Sign', [a])];
    },
    comparisons: (builder, a, b) => {
      const flags = ['Equal', 'Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual'].map((operator) => builder.add(operator, [a, b]));
      const [first = '', second = ''] = flags;
      return [
        ...flags,
        builder.add('Not', [first]),
        builder.add('And', [first, second]),
        builder.add('Or', [first, second]),
        builder.add('Where', [second, a, b]),
      ];
    },
    casts: (builder, a) => {
      const real = builder.add('Mul', [builder.add('Cast', [a], { to: int(1) }), builder.constant(scalar(0.4))]);
      return [
        real,
        builder.add('Floor', [real]),
        builder.add('Ceil', [real]),
        builder.add('Cast', [real], { to: int(7) }),
        builder.add('Cast', [a], { to: int(6) }),
        builder.add('Cast', [a], { to: int(9) }),
      ];
    },
    reductions: (builder, a) => ['ReduceProd', 'ReduceMax', 'ReduceMin'].map((operator) => builder.add(operator, [a], { keepdims: int(0) })),
    sum: (builder, a) => [builder.add('ReduceSum', [a]), builder.add('ReduceSum', [a, builder.constant(longs([0]))], { keepdims: int(0) })],
    reshaping: (builder, a) => [
      ...grid(builder, a, a),
      builder.add('Unsqueeze', [a, builder.constant(longs([0, 2]))]),
      builder.add('Squeeze', [builder.add('Unsqueeze', [a, builder.constant(longs([0]))]), builder.constant(longs([0]))]),
      builder.add('Flatten', [a], { axis: int(0) }),
      builder.add('Identity', [a]),
    ],
    slices: (builder, a, b) => {
      const [cube = ''] = grid(builder, a, b);
      const cut = (value: string, ...lists: number[][]): string => builder.add('Slice', [value, ...lists.map((list) => builder.constant(longs(list)))]);
      return [cut(a, [1], [99]), cut(a, [-1], [-99], [0], [-1]), cut(cube, [1, -2], [3, 99], [1, 2], [1, 2]), cut(cube, [0], [0])];
    },
    gathers: (builder, a, b) => {
      const [cube = ''] = grid(builder, a, b);
      const at = (values: number[], dims?: number[]): string => builder.constant(whole(values, dims));
      return [
        builder.add('Gather', [a, at([0, -1, 0])]),
        builder.add('Gather', [a, at([0], [])]),
        builder.add('Gather', [cube, at([2, 0, 1, -1], [2, 2])], { axis: int(1) }),
      ];
    },
    joins: (builder, a, b) => {
      const [cube = ''] = grid(builder, a, b);
      return [
        builder.add('Concat', [a, builder.add('Reshape', [b, builder.constant(longs([-1]))]), a], { axis: int(0) }),
        builder.add('Concat', [cube, cube], { axis: int(1) }),
        builder.add('Concat', [cube, cube], { axis: int(-1) }),
      ];
    },
    parts: (builder, a, b) => {
      const [cube = ''] = grid(builder, a, b);
      return [
        builder.add('Split', [cube, builder.constant(longs([1, 2]))], { axis: int(1) }, [builder.fresh('p'), builder.fresh('q')]),
        builder.add('Transpose', [cube]),
        builder.add('Transpose', [cube], { perm: ints([2, 0, 1]) }),
      ];
    },
    repeats: (builder, a, b) => {
      const [cube = ''] = grid(builder, a, b);
      return [builder.add('Tile', [cube, builder.constant(longs([2, 1, 3]))]), builder.add('Expand', [a, builder.constant(longs([3, 1]))])];
    },
    creation: (builder, a, b) => {
      const [cube = ''] = grid(builder, a, b);
      const step = (value: number): string => builder.constant(whole([value], []));
      const fill = { kind: 'tensor', value: whole([5]) } as const;
      return [
        builder.add('Shape', [cube]),
        builder.add('Shape', [cube], { start: int(-2), end: int(3) }),
        builder.add('Size', [cube]),
        builder.add('ConstantOfShape', [builder.add('Shape', [cube])], { value: fill }),
        builder.add('Range', [step(5), step(-4), step(-2)]),
      ];
    },
  };

  test.each(Object.entries(cases))('%s are what the runtime computes', async (_, build) => {
    await fc.assert(
      fc.asyncProperty(numbers, fc.boolean(), async (values, isScalar) => {
        const builder = createGraphBuilder('g');
        const a = builder.constant(whole(values), 'a');
        const b = builder.constant(isScalar ? whole([2], []) : whole(values.map((value, index) => value * (index % 2) + 1)), 'b');
        const names = build(builder, a, b);
        const graph = builder.finish();
        const { constants, types } = inferModel(createModel(graph));
        const outputs = names.map((name) => ({ name, type: types.get(name)?.type ?? 'int64', dims: [], anyShape: true as const }));
        const results = await runModel(createModel({ ...graph, outputs }), new Map(), { optimisation: 'disabled' });
        for (const name of names) expect(constants.get(name), name).toEqual(results.get(name));
      }),
      { numRuns: 12, seed: 3 },
    );
  });

  test('the marks "to the end" survive; what numbers cannot hold exactly, and indices beyond, stay unknown', () => {
    const builder = createGraphBuilder('g');
    const large: Tensor = { type: 'int64', dims: [2], data: BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)) };
    builder.add('Identity', [builder.constant(large, 'l')], {}, ['same']);
    builder.add('Add', [builder.constant(longs([2 ** 52]), 'a'), builder.constant(longs([2 ** 53 - 1]), 'b')], {}, ['inexact']);
    builder.add('Gather', [builder.constant(longs([1, 2]), 'd'), builder.constant(longs([7]), 'i')], {}, ['beyond']);
    builder.add('Div', ['a', builder.constant(longs([0]), 'zero')], {}, ['undefined']);
    builder.add('Mul', [builder.constant({ type: 'int32', dims: [], data: Int32Array.of(2 ** 30) }, 'big'), 'big'], {}, ['overflowing']);
    const { constants } = inferModel(createModel(builder.finish()));
    expect(constants.get('same')).toEqual(large);
    for (const name of ['inexact', 'beyond', 'undefined', 'overflowing']) expect(constants.has(name), name).toBe(false);
  });

  test('long values and floats are not followed', () => {
    const builder = createGraphBuilder('g');
    builder.add('Neg', [builder.constant(floats([5000], new Float32Array(5000)), 'w')], {}, ['long']);
    builder.add('Softmax', [builder.constant(floats([2], [1, 2]), 'v')], { axis: int(0), unused: float(1) }, ['data']);
    const { constants, types } = inferModel(createModel(builder.finish()));
    expect([constants.has('long'), constants.has('data')]).toEqual([false, false]);
    expect(elementCount(types.get('long')?.dims ?? [])).toBe(5000);
  });
});
