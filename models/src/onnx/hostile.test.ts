import { expect, test } from 'vitest';

import { seededRandom, type Random } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { createGraphBuilder } from './builder.ts';
import { checkModel } from './check.ts';
import { dumpModel } from './dump.ts';
import { createModel, elementCount, float, floats, int, ints, longs, scalar, text, type Attribute, type Model } from './graph.ts';
import { inferModel } from './infer-model.ts';
import { readModel, readProto, writeModel } from './model-file.ts';
import { foldBatchNorm } from './passes/fold-batch-norm.ts';
import { removeDeadCode } from './passes/remove-dead-code.ts';
import { upgradeOpset } from './passes/upgrade-opset.ts';
import { modelTable, type AttributeProto, type GraphProto, type NodeProto } from './schema.ts';
import { formatSummary, summariseModel } from './summary.ts';
import { randomGraph } from './testing/random-graph.ts';
import { encodeMessage } from './wire.ts';

const seed = Number(process.env['SEED'] ?? 20_241);

/** One node of many operators, with the attributes and constant inputs that decide their shapes. */
function zoo(): Model {
  const builder = createGraphBuilder('zoo');
  const x = builder.input('x', 'float32', ['N', 4, 6, 6]);
  const list = (...values: number[]): string => builder.constant(longs(values));
  const weight = (...dims: number[]): string => builder.constant(floats(dims, new Float32Array(elementCount(dims)).fill(0.5)));
  const add = (operator: string, inputs: string[], attributes: Record<string, Attribute> = {}, outputs = 1): string =>
    builder.add(
      operator,
      inputs,
      attributes,
      Array.from({ length: outputs }, () => builder.fresh(operator)),
    );
  add('Conv', [x, weight(4, 2, 3, 3), weight(4)], {
    group: int(2),
    strides: ints([2, 1]),
    pads: ints([1, 1, 0, 0]),
    dilations: ints([1, 1]),
    auto_pad: text('NOTSET'),
  });
  add('ConvTranspose', [x, weight(4, 2, 2, 2)], { strides: ints([2, 2]), output_padding: ints([1, 0]) });
  for (const pool of ['MaxPool', 'AveragePool']) add(pool, [x], { kernel_shape: ints([2, 3]), strides: ints([2, 2]), ceil_mode: int(1) });
  add('BatchNormalization', [x, weight(4), weight(4), weight(4), weight(4)], { epsilon: float(1e-3) });
  add('LayerNormalization', [x, weight(6), weight(6)], { axis: int(-1) });
  add('Resize', [x, '', builder.constant(floats([4], [1, 1, 2, 2]))], { mode: text('linear') });
  add('Resize', [x, '', '', list(1, 4, 3, 3)], { mode: text('nearest') });
  add('Pad', [x, list(0, 0, 1, 1, 0, 0, 2, 2)], { mode: text('reflect') });
  add('Slice', [x, list(0, 5), list(2, -99), list(1, 2), list(1, -2)]);
  add('Split', [x, list(1, 3)], { axis: int(1) }, 2);
  add('Concat', [x, x], { axis: int(1) });
  add('Transpose', [x], { perm: ints([0, 2, 3, 1]) });
  add('Gather', [x, list(0, 1)], { axis: int(2) });
  add('GatherND', [x, list(0, 1)], { batch_dims: int(0) });
  add('OneHot', [list(1, 2), builder.constant(longs([5])), weight(2)], { axis: int(-1) });
  add('Tile', [x, list(1, 2, 1, 1)]);
  add('Expand', [x, list(1, 4, 6, 6)]);
  add('Squeeze', [add('ReduceMean', [x], { axes: ints([2, 3]), keepdims: int(1) }), list(2, 3)]);
  add('Unsqueeze', [x, list(0, 5)]);
  add('ReduceSum', [x, list(1)], { keepdims: int(0) });
  add('ArgMax', [x], { axis: int(1) });
  add('TopK', [x, list(2)], { axis: int(3) }, 2);
  add('DepthToSpace', [x], { blocksize: int(2) });
  add('SpaceToDepth', [x], { blocksize: int(3) });
  add('Flatten', [x], { axis: int(2) });
  add('Softmax', [x], { axis: int(1) });
  add('Cast', [x], { to: int(7) });
  add('Einsum', [x, x], { equation: text('abcd,abce->ade') });
  add('MatMul', [x, weight(6, 5)]);
  add('Gemm', [add('Reshape', [x, list(-1, 36)]), weight(36, 3), weight(3)], { alpha: float(0.5), transB: int(0) });
  add('ConstantOfShape', [list(2, 3)], { value: { kind: 'tensor', value: scalar(2) } });
  add('Range', [
    builder.constant({ type: 'int64', dims: [], data: BigInt64Array.of(0n) }),
    builder.constant({ type: 'int64', dims: [], data: BigInt64Array.of(9n) }),
    builder.constant({ type: 'int64', dims: [], data: BigInt64Array.of(2n) }),
  ]);
  const shape = add('Shape', [x], { start: int(0), end: int(4) });
  add('Reshape', [x, add('Concat', [add('Slice', [shape, list(0), list(2)]), list(-1)], { axis: int(0) })]);
  add('If', [builder.constant({ type: 'bool', dims: [], data: Uint8Array.of(1) })], {
    then_branch: {
      kind: 'graph',
      value: {
        name: 'then',
        inputs: [],
        outputs: [{ name: 't', type: 'float32', dims: [] }],
        nodes: [{ operator: 'Relu', domain: '', name: '', inputs: [x], outputs: ['t'], attributes: {} }],
        initialisers: new Map(),
      },
    },
  });
  builder.add('Relu', [x], {}, ['y']);
  builder.output('y', 'float32', ['N', 4, 6, 6]);
  return createModel(builder.finish());
}

