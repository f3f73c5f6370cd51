import { expect, test } from 'vitest';

import { createGraphBuilder, type GraphBuilder } from '../onnx/builder.ts';
import { createModel, elementCount, floats, int, ints, longs, scalar, type Model } from '../onnx/graph.ts';
import { planQuantising, reportPlan, type PlanOptions } from './plan.ts';
import { nameNodes } from './prepare.ts';
import type { QuantiseReport } from './report.ts';

const ones = (dims: number[]) => floats(dims, new Float32Array(elementCount(dims)).fill(0.5));
/** A convolution worth its conversions. */
const conv = (b: GraphBuilder, value: string, from = 32, to = from): string =>
  b.add('Conv', [value, b.constant(ones([to, from, 3, 3])), b.constant(ones([to]))], { pads: ints([1, 1, 1, 1]) });

function modelOf(body: (b: GraphBuilder, x: string) => string[], dims: (number | string)[] = [1, 32, 32, 32]): Model {
  const b = createGraphBuilder('net');
  const names = body(b, b.input('x', 'float32', dims));
  for (const name of names) b.output(name, 'float32', ['a', 'b', 'c', 'd']);
  const model = createModel(b.finish());
  return { ...model, graph: nameNodes(model.graph) };
}
const report = (model: Model, options?: PlanOptions): QuantiseReport => reportPlan(planQuantising(model, options), []);
const reasonsOf = ({ left }: QuantiseReport): string[] => left.map(({ operator, reason }) => `${operator}: ${reason}`);

test('what has no 8-bit kernel stays float, and so do cheap operators among its like', () => {
  const model = modelOf((b, x) => {
    const first = b.add('Relu', [b.add('Tanh', [b.add('Add', [conv(b, x), b.constant(scalar(1))])])]);
    return [conv(b, b.add('Exp', [b.add('Mul', [b.add('Exp', [first]), first])]))];
  });
  const { quantised, left } = report(model);
  expect(reasonsOf({ quantised, left, absorbed: [], warnings: [] }).toSorted()).toEqual([
    'Exp: operator',
    'Exp: operator',
    'Mul: cost',
    'Relu: cost',
    'Tanh: operator',
  ]);
  expect(left.find(({ operator }) => operator === 'Mul')?.words).toContain('32768 elements');
  expect(quantised.length).toBe(3);
});

test('a small product between floats is not worth its conversions', () => {
  const thin = modelOf((b, x) => [b.add('Exp', [b.add('Conv', [b.add('Exp', [x]), b.constant(ones([32, 1, 1, 1]))], { group: int(32) })])]);
  expect(reasonsOf(report(thin))).toContain('Conv: cost');
  expect(report(thin, { eager: true }).quantised.length).toBe(1);
});

test('after the last product results keep their precision', () => {
  const model = modelOf((b, x) => [b.add('Sigmoid', [b.add('Relu', [conv(b, x)])])]);
  const { quantised, absorbed, left } = report(model);
  expect(quantised.length).toBe(1);
  expect(absorbed.length).toBe(1);
  expect(left).toEqual([expect.objectContaining({ operator: 'Sigmoid', reason: 'head' })]);
});

test('boxes and scores that are joined keep a scale each, even where a product follows', () => {
  const model = modelOf((b, x) => {
    const joined = b.add('Concat', [conv(b, x), conv(b, x)], { axis: int(1) });
    return [joined, conv(b, joined, 64)];
  });
  const [boxes = '', scores = ''] = model.graph.nodes.find(({ operator }) => operator === 'Concat')?.inputs ?? [];
  const ranges = (top: number) => ({ ranges: new Map([[boxes, { min: 0, max: top }] as const, [scores, { min: 0, max: 1 }] as const]) });
  expect(reasonsOf(report(model, ranges(640)))).toEqual(['Concat: ranges']);
  expect(reasonsOf(report(model, ranges(4)))).toEqual([]);
  const head = modelOf((b, x) => [b.add('Concat', [conv(b, x), conv(b, x)], { axis: int(1) })]);
  expect(reasonsOf(report(head))).toEqual(['Concat: head']);
});

test('unknown shapes, foreign operators and unusual forms are left with their reason', () => {
  const model = modelOf((b, x) => {
    const foreign = b.add('Mystery', [conv(b, x)], {}, undefined, 'org.example');
    return [
      conv(b, foreign),
      b.add('Conv', [x, conv(b, x)]),
      b.add('Resize', [x, '', b.constant(floats([4], [1, 1, 2, 2]))], { mode: { kind: 'string', value: 'linear' } }),
    ];
  });
  const { left } = report(model);
  const words = Object.fromEntries(left.map(({ operator, reason, words: said }) => [`${operator} ${reason}`, said]));
  expect(words).toMatchObject({
    'Mystery domain': expect.stringContaining('org.example'),
    'Conv shape': expect.stringContaining('mystery'),
    'Conv form': 'its weight is computed',
    'Resize form': expect.stringContaining('nearest'),
  });
});

test('what does not compute with float32 is told apart from what has no kernel', () => {
  const model = modelOf((b, x) => {
    const shape = b.add('Shape', [x]);
    return [b.add('Reshape', [conv(b, x), b.add('Concat', [shape, b.constant(longs([1]))], { axis: int(0) })])];
  });
  expect(reasonsOf(report(model)).toSorted()).toEqual(['Concat: form', 'Shape: operator']);
});

test('excluding nodes never makes others join in, and the values that may matter are a superset', () => {
  const model = modelOf((b, x) => {
    const left = b.add('Relu', [conv(b, x)]);
    return [conv(b, b.add('Add', [left, b.add('Sigmoid', [conv(b, left)])]))];
  });
  const whole = planQuantising(model);
  const all = new Set(reportPlan(whole, []).quantised);
  for (const node of model.graph.nodes) {
    const plan = planQuantising(model, { exclude: new Set([node.name]) });
    const { quantised, left } = reportPlan(plan, []);
    expect(left).toContainEqual(expect.objectContaining({ node: node.name, reason: 'excluded' }));
    // Unless its Relu has become one of its own.
    const absorbed = new Set(reportPlan(whole, []).absorbed);
    expect(quantised.filter((name) => !all.has(name) && !absorbed.has(name))).toEqual([]);
    expect([...plan.values].filter((name) => !whole.values.has(name))).toEqual([]);
  }
});
