import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { probabilitiesAt } from '../deploy/temperature.ts';
import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { applyCalibration, calibrate, calibratedModel } from './calibration.ts';

const rows = 1200;
const random = seededRandom('calibration');
const logits = Float32Array.from({ length: rows * 3 }, () => random.normal());
const truth = probabilitiesAt(logits, 3, 1);
const labels = Float64Array.from({ length: rows }, (_, row) => {
  const at = random.uniform();
  const [first = 0, second = 0] = truth.subarray(row * 3);
  return at < first ? 0 : at < first + second ? 1 : 2;
});
/** Three times as sure as it may be. */
const sure = logits.map((logit) => 3 * logit);
const answers = { kind: 'probabilities', width: 3, values: probabilitiesAt(sure, 3, 1) } as const;

const classifier = () => {
  const builder = createGraphBuilder('classifier');
  builder.input('x', 'float32', ['N', 3]);
  builder.add('Softmax', ['x'], { axis: int(-1) }, ['probabilities']);
  builder.add('Mul', ['x', 'x'], {}, ['embedding']);
  builder.output('probabilities', 'float32', ['N', 3]);
  builder.output('embedding', 'float32', ['N', 3]);
  return createModel(builder.finish());
};

test.each(['temperature', 'classes'] as const)(
  'a calibration by %s answers in the graph as it was judged, beside what else the model puts out',
  async (form) => {
    const found = await calibrate(answers, labels, form);
    if (found === undefined) throw new Error('no calibration');
    expect(1 / found.calibration.scale).toBeGreaterThan(2.5);
    expect(1 / found.calibration.scale).toBeLessThan(3.6);
    const model = calibratedModel(classifier(), found.calibration);
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(['probabilities', 'embedding']);
    const said = (await runModel(model, new Map([['x', floats([rows, 3], sure)]]))).get('probabilities')?.data as Float32Array;
    const wanted = applyCalibration({ ...answers }, found.calibration).values;
    // What it is judged by are probabilities, of which none is less than 1e-7.
    said.forEach((value, at) => expect(Math.abs(value - (wanted[at] ?? 0))).toBeLessThan(1e-3));
  },
);

test('a temperature is one factor before the softmax, and changes no answer', async () => {
  const found = await calibrate(answers, labels, 'temperature');
  expect(found?.calibration.bias).toEqual([0, 0, 0]);
  expect(found?.words).toContain('temperature');
  const { graph } = calibratedModel(classifier(), found?.calibration ?? { scale: 1, bias: [] });
  expect(graph.nodes.map(({ operator }) => operator).toSorted()).toEqual(['Mul', 'Mul', 'Softmax']);
});

test('what means what it says stays', async () => {
  expect(await calibrate({ ...answers, values: truth }, labels, 'temperature')).toBeUndefined();
  expect(await calibrate({ ...answers, values: truth.subarray(0, 90) }, labels.subarray(0, 30), 'temperature')).toBeUndefined();
});