/** All that happens to a foreign file before a runtime sees it. */
function goThrough(bytes: Uint8Array): string {
  try {
    const model = checkModel(readModel(bytes));
    for (const size of [undefined, 1, 6]) {
      const options = size === undefined ? {} : { otherwise: size };
      dumpModel(model, inferModel(model, { ...options, tolerant: true }));
      formatSummary(summariseModel(model, options));
    }
    checkModel(removeDeadCode(foldBatchNorm(upgradeOpset(model))));
  } catch (error) {
    if (error instanceof SerinError) return error.code;
    throw error;
  }
  return 'none';
}

const expected = ['none', 'MODEL_INVALID', 'MODEL_UNSUPPORTED'];

test('files damaged anywhere end in a coded error or in a model that can be read, sized and shown', () => {
  const random = seededRandom(seed);
  const files = [writeModel(zoo()), ...Array.from({ length: 4 }, (_, index) => writeModel(randomGraph(random.fork(`network ${index}`))))];
  expect(files.map(goThrough)[0]).toBe('none');
  const seen = new Map<string, number>();
  for (let index = 0; index < 1500; index += 1) {
    const whole = files[index % files.length] as Uint8Array;
    const bytes = whole.slice(0, random.uniform() < 0.1 ? random.integer(whole.length) : whole.length);
    for (let change = random.integer(6); change >= 0 && bytes.length > 0; change -= 1) bytes[random.integer(bytes.length)] = random.integer(256);
    const code = attempt(bytes, `seed ${seed}, damaged file ${index}`);
    seen.set(code, (seen.get(code) ?? 0) + 1);
  }
  for (const code of expected) expect(seen.get(code) ?? 0, code).toBeGreaterThan(10);
});

test('well-formed files with hostile numbers, names and shapes end in a coded error or in a model', () => {
  const random = seededRandom(seed);
  const whole = writeModel(zoo());
  const seen = new Map<string, number>();
  for (let index = 0; index < 1500; index += 1) {
    const proto = readProto(whole);
    for (let change = random.integer(3); change >= 0; change -= 1) spoil(proto.graph, random);
    if (random.uniform() < 0.1) for (const opset of proto.opsets) opset.version = random.integer(30);
    const code = attempt(encodeMessage(proto, modelTable), `seed ${seed}, hostile file ${index}`);
    seen.set(code, (seen.get(code) ?? 0) + 1);
  }
  for (const code of expected) expect(seen.get(code) ?? 0, code).toBeGreaterThan(10);
});

