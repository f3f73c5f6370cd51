import { expect, test } from 'vitest';

import { checkModel } from '../onnx/check.ts';
import { int, ints } from '../onnx/graph.ts';
import { readModel, writeModel } from '../onnx/model-file.ts';
import { quantiseDynamic } from './dynamic.ts';
import { normals, operatorsRun, outputOf, smallModel, sqnrDb } from './testing/formats.ts';

const dense = () =>
  smallModel(['N', 96], (builder) => {
    const hidden = builder.add('Relu', [builder.add('MatMul', ['x', builder.constant(normals(1, [96, 128], 0.1), 'w1')])]);
    return builder.add('Gemm', [hidden, builder.constant(normals(2, [64, 128], 0.1), 'w2'), builder.constant(normals(3, [64]), 'b2')], { transB: int(1) });
  });

test('products become one kernel each that quantises its input itself, close to float and a quarter of the size', async () => {
  const model = dense();
  const { model: quantised, report } = quantiseDynamic(model, { weightBits: 8 });
  expect(await operatorsRun(quantised)).toEqual({ 'com.microsoft:DynamicQuantizeMatMul': 2, Relu: 1 });
  const x = normals(4, [32, 96]);
  expect(sqnrDb(await outputOf(model, x), await outputOf(quantised, x))).toBeGreaterThan(35);
  expect(writeModel(quantised).length).toBeLessThan(0.35 * writeModel(model).length);
  expect(report.quantised).toHaveLength(2);
  expect(report.left.map(({ operator }) => operator)).toEqual(['Relu', 'Identity']);
});

test('7 bits lose a little more than 8', async () => {
  const model = dense();
  const x = normals(4, [32, 96]);
  const wanted = await outputOf(model, x);
  const [seven = 0, eight = 0] = await Promise.all(
    ([7, 8] as const).map(async (weightBits) => sqnrDb(wanted, await outputOf(quantiseDynamic(model, { weightBits }).model, x))),
  );
  expect(eight).toBeGreaterThan(seven);
  expect(seven).toBeGreaterThan(30);
});

test('an input that several products read is quantised once, and so are weights that they share', async () => {
  const model = smallModel(['N', 64], (builder) => {
    const [first, second] = [builder.constant(normals(1, [64, 64], 0.1), 'w1'), builder.constant(normals(2, [64, 64], 0.1), 'w2')];
    const parts = [first, second, first].map((weight) => builder.add('MatMul', ['x', weight]));
    return builder.add('Sum', parts);
  });
  const { model: quantised } = quantiseDynamic(model);
  expect(quantised.graph.nodes.filter(({ operator }) => operator === 'DynamicQuantizeLinear')).toHaveLength(1);
  expect([...quantised.graph.initialisers.values()].filter(({ type, dims }) => type === 'int8' && dims.length === 2)).toHaveLength(2);
  const x = normals(4, [8, 64]);
  expect(sqnrDb(await outputOf(model, x), await outputOf(quantised, x))).toBeGreaterThan(30);
});

test('what is left in float is listed with its reason', () => {
  const model = smallModel(['N', 64], (builder) => {
    const weight = builder.constant(normals(1, [64, 64]), 'w');
    let value = builder.add('MatMul', ['x', weight], {}, ['taken']);
    value = builder.add('MatMul', [value, weight], {}, ['excluded']);
    value = builder.add('Gemm', [value, weight], { alpha: { kind: 'float', value: 2 } }, ['scaled']);
    value = builder.add('MatMul', [value, builder.constant(normals(2, [64, 8]), 'few')], {}, ['small']);
    value = builder.add('MatMul', [value, builder.add('Transpose', [value], { perm: ints([1, 0]) })], {}, ['computed']);
    return builder.add('Gelu', [value], {}, ['foreign'], 'com.microsoft');
  });
  const { report, model: quantised } = quantiseDynamic(model, { exclude: new Set(['excluded']) });
  expect(report.quantised).toEqual(['taken']);
  expect(Object.fromEntries(report.left.map(({ node, reason }) => [node, reason]))).toMatchObject({
    excluded: 'excluded',
    scaled: 'form',
    small: 'cost',
    computed: 'form',
    foreign: 'domain',
  });
  expect(report.left.every(({ words }) => words.length > 10)).toBe(true);
  const { operator, domain, inputs, attributes } = model.graph.nodes.at(-2) ?? {};
  expect(quantised.graph.nodes.at(-1)).toMatchObject({ operator, domain, inputs, attributes });
});

test('weights that are no numbers stay in float', () => {
  const weight = normals(1, [64, 64]);
  weight.data[5] = Number.NaN;
  const { report } = quantiseDynamic(smallModel(['N', 64], (builder) => builder.add('MatMul', ['x', builder.constant(weight)])));
  expect(report.left[0]).toMatchObject({ reason: 'ranges', words: 'some of its weights are not finite' });
});

test('the result is a valid model of its own, and an old opset is refused', () => {
  const { model } = quantiseDynamic(dense());
  expect(checkModel(readModel(writeModel(model))).graph.nodes).toHaveLength(model.graph.nodes.length);
  expect(() => quantiseDynamic({ ...dense(), opsets: { '': 11 } })).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }));
});
