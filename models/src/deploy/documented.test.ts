import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, int, ints, type Model, type Tensor } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { blocksOf, readPage, snippetsMissing } from '../testing/page.ts';
import { documented } from './testing/documented.ts';

const random = seededRandom('documented');
const drawn = (dims: readonly number[], scale: number): Tensor<'float32'> =>
  floats(
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
  );

/** Pictures of 32 pixels to three classes, or to boxes of two. */
function network(filters: number, head: 'classes' | 'boxes'): Model {
  const builder = createGraphBuilder(head);
  builder.input('x', 'float32', ['N', 3, 32, 32]);
  const maps = builder.add('Conv', ['x', builder.constant(drawn([filters, 3, 4, 4], 0.2)), builder.constant(drawn([filters], 0.1))], { strides: ints([4, 4]) });
  if (head === 'boxes') {
    const rows = builder.add('Reshape', [builder.add('Abs', [maps]), builder.constant({ type: 'int64', dims: [3], data: BigInt64Array.of(0n, 6n, 64n) })], {}, [
      'y',
    ]);
    builder.output(rows, 'float32', ['N', 6, 64]);
  } else {
    const pooled = builder.add('Flatten', [builder.add('GlobalAveragePool', [builder.add('Relu', [maps])])], { axis: int(1) });
    builder.add('Gemm', [pooled, builder.constant(drawn([filters, 3], 1))], {}, ['y']);
    builder.output('y', 'float32', ['N', 3]);
  }
  return createModel(builder.finish());
}

test('every snippet of the page on deployment is code that compiles and runs', async () => {
  const page = await readPage('deployment.md');
  expect(blocksOf(page, 'ts').length).toBeGreaterThan(3);
  expect(await snippetsMissing(page, new URL('testing/documented.ts', import.meta.url))).toEqual([]);
});

test('what the page on deployment shows takes frames of the camera and gives final answers', async () => {
  const frames = Array.from({ length: 6 }, (_, frame): Tensor => {
    const data = Uint8Array.from({ length: 640 * 480 * 3 }, (__, at) => 40 * frame + ((at * (frame + 1)) % 50));
    return { type: 'uint8', dims: [1, 480, 640, 3], data };
  });
  const labels = Array.from({ length: 90 }, (_, row) => row % 3);
  const logits = labels.flatMap((label, row) => [0, 1, 2].map((place) => (place === label ? 2 : 0) + ((row * 7) % 5) / 5));
  const { classifier, detector, golden } = await documented(network(8, 'classes'), network(6, 'boxes'), frames, logits, labels);
  expect(classifier.graph.inputs.map(({ name, type, dims }) => [name, type, dims])).toEqual([['image', 'uint8', ['N', 480, 640, 3]]]);
  expect(classifier.graph.outputs.map(({ name, dims }) => [name, dims])).toEqual([
    ['probabilities', ['N', 3]],
    ['embedding', ['N', 128]],
  ]);
  const rows = (await runModel(detector, new Map([['image', frames[0] as Tensor]]))).get('detections');
  expect(rows?.dims).toEqual([1, 32, 5]);
  expect(golden.vectors.length).toBeGreaterThan(0);
  expect(Object.keys(golden.tolerances ?? {}).toSorted()).toEqual(['embedding', 'probabilities']);
});