test('many inner graphs, many inputs and many failures take time in proportion to the file', () => {
  const count = 20_000;
  const builder = createGraphBuilder('many');
  const x = builder.input('x', 'int64', [1]);
  const long = builder.constant(longs(Array.from({ length: 1000 }, () => 1)));
  const inner: Attribute = { kind: 'graph', value: { name: '', inputs: [], outputs: [], nodes: [], initialisers: new Map() } };
  for (let index = 0; index < count; index += 1) {
    builder.append({ operator: 'If', domain: '', name: '', inputs: [x], outputs: [`branch ${index}`], attributes: { then_branch: inner, else_branch: inner } });
    builder.append({ operator: 'Neg', domain: '', name: '', inputs: [long], outputs: [`long ${index}`], attributes: {} });
  }
  builder.append({
    operator: 'Max',
    domain: '',
    name: '',
    inputs: Array.from({ length: count }, (_, index) => `long ${index}`),
    outputs: ['y'],
    attributes: {},
  });
  builder.output('y', 'int64', [1000]);
  const model = checkModel(readModel(writeModel(createModel(builder.finish()))));
  const { constants, unknown } = inferModel(model, { tolerant: true });
  expect(constants.size).toBeLessThan(1000);
  expect(unknown.length).toBe(1000);
});

function attempt(bytes: Uint8Array, which: string): string {
  try {
    const code = goThrough(bytes);
    expect(expected, which).toContain(code);
    return code;
  } catch (cause) {
    throw new Error(which, { cause });
  }
}

const pick = <Item>(items: readonly Item[], random: Random): Item => items[random.integer(items.length)] as Item;
const numbers = [-1, 0, 1, 2, 3, 5, 7, 64, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 53, 2 ** 62, 2 ** 63, -(2 ** 31), -(2 ** 63), -7];
const names = [
  'constructor',
  '__proto__',
  'toString',
  'Relu',
  'Reshape',
  'Einsum',
  'Constant',
  'Upsample',
  'Clip',
  'Hardmax',
  '',
  'x',
  'y',
  '\0',
  '\u202E',
  'length',
];

/** One change that a careless or a malicious exporter could make. */
function spoil(graph: GraphProto, random: Random): void {
  const node = pick(graph.nodes, random);
  const attribute = pick(node.attributes, random) as AttributeProto | undefined;
  const tensor = pick(graph.initialisers, random);
  const number = (): number => pick(numbers, random);
  const values = [...graph.nodes.flatMap(({ outputs }) => outputs), ...graph.initialisers.map(({ name }) => name ?? '')];
  const changes: (() => unknown)[] = [
    () => (node.operator = random.uniform() < 0.5 ? (pick(graph.nodes, random).operator ?? '') : pick(names, random)),
    () => (node.inputs = node.inputs.with(random.integer(Math.max(1, node.inputs.length)) % Math.max(1, node.inputs.length), pick(values, random))),
    () => node.inputs.push(pick(values, random)),
    () => node.inputs.pop(),
    () => node.outputs.push(pick([...names, ...values], random)),
    () => (node.attributes = (pick(graph.nodes, random) as NodeProto).attributes),
    () => (node.domain = pick(['', 'ai.onnx', 'com.microsoft', 'acme'], random)),
    () => attribute !== undefined && (attribute.i = number()),
    () => attribute !== undefined && (attribute.f = pick([Number.NaN, Number.POSITIVE_INFINITY, -1, 1e30], random)),
    () => attribute !== undefined && (attribute.ints = attribute.ints.map(() => number())),
    () => attribute !== undefined && (attribute.ints = Array.from({ length: random.integer(70) }, number)),
    () =>
      attribute !== undefined &&
      (attribute.s = new TextEncoder().encode(pick([...names, 'SAME_UPPER', 'VALID', 'ab,bc->', '->', '...a,b', 'linear', 'cubic'], random))),
    () =>
      attribute !== undefined &&
      (attribute.name = pick([...names, 'axis', 'axes', 'pads', 'split', 'num_outputs', 'value', 'starts', 'ends', 'scales', 'k'], random)),
    () => attribute !== undefined && (attribute.type = random.integer(9)),
    () =>
      (tensor.rawData = new Uint8Array(BigInt64Array.from({ length: (tensor.rawData?.length ?? 0) >> 3 }, () => BigInt.asIntN(64, BigInt(number()))).buffer)),
    () => (tensor.dims = tensor.dims.map(number)),
    () => (tensor.dataType = random.integer(24)),
    () => tensor.dims.push(pick([0, 1], random)),
    () => graph.inputs.forEach((input) => input.type?.tensor?.shape?.dimensions.forEach((dimension) => random.uniform() < 0.3 && (dimension.value = number()))),
    () => (graph.nodes = graph.nodes.toReversed()),
    () => graph.outputs.push({ name: pick(values, random), type: { tensor: { elementType: random.integer(18) } } }),
  ];
  pick(changes, random)();
}
