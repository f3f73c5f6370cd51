import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { golden as goldenSchema, type Golden } from '@serin/protocol/bundle/golden';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, ints, type Tensor } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { openSession } from '../onnx/session.ts';
import { chooseGolden, makeGolden, type GoldenChoice } from './golden.ts';

const random = seededRandom('golden');
const side = 8;

/** The mean of every channel as probabilities, and the place of the largest: one output that bends and one that jumps. */
function jumping(): Uint8Array {
  const builder = createGraphBuilder('jumping');
  builder.input('image', 'uint8', ['N', side, side, 3]);
  const picture = builder.add('Transpose', [builder.add('Cast', ['image'], { to: int(1) })], { perm: ints([0, 3, 1, 2]) });
  const means = builder.add('Flatten', [builder.add('GlobalAveragePool', [picture])]);
  builder.add('Softmax', [builder.add('Mul', [means, builder.constant(floats([], [0.5]))])], { axis: int(-1) }, ['probabilities']);
  builder.add('Cast', [builder.add('ArgMax', [means], { axis: int(1), keepdims: int(0) })], { to: int(1) }, ['best']);
  builder.output('probabilities', 'float32', ['N', 3]);
  builder.output('best', 'float32', ['N']);
  return writeModel(createModel(builder.finish()));
}
const model = jumping();

/** A picture whose red is so many grey levels above its green. */
const picture = (above: number): Record<string, Tensor> => ({
  image: {
    type: 'uint8',
    dims: [1, side, side, 3],
    data: Uint8Array.from({ length: side * side * 3 }, (_, at) => (at % 3 === 0 ? 100 + above : at % 3 === 1 ? 100 : 20) + (Math.floor(at / 3) % 2)),
  },
});
const choose = (candidates: Iterable<Record<string, Tensor>>, over: Partial<GoldenChoice> = {}): Promise<Golden> =>
  chooseGolden({ model, variant: 'fp32', candidates, count: 3, random, ...over });

test('inputs about to be answered otherwise are passed over', async () => {
  const close = [0, 0, 0].map(picture);
  const clear = [40, 50, 60].map(picture);
  const { vectors } = await choose([...close, ...clear]);
  const wanted = await makeGolden(await openSession(model), clear, 0);
  expect(vectors).toEqual(wanted.vectors);
});

test('the tolerance of an output is what was measured and some more, and never nothing', async () => {
  const golden = await choose([picture(40)]);
  expect(goldenSchema.safeParse(golden).success).toBe(true);
  expect(golden.tolerances).toEqual({ probabilities: 1e-4, best: 1e-4 });
  // Five grey levels apart, a flipped bit here and there shows in the probabilities.
  const shaky = await choose([picture(5)], { bounds: { probabilities: { floor: 1e-4, ceiling: 0.9 } } });
  expect(shaky.tolerances?.['probabilities']).toBeGreaterThan(1e-3);
  expect(shaky.tolerances?.['best']).toBe(1e-4);
  expect(shaky.tolerance).toBe(Math.max(...Object.values(shaky.tolerances ?? {})));
  await expect(choose([picture(5)], { bounds: { probabilities: { floor: 1e-4, ceiling: 1e-3 } } })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
});

test('where nothing is steady there are no golden vectors, and it says so', async () => {
  await expect(choose([0, 0].map(picture))).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED', detail: expect.stringContaining('none of 2 inputs') as string });
});

test('a file holds as many vectors as fit, one at least', async () => {
  const clear = [40, 50, 60].map(picture);
  expect((await choose(clear, { bytesMax: 700 })).vectors).toHaveLength(2);
  expect((await choose(clear, { bytesMax: 1 })).vectors).toHaveLength(1);
  let tried = 0;
  function* many(): Generator<Record<string, Tensor>> {
    for (; ; tried += 1) yield picture(0);
  }
  await expect(choose(many(), { triesMax: 5 })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  expect(tried).toBeLessThanOrEqual(5);
});

test('the same seed chooses the same', async () => {
  const all = [3, 5, 0, 8, 40].map(picture);
  const bounds = { probabilities: { floor: 1e-4, ceiling: 0.5 } };
  expect(await choose(all, { bounds })).toEqual(await choose(all, { bounds }));
});
