import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { detectionFields, readDetections } from '@serin/inference/detections';
import { seededRandom, type Random } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, ints, longs, type Dimension, type Model, type Tensor } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { quantise } from '../quantise/quantise.ts';
import { boxesOutput, detectionsOutput, withDetections, type DetectionOptions } from './detections.ts';
import { withImageInput, type Placement } from './input.ts';

const placement: Placement = { width: 64, height: 48, scaleX: 0.5, scaleY: 0.4, left: 0, top: 4 };

interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
  readonly angle: number;
  readonly scores: readonly number[];
}

const drawBoxes = (random: Random, count: number, classes: number): Box[] =>
  Array.from({ length: count }, () => ({
    x: random.between(0, 64),
    y: random.between(0, 48),
    w: random.between(2, 30),
    h: random.between(2, 30),
    angle: random.between(-1, 1),
    scores: Array.from({ length: classes }, () => random.between(0.01, 0.99)),
  }));

/** A detector that answers with what it is given. */
function echo(outputs: Record<string, readonly Dimension[]>): Model {
  const builder = createGraphBuilder('echo');
  for (const [name, dims] of Object.entries(outputs)) {
    builder.input(`${name}_in`, 'float32', dims);
    builder.add('Identity', [`${name}_in`], {}, [name]);
    builder.output(name, 'float32', dims);
  }
  return createModel(builder.finish());
}

interface Row {
  readonly label: number;
  readonly box: Box;
  readonly score: number;
}

/** What suppression is, word for word: class by class, the best first, whatever overlaps it more goes. */
function suppressed(boxes: readonly Box[], classes: number, { rows = 32, overlapMax = 0.45, scoreMin = 0.25 }: Partial<DetectionOptions>): Row[] {
  const overlap = (a: Box, b: Box): number => {
    const side = (x: number, w: number, X: number, W: number): number => Math.max(0, Math.min(x + w / 2, X + W / 2) - Math.max(x - w / 2, X - W / 2));
    const both = side(a.x, a.w, b.x, b.w) * side(a.y, a.h, b.y, b.h);
    return both / (a.w * a.h + b.w * b.h - both);
  };
  const kept = Array.from({ length: classes }, (_, label) => {
    const mine: Row[] = [];
    const order = boxes.map((box) => ({ label, box, score: box.scores[label] ?? 0 })).filter(({ score }) => score > scoreMin);
    for (const row of order.toSorted((a, b) => b.score - a.score)) if (mine.every(({ box }) => overlap(box, row.box) <= overlapMax)) mine.push(row);
    return mine;
  });
  return kept
    .flat()
    .toSorted((a, b) => b.score - a.score)
    .slice(0, rows);
}

const joined = (boxes: readonly Box[], fieldsOf: (box: Box) => number[]): number[][] => boxes.map(fieldsOf);
const transposed = (table: readonly number[][]): number[] => (table[0] ?? []).flatMap((_, field) => table.map((row) => row[field] ?? 0));

async function detect(
  model: Model,
  inputs: Record<string, Tensor>,
): Promise<{ rows: Float32Array; corners: Float32Array | undefined; dims: readonly number[] }> {
  const found = await runModel(model, new Map(Object.entries(inputs).map(([name, tensor]) => [`${name}_in`, tensor])));
  const rows = found.get(detectionsOutput) as Tensor<'float32'>;
  return { rows: rows.data, dims: rows.dims, corners: found.get(boxesOutput)?.data as Float32Array | undefined };
}

function expectRows(found: Float32Array, wanted: readonly Row[], rows: number, hasAngle = false): void {
  const flat = Array.from({ length: rows }, (_, place) => {
    const row = wanted[place];
    if (row === undefined) return [0, 0, 0, 0, 0];
    return [row.label, row.box.x / 0.5, (row.box.y - 4) / 0.4, hasAngle ? row.box.angle : 0, row.score];
  }).flat();
  expect(found.length).toBe(flat.length);
  flat.forEach((value, at) => expect(found[at]).toBeCloseTo(value, 3));
}

