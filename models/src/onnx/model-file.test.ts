import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { SerinError } from '@serin/protocol/errors';

import { createNetwork } from '../examples/bin-picking/network.ts';
import { createGraphBuilder } from './builder.ts';
import { createModel, float, floats, int, ints, text, type Model } from './graph.ts';
import { inspectModel } from './inspect.ts';
import { readModel, readProto, writeModel } from './model-file.ts';
import { modelTable } from './schema.ts';
import { openSession } from './session.ts';
import { decodeMessage, encodeMessage, unknownFields } from './wire.ts';

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof SerinError) return error.code;
    throw error;
  }
  return 'none';
}

const dims = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
const model: fc.Arbitrary<Model> = fc
  .tuple(dims, fc.string(), fc.double({ noNaN: true }), fc.array(fc.integer(), { maxLength: 4 }), fc.integer())
  .map(([shape, name, number, list, whole]) => {
    const builder = createGraphBuilder(name);
    const input = builder.input('x', 'float32', ['N', ...shape]);
    const count = shape.reduce((product, dim) => product * dim, 1);
    const weight = builder.constant(floats(shape, new Float32Array(count).fill(number)));
    const bytes = builder.constant({ type: 'int8', dims: [count], data: new Int8Array(count).fill(-3) });
    const big = builder.constant({ type: 'int64', dims: [1], data: BigInt64Array.of(-(2n ** 60n)) });
    builder.add(
      'Anything',
      [input, '', weight, bytes, big],
      { a: int(whole), b: ints(list), c: float(Math.fround(number)), d: text(name) },
      ['y'],
      'some.domain',
    );
    builder.output('y', 'float32', ['N']);
    return createModel(builder.finish(), { note: name });
  });

test('what is written is read back', () => {
  fc.assert(
    fc.property(model, (written) => {
      const read = readModel(writeModel(written));
      expect(read).toEqual(written);
    }),
  );
});

test('the runtime loads what is written', async () => {
  const session = await openSession(writeModel(createNetwork(1)));
  expect(session.inputNames).toEqual(['frame']);
  expect(session.outputNames).toEqual(['heat', 'pose']);
  await session.release();
});

test('fields from a newer standard survive being read and written', () => {
  const proto = readProto(writeModel(createNetwork(1)));
  const foreign = Uint8Array.of(0xa2, 0x06, 2, 7, 8);
  proto.graph[unknownFields] = [foreign];
  const again = readProto(encodeMessage(proto, modelTable));
  expect(again.graph[unknownFields]).toEqual([foreign]);
  expect(again.graph.nodes.length).toBe(proto.graph.nodes.length);
});

test('numbers outside 32 bits keep their value, and the largest stays the largest', () => {
  for (const value of [-1, 2 ** 31, -(2 ** 40), 2 ** 52 + 1, Number.MIN_SAFE_INTEGER + 1]) {
    const builder = createGraphBuilder('g');
    builder.add('A', [], { i: int(value) });
    const [node] = readModel(writeModel(createModel(builder.finish()))).graph.nodes;
    expect(node?.attributes['i']).toEqual(int(value));
  }
});

test('a damaged file ends in a coded error or a model, and never in anything else', () => {
  const seed = Number(process.env['SEED'] ?? 20_240);
  const count = 5000;
  const random = seededRandom(seed);
  const whole = writeModel(smallModel());
  let refused = 0;
  for (let index = 0; index < count; index += 1) {
    const bytes = whole.slice(0, random.uniform() < 0.3 ? random.integer(whole.length) : whole.length);
    for (let change = random.integer(4); change >= 0 && bytes.length > 0; change -= 1) bytes[random.integer(bytes.length)] = random.integer(256);
    const codes = [codeOf(() => readModel(bytes)), codeOf(() => inspectModel(bytes))];
    for (const code of codes) expect(['none', 'MODEL_INVALID', 'MODEL_UNSUPPORTED'], `seed ${seed}, file ${index}`).toContain(code);
    if (codes[0] !== 'none') refused += 1;
  }
  expect(refused).toBeGreaterThan(count / 4);
});

function smallModel(): Model {
  const builder = createGraphBuilder('small');
  const x = builder.input('x', 'float32', ['N', 2]);
  const weight = builder.constant(floats([2, 2], [1, 2, 3, 4]), 'weight');
  builder.add('Gemm', [x, weight], { transB: int(1), alpha: float(0.5) }, ['y']);
  builder.output('y', 'float32', ['N', 2]);
  return createModel(builder.finish());
}

test('files that are too large, empty or something else are refused', () => {
  expect(codeOf(() => readModel(new Uint8Array(100), 99))).toBe('MODEL_INVALID');
  expect(codeOf(() => readModel(new Uint8Array()))).toBe('MODEL_INVALID');
  expect(codeOf(() => readModel(new TextEncoder().encode('<!doctype html><html>')))).toBe('MODEL_INVALID');
});

