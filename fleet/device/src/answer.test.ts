import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Manifest } from '@serin/protocol/bundle/manifest';
import { messageKinds } from '@serin/protocol/codec';
import { objectsPerFrameMax } from '@serin/protocol/limits';
import type { Truth } from '@serin/protocol/messages/telemetry';
import { answerOutput, boundTruth, isRightAnswer, predictedOf, readAnswer, readEmbedding, seenIn } from './answer.ts';
import type { EngineTensor } from './ports.ts';

type Spec = Pick<Manifest, 'task' | 'labels' | 'outputs'>;
const detector: Spec = {
  task: 'detection',
  labels: ['washer', 'nut', 'plate', 'bolt'],
  outputs: [{ name: 'detections', dtype: 'float32', shape: [-1, 3, 5] }],
};
const classifier: Spec = { task: 'image-classification', labels: ['no', 'yes'], outputs: [{ name: 'p', dtype: 'float32', shape: [-1, 2] }] };
const tensor = (...values: number[]): EngineTensor => ({ dtype: 'float32', shape: [values.length], data: Float32Array.from(values) });
const bolt = [3, 40, 50, 1, 0.75];
const unused = [0, 0, 0, 0, 0];

test('of a detector every row at or above the score floor is an object, and it is as sure as they are on average', () => {
  const answer = readAnswer(detector, tensor(...bolt, 1, 80, 20, 0, 0.5, 1, 10, 10, 0, 0.1));
  expect(answer).toMatchObject({ finite: true, confidence: 0.625, detections: [{ label: 3, x: 40, y: 50, angle: 1, score: 0.75 }, { label: 1 }] });
  expect(seenIn(answer).map(({ label, score }) => [label, score])).toEqual([
    [3, 0.75],
    [1, 0.5],
  ]);
});

test('an empty bin is an answer, one that is not finite is none', () => {
  expect(readAnswer(detector, tensor(...unused, ...unused))).toEqual({ detections: [], confidence: 0, finite: true });
  const broken = readAnswer(detector, tensor(...bolt, 1, Number.NaN, 20, 0, 0.5));
  expect(broken).toEqual({ detections: [], confidence: 0, finite: false });
  expect(seenIn(broken)).toEqual([]);
  expect(seenIn(readAnswer(classifier, tensor(0.5, Number.NaN)))).toEqual([]);
  expect(seenIn(readAnswer(classifier, tensor(0.25, 0.75)))).toEqual([{ label: 1, score: 0.75 }]);
});

test('a model that does not keep what its manifest promises is refused', () => {
  for (const label of [4, -1, 0.5]) {
    expect(() => readAnswer(detector, tensor(label, 40, 50, 1, 0.9))).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }));
  }
  expect(() => readAnswer(detector, undefined)).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }));
  expect(() => readAnswer(classifier, tensor(1))).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }));
  const renamed = { ...detector, outputs: [{ name: 'boxes', dtype: 'float32' as const, shape: [-1, 3, 5] }] };
  const wider = { ...detector, outputs: [{ name: 'detections', dtype: 'float32' as const, shape: [-1, 3, 6] }] };
  for (const spec of [renamed, wider]) expect(() => answerOutput(spec)).toThrow(expect.objectContaining({ code: 'BUNDLE_MANIFEST_INVALID' }));
  expect([answerOutput(detector), answerOutput(classifier)]).toEqual(['detections', 'p']);
});

test('an embedding beside the answer is neither the answer nor taken for one of another kind', () => {
  const embedding = { name: 'embedding', dtype: 'float32' as const, shape: [-1, 3] };
  expect(answerOutput({ ...classifier, outputs: [embedding, ...classifier.outputs] })).toBe('p');
  expect(() => answerOutput({ ...classifier, outputs: [embedding] })).toThrow(expect.objectContaining({ code: 'BUNDLE_MANIFEST_INVALID' }));
  expect(readEmbedding({ p: tensor(0.5, 0.5), embedding: tensor(1, 2, 3) })).toEqual(Float32Array.of(1, 2, 3));
  expect(readEmbedding({ p: tensor(0.5, 0.5) })).toBeUndefined();
  expect(readEmbedding({ embedding: { dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) } })).toBeUndefined();
});

test('an answer is measured by a truth of its own kind, where there is one', () => {
  const parts: Truth = { origin: 'person', objects: [{ label: 3, x: 41, y: 50, angle: 1 }] };
  const answer = readAnswer(detector, tensor(...bolt));
  expect(isRightAnswer(answer, parts)).toBe(true);
  expect(isRightAnswer(answer, { ...parts, objects: [{ label: 3, x: 60, y: 50, angle: 1 }] })).toBe(false);
  expect(isRightAnswer(answer, { label: 3, origin: 'person' })).toBeUndefined();
  expect(isRightAnswer(answer, undefined)).toBeUndefined();
  expect(isRightAnswer(readAnswer(detector, tensor(Number.NaN, 0, 0, 0, 0)), parts)).toBeUndefined();
  expect(isRightAnswer(readAnswer(classifier, tensor(0.25, 0.75)), { label: 1, origin: 'person' })).toBe(true);
});

test('whatever a model answers, a sample of it follows the wire schema', () => {
  const number = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.nat(3), fc.constant(0.9));
  const { predicted } = messageKinds.smp.schema.shape;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), number, number, number, number), { maxLength: 100 }), (rows) => {
      const answer = readAnswer(detector, tensor(...rows.flat()));
      expect(predicted.safeParse(predictedOf(answer)).error).toBeUndefined();
    }),
  );
  const crowd: Truth = { origin: 'importer', objects: Array.from({ length: 100 }, () => ({ label: 0, x: 1, y: 1, angle: 0 })) };
  expect(boundTruth(crowd)).toMatchObject({ origin: 'importer', objects: { length: objectsPerFrameMax } });
});