test('rows are what plain suppression leaves of boxes by chance, in every frame of a batch', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(0.1, 0.45, 0.8),
      fc.constantFrom(0, 0.25, 0.7),
      fc.integer({ min: 1, max: 3 }),
      async (seed, count, classes, rows, overlapMax, scoreMin, frames) => {
        const random = seededRandom(seed);
        const all = Array.from({ length: frames }, () => drawBoxes(random, count, classes));
        const options = { rows, overlapMax, scoreMin } as const;
        const model = withDetections(echo({ out: ['N', 4 + classes, count] }), { form: 'fields-first', placement, ...options });
        const data = all.flatMap((boxes) => transposed(joined(boxes, ({ x, y, w, h, scores }) => [x, y, w, h, ...scores])));
        const found = await detect(model, { out: floats([frames, 4 + classes, count], data) });
        expect(found.dims).toEqual([frames, rows, detectionFields]);
        all.forEach((boxes, frame) =>
          expectRows(found.rows.subarray(frame * rows * detectionFields, (frame + 1) * rows * detectionFields), suppressed(boxes, classes, options), rows),
        );
      },
    ),
    { numRuns: 40 },
  );
});

describe('forms of other detectors', () => {
  const boxes = drawBoxes(seededRandom('forms'), 30, 3);
  const wanted = suppressed(boxes, 3, {});
  const logit = (share: number): number => Math.log(share / (1 - share));
  const corner = ({ x, y, w, h }: Box): [number, number, number, number] => [x - w / 2, y - h / 2, x + w / 2, y + h / 2];

  test('boxes first, scores as logits, angles', async () => {
    const table = joined(boxes, ({ x, y, w, h, angle, scores }) => [x, y, w, h, ...scores.map(logit), angle]);
    const model = withDetections(echo({ out: [1, 30, 8] }), { form: 'boxes-first', scores: 'logits', angle: true, placement });
    expectRows((await detect(model, { out: floats([1, 30, 8], table.flat()) })).rows, wanted, 32, true);
  });

  test('objectness', async () => {
    const table = joined(boxes, ({ x, y, w, h, scores }) => [x, y, w, h, 0.8, ...scores.map((score) => score / 0.8)]);
    const model = withDetections(echo({ out: ['N', 30, 8] }), { form: 'boxes-first', objectness: true, placement });
    expectRows((await detect(model, { out: floats([1, 30, 8], table.flat()) })).rows, wanted, 32);
  });

  test.each(['first', 'last'] as const)('corners as shares and a softmax with the background %s', async (background) => {
    const spread = boxes.map((box) => ({ ...box, scores: box.scores.map((score) => score / 3) }));
    const corners = spread.flatMap((box) => corner(box).map((value, axis) => value / (axis % 2 === 0 ? 64 : 48)));
    const scores = spread.flatMap((box) => {
      const nothing = Math.log(1 - box.scores.reduce((sum, score) => sum + score, 0));
      const logs = box.scores.map(Math.log);
      return background === 'first' ? [nothing, ...logs] : [...logs, nothing];
    });
    const model = withDetections(echo({ b: ['N', 30, 4], s: ['N', 30, 4] }), {
      form: 'apart',
      output: 'b',
      scoresOutput: 's',
      corners: 'xyxy',
      unit: 'shares',
      scores: 'softmax-logits',
      background,
      scoreMin: 0.1,
      placement,
      boxes: true,
    });
    const found = await detect(model, { b: floats([1, 30, 4], corners), s: floats([1, 30, 4], scores) });
    const rows = suppressed(spread, 3, { scoreMin: 0.1 });
    expectRows(found.rows, rows, 32);
    rows.forEach(({ box }, place) =>
      corner(box).forEach((value, at) => expect(found.corners?.[place * 4 + at]).toBeCloseTo(at % 2 === 0 ? value / 0.5 : (value - 4) / 0.4, 3)),
    );
  });

  test('the temperature changes how sure rows are, not which they are; the limit is of scores after it', async () => {
    const data = floats([1, 7, 30], transposed(joined(boxes, ({ x, y, w, h, scores }) => [x, y, w, h, ...scores])));
    const cool = (score: number): number => 1 / (1 + Math.exp(-logit(score) / 2));
    const model = withDetections(echo({ out: ['N', 7, 30] }), { form: 'fields-first', temperature: 2, scoreMin: 0.4, rows: 90, placement });
    const found = readDetections((await detect(model, { out: data })).rows, 90, 0, 0);
    const rows = suppressed(boxes, 3, { scoreMin: 0, rows: 90 }).filter(({ score }) => cool(score) > 0.4);
    expect(found.map(({ label }) => label)).toEqual(rows.map(({ label }) => label));
    found.forEach(({ score }, place) => expect(score).toBeCloseTo(cool(rows[place]?.score ?? 0), 4));
    expect(rows.some(({ score }) => score < 0.4)).toBe(true);
  });

  test('of more boxes than are compared the best are', async () => {
    const data = floats([1, 7, 30], transposed(joined(boxes, ({ x, y, w, h, scores }) => [x, y, w, h, ...scores])));
    const model = withDetections(echo({ out: ['N', 7, 30] }), { form: 'fields-first', candidatesMax: 12, placement });
    const best = boxes.toSorted((a, b) => Math.max(...b.scores) - Math.max(...a.scores)).slice(0, 12);
    expectRows((await detect(model, { out: data })).rows, suppressed(best, 3, {}), 32);
  });
});