test('messages nested without end are refused before the stack is', () => {
  let inner = new Uint8Array();
  for (let depth = 0; depth < 200; depth += 1) {
    // GraphProto.node (1) > NodeProto.attribute (5) > AttributeProto.g (6)
    for (const tag of [0x32, 0x2a, 0x0a]) inner = Uint8Array.of(tag, ...lengthPrefix(inner.length), ...inner);
  }
  expect(codeOf(() => readProto(Uint8Array.of(0x08, 8, 0x3a, ...lengthPrefix(inner.length), ...inner)))).toBe('MODEL_INVALID');
});

const lengthPrefix = (length: number): number[] => (length < 128 ? [length] : [(length & 127) | 128, ...lengthPrefix(length >>> 7)]);

test('a file that would unfold into far more memory than its size is refused', () => {
  // GraphProto.node, each empty: two bytes that become an object.
  const nodes = new Uint8Array(2_000_000).map((_, index) => (index % 2 === 0 ? 0x0a : 0));
  const hollow = Uint8Array.of(0x3a, ...lengthPrefix(nodes.length));
  const bytes = new Uint8Array(hollow.length + nodes.length);
  bytes.set(hollow);
  bytes.set(nodes, hollow.length);
  expect(() => decodeMessage(bytes, modelTable, 100 * 1024 * 1024)).toThrow('bytes of memory');
});

test('bytes in a Buffer, wherever they lie in it, read as they do elsewhere', () => {
  const plain = writeModel(createNetwork(1));
  for (const shift of [0, 1, 2, 3]) {
    const buffer = Buffer.alloc(plain.length + shift);
    buffer.set(plain, shift);
    expect(readModel(buffer.subarray(shift))).toEqual(readModel(plain));
  }
});

test('two weights of one name, an attribute twice and sparse weights are refused, not merged', () => {
  const changed = (change: (graph: ReturnType<typeof readProto>['graph']) => void): string => {
    const proto = readProto(writeModel(smallModel()));
    change(proto.graph);
    return codeOf(() => readModel(encodeMessage(proto, modelTable)));
  };
  expect(changed(({ initialisers }) => initialisers.push(...initialisers))).toBe('MODEL_INVALID');
  expect(changed(({ nodes }) => nodes[0]?.attributes.push(...nodes[0].attributes))).toBe('MODEL_INVALID');
  expect(changed((graph) => (graph.sparseInitialisers = [Uint8Array.of()]))).toBe('MODEL_UNSUPPORTED');
});

test('a value without a shape, and a dimension without a size, stay open', () => {
  const proto = readProto(writeModel(smallModel()));
  const [output] = proto.graph.outputs;
  delete output?.type?.tensor?.shape;
  const [input] = proto.graph.inputs;
  if (input?.type?.tensor?.shape !== undefined) input.type.tensor.shape.dimensions = [{ value: -1 }, { parameter: '' }, {}, { parameter: 'N' }];
  const read = readModel(encodeMessage(proto, modelTable));
  expect(read.graph.outputs).toEqual([{ name: 'y', type: 'float32', dims: [], anyShape: true }]);
  expect(read.graph.inputs[0]?.dims).toEqual(['x_0', 'x_1', 'x_2', 'N']);
  expect(readModel(writeModel(read))).toEqual(read);
});

test('a tensor whose shape promises more than it holds is refused without allocating it', () => {
  const proto = readProto(writeModel(smallModel()));
  const [weight] = proto.graph.initialisers;
  if (weight !== undefined) weight.dims = [2 ** 40, 2 ** 12];
  expect(codeOf(() => readModel(encodeMessage(proto, modelTable)))).toBe('MODEL_INVALID');
});

test('a summary names inputs, outputs, operators, parameters and opset', () => {
  const summary = inspectModel(writeModel(createNetwork(1)));
  expect(summary.inputs).toEqual([{ name: 'frame', type: 'uint8', dims: ['N', 128, 128, 3] }]);
  expect(summary.outputs[0]).toEqual({ name: 'heat', type: 'float32', dims: ['N', 4, 32, 32] });
  expect(summary.operators).toMatchObject({ Conv: 13, Relu: 11, Add: 5, Resize: 1, Cast: 1 });
  expect(summary.opset).toBe(17);
  expect(summary.parameters).toBe(207_503);
  expect(summary.externalData).toBe(false);
});

test('weights count wherever a file keeps them: as weights, in Constant nodes, in other files', () => {
  const builder = createGraphBuilder('g');
  builder.add('Constant', [], { value: { kind: 'tensor', value: floats([2, 3], [1, 2, 3, 4, 5, 6]) } }, ['y']);
  builder.output('y', 'float32', [2, 3]);
  const proto = readProto(writeModel(createModel(builder.finish())));
  expect(inspectModel(encodeMessage(proto, modelTable))).toMatchObject({ parameters: 6, externalData: false });
  for (const { t } of proto.graph.nodes.flatMap(({ attributes }) => attributes)) if (t !== undefined) t.dataLocation = 1;
  expect(inspectModel(encodeMessage(proto, modelTable))).toMatchObject({ parameters: 6, externalData: true });
});