test('quantised, only the network before it computes with 8 bits, and rows stay where they were', async () => {
  const random = seededRandom('quantised');
  const draw = (dims: number[], scale: number): Tensor<'float32'> =>
    floats(
      dims,
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
    );
  const builder = createGraphBuilder('detector');
  builder.input('x', 'float32', ['N', 3, 48, 64]);
  const conv = (value: string, weight: Tensor, bias: Tensor): string =>
    builder.add('Conv', [value, builder.constant(weight), builder.constant(bias)], { strides: ints([4, 4]) });
  const inner = builder.add('Relu', [conv('x', draw([32, 3, 4, 4], 0.15), draw([32], 0.1))]);
  const fields = builder.add('Reshape', [conv(inner, draw([7, 32, 4, 4], 0.1), draw([7], 0.1)), builder.constant(longs([0, 7, 12]))]);
  const [sizes, logits] = ['sizes', 'logits'] as const;
  builder.add('Split', [fields, builder.constant(longs([4, 3]))], { axis: int(1) }, [sizes, logits]);
  const large = builder.add('Add', [
    builder.add('Mul', [builder.add('Sigmoid', [sizes]), builder.constant(floats([], [20]))]),
    builder.constant(floats([], [4])),
  ]);
  builder.add('Concat', [large, builder.add('Sigmoid', [logits])], { axis: int(1) }, ['out']);
  builder.output('out', 'float32', ['N', 7, 12]);
  const frame = { width: 64, height: 48, channels: 3 } as const;
  const { model: fed, placement: seen } = withImageInput(createModel(builder.finish()), { frame });
  const model = withDetections(fed, { form: 'fields-first', placement: seen, scoreMin: 0.01, rows: 8 });
  const frames = Array.from({ length: 4 }, (): Tensor => ({
    type: 'uint8',
    dims: [1, 48, 64, 3],
    data: Uint8Array.from({ length: 64 * 48 * 3 }, () => random.integer(256)),
  }));
  const { model: small, report } = await quantise(model, { batches: frames.map((image) => ({ image })), eager: true });
  expect(report.quantised.length).toBeGreaterThan(1);
  // Bytes of the last product are moved, and turned into floats; nothing is rounded again.
  expect(report.left.map(({ operator }) => operator)).toEqual(expect.arrayContaining(['Sigmoid', 'Concat', 'NonMaxSuppression', 'TopK']));
  const answer = async (of: Model): Promise<Float32Array> =>
    (await runModel(of, new Map([['image', frames[0] as Tensor]]))).get(detectionsOutput)?.data as Float32Array;
  const [wanted, found] = [readDetections(await answer(model), 8, 0, 0), readDetections(await answer(small), 8, 0, 0)];
  expect(wanted.length).toBeGreaterThan(2);
  for (const { label, x, y, score } of wanted.slice(0, 3)) {
    const near = found.find((other) => other.label === label && Math.hypot(other.x - x, other.y - y) < 1.5);
    expect(Math.abs((near?.score ?? 9) - score)).toBeLessThan(0.05);
  }
});

test.each([
  ['boxes whose number is open', { out: ['N', 7, 'boxes'] }, { form: 'fields-first' }],
  ['fields that leave no score', { out: ['N', 4, 30] }, { form: 'fields-first' }],
  ['scores apart without their name', { out: ['N', 30, 4], s: ['N', 30, 2] }, { form: 'apart', output: 'out' }],
  ['a limit that nothing reaches', { out: ['N', 7, 30] }, { form: 'fields-first', scoreMin: 1 }],
] as [string, Record<string, Dimension[]>, Partial<DetectionOptions>][])('refused: %s', (_, outputs, options) => {
  expect(() => withDetections(echo(outputs), { placement, ...options } as DetectionOptions)).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }));
});
