import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { floats, type Tensor } from '../onnx/graph.ts';
import { arraySource } from './array-source.ts';
import type { AugmentSettings } from './augmentation.ts';
import type { BatchSource } from './batch-source.ts';
import type { ImageDataset } from './dataset.ts';
import { decodeImage, type FrameSettings } from './decode.ts';
import { createByteCache } from './frame-cache.ts';
import { frameSource } from './frame-source.ts';
import { createSource, imageSource } from './image-source.ts';
import { loadImages } from './load-images.ts';
import { inParallel } from './parallel.ts';
import { TrainingDataError } from './problems.ts';
import { classTargets, objectTargets } from './targets.ts';
import { drawPicture, temporaryFolder, writeFiles, type PictureFormat } from './testing/pictures.ts';

const frame: FrameSettings = { width: 20, height: 16, channels: 3 };
const frameBytes = 20 * 16 * 3;
const count = 36;
const formats: readonly PictureFormat[] = ['jpeg', 'png', 'webp', 'tiff'];
const changes: AugmentSettings = { flip: 'horizontal', rotateDeg: 10, shift: 0.1, brightness: 0.3, noise: 4, blur: [0, 1], occlusion: { count: 2, size: 0.2 } };

let folder: string;
let remove: () => Promise<void>;
let classes: ImageDataset;
let boxes: ImageDataset;
beforeAll(async () => {
  ({ folder, remove } = await temporaryFolder());
  const images: unknown[] = [];
  const annotations: unknown[] = [];
  for (let at = 0; at < count; at += 1) {
    const [width, height] = [30 + at, 24];
    const format = formats[at % formats.length] ?? 'png';
    await writeFiles(folder, { [`pictures/${at % 3}/${at}.${format}`]: await drawPicture(at, width, height, format) });
    images.push({ id: at, file_name: `${at % 3}/${at}.${format}`, width, height });
    for (let box = 0; box < at % 4; box += 1) annotations.push({ id: at * 10 + box, image_id: at, category_id: box % 2, bbox: [box * 3, 4, 6, 8] });
  }
  const categories = [
    { id: 0, name: 'nut' },
    { id: 1, name: 'bolt' },
  ];
  await writeFiles(folder, { 'coco.json': JSON.stringify({ images, annotations, categories }) });
  const shares = { validation: 0.2, test: 0 };
  classes = await loadImages(path.join(folder, 'pictures'), { kind: 'folders' }, { frame, shares });
  boxes = await loadImages(folder, { kind: 'coco', file: 'coco.json', images: 'pictures' }, { frame, shares });
});
afterAll(() => remove());

const floatsOf = (tensor: Tensor | undefined): number[] => Array.from((tensor?.data ?? []) as Float32Array);
const pixelsOf = (batch: { feeds: Record<string, Tensor> }): Uint8Array => batch.feeds['image']?.data as Uint8Array;

test('a batch of classes is uint8 frames, as they decode, and one-hot targets', async () => {
  const source = imageSource({ dataset: classes, split: 'train', frame });
  const examples = classes.examples.filter(({ split }) => split === 'train');
  expect(source.examples).toBe(examples.length);
  const indices = Int32Array.of(3, 0, 3);
  const batch = await source.fill(indices, seededRandom(1));
  expect(batch.feeds['image']).toMatchObject({ type: 'uint8', dims: [3, 16, 20, 3] });
  expect(batch.targets['targets']).toMatchObject({ type: 'float32', dims: [3, 3] });
  for (const [place, index] of indices.entries()) {
    const example = examples[index];
    const { pixels } = await decodeImage(await readFile(path.join(folder, 'pictures', example?.path ?? '')), frame);
    expect(pixelsOf(batch).subarray(place * frameBytes, (place + 1) * frameBytes)).toEqual(pixels);
    expect(floatsOf(batch.targets['targets']).slice(place * 3, place * 3 + 3)).toEqual([0, 1, 2].map((label) => (label === example?.label ? 1 : 0)));
  }
});

test('the splits part the examples, none in two', () => {
  const sizes = (['train', 'validation', 'test'] as const).map((split) => imageSource({ dataset: classes, split, frame }).examples);
  expect(sizes[0]! + sizes[1]! + sizes[2]!).toBe(count);
  expect(sizes[1]).toBeGreaterThan(0);
});

test('a batch depends on its indices and numbers alone: not on the cache, what came before, or how many are loaded at a time', async () => {
  const options = { dataset: boxes, split: 'train' as const, frame, augment: changes };
  // Nothing cached, three frames of all, and everything.
  const sources = [0, 3 * frameBytes + 1000, 2 ** 30].map((cacheBytesMax, at) => imageSource({ ...options, cacheBytesMax, concurrency: at * 3 + 1 }));
  const examples = sources[0]?.examples ?? 0;
  const random = seededRandom(5);
  const batches = Array.from({ length: 8 }, () => Int32Array.from({ length: 7 }, () => random.integer(examples)));
  const wanted = await Promise.all(batches.map(async (indices, step) => imageSource(options).fill(indices, seededRandom(step))));
  for (const source of sources) {
    for (const step of [7, 2, 0, 1, 2, 3, 4, 5, 6, 7]) expect(await source.fill(batches[step] as Int32Array, seededRandom(step))).toEqual(wanted[step]);
    await source.close?.();
    expect(await source.fill(batches[0] as Int32Array, seededRandom(0))).toEqual(wanted[0]);
  }
  expect(await sources[0]?.fill(batches[0] as Int32Array, seededRandom(99))).not.toEqual(wanted[0]);
});

test('each time an example is handed out it is changed anew, twice in one batch too, and the cached frame stays as it was', async () => {
  const plain = imageSource({ dataset: classes, split: 'train', frame });
  const source = imageSource({ dataset: classes, split: 'train', frame, augment: changes });
  const twice = pixelsOf(await source.fill(Int32Array.of(0, 0), seededRandom(1)));
  expect(twice.subarray(0, frameBytes)).not.toEqual(twice.subarray(frameBytes));
  const still = imageSource({ dataset: classes, split: 'train', frame, augment: { brightness: 0 } });
  await still.fill(Int32Array.of(0), seededRandom(2));
  expect(await still.fill(Int32Array.of(0), seededRandom(3))).toEqual(await plain.fill(Int32Array.of(0), seededRandom(4)));
});

test('boxes come in the coordinates of the frame, and rows without an object are zero', async () => {
  const source = imageSource({ dataset: boxes, split: 'train', frame: { ...frame, fit: 'fill' } });
  const examples = boxes.examples.filter(({ split }) => split === 'train');
  const index = examples.findIndex(({ objects }) => objects.length === 2);
  const rows = (await source.fill(Int32Array.of(index), seededRandom(1))).targets['objects'];
  expect(rows?.dims).toEqual([1, 3, 7]);
  const { stated = { width: 0, height: 0 } } = examples[index] ?? {};
  const [toX, toY] = [20 / stated.width, 16 / stated.height];
  const row = (label: number, x: number): number[] => [label, x * toX, 8 * toY, 6 * toX, 8 * toY, 0, 1];
  [...row(0, 3), ...row(1, 6), 0, 0, 0, 0, 0, 0, 0].forEach((value, at) => expect(floatsOf(rows)[at]).toBeCloseTo(value, 4));
});

test('targets may be encoded as the loss wants them, from what is in the changed frame', async () => {
  const encode = (truths: readonly { objects: readonly unknown[] }[]): Record<string, Tensor> => ({
    count: floats(
      [truths.length],
      truths.map(({ objects }) => objects.length),
    ),
  });
  const source = imageSource({ dataset: boxes, split: 'train', frame, augment: { shift: 1 } }, encode);
  const everything = Int32Array.from({ length: source.examples }, (_, at) => at);
  const counts = (await source.fill(everything, seededRandom(1))).targets['count']?.data as Float32Array;
  const listed = boxes.examples.filter(({ split }) => split === 'train').map(({ objects }) => objects.length);
  expect(counts.every((value, at) => value <= (listed[at] ?? 0))).toBe(true);
  expect(counts.reduce((sum, value) => sum + value, 0)).toBeLessThan(listed.reduce((sum, value) => sum + value, 0));
});

test('a picture that was spoilt or taken away while training is named', async () => {
  await writeFiles(folder, { 'late/a/1.png': await drawPicture(1, 20, 20), 'late/a/2.png': await drawPicture(2, 20, 20) });
  const dataset = await loadImages(path.join(folder, 'late'), { kind: 'folders' }, { frame, shares: { validation: 0, test: 0 } });
  const source = imageSource({ dataset, split: 'train', frame, cacheBytesMax: 0 });
  await rm(path.join(folder, 'late/a/1.png'));
  await writeFile(path.join(folder, 'late/a/2.png'), 'no picture');
  await expect(source.fill(Int32Array.of(0), seededRandom(1))).rejects.toBeInstanceOf(TrainingDataError);
  await expect(source.fill(Int32Array.of(0), seededRandom(1))).rejects.toMatchObject({ problems: [{ kind: 'file-missing', file: 'a/1.png' }] });
  await expect(source.fill(Int32Array.of(1), seededRandom(1))).rejects.toMatchObject({ problems: [{ kind: 'image-unknown', file: 'a/2.png' }] });
  await expect(source.fill(Int32Array.of(2), seededRandom(1))).rejects.toBeInstanceOf(RangeError);
});

test('a source is plain data until it is opened, so another thread can open it', async () => {
  const options = { dataset: boxes, split: 'train' as const, frame, augment: changes };
  const [here, there] = [imageSource(options), createSource(structuredClone(options))];
  expect(await there.fill(Int32Array.of(1, 2), seededRandom(1))).toEqual(await here.fill(Int32Array.of(1, 2), seededRandom(1)));
});

test('wrong settings of a source are refused when it is opened', () => {
  expect(() => imageSource({ dataset: classes, split: 'train', frame, augment: { shift: 7 } })).toThrow(/shift is 7/);
  expect(() => imageSource({ dataset: classes, split: 'train', frame: { ...frame, height: 0 } })).toThrow(/sides/);
});

test('the cache holds no more than it may, and what was used last', () => {
  const key = fc.nat(6);
  fc.assert(
    fc.property(fc.nat(30), fc.array(fc.record({ key, bytes: fc.option(fc.nat(12), { nil: undefined }) }), { maxLength: 40 }), (bytesMax, steps) => {
      const cache = createByteCache<number>(bytesMax);
      let model: { key: number; bytes: number }[] = [];
      for (const [step, { key: name, bytes }] of steps.entries()) {
        const known = model.find((entry) => entry.key === name);
        if (bytes === undefined) {
          expect(cache.get(name) === undefined).toBe(known === undefined);
          if (known !== undefined) model = [...model.filter((entry) => entry !== known), known];
        } else {
          cache.put(name, step, bytes);
          model = model.filter((entry) => entry.key !== name);
          if (bytes <= bytesMax) model.push({ key: name, bytes });
          while (model.reduce((sum, entry) => sum + entry.bytes, 0) > bytesMax) model.shift();
        }
        expect(cache.bytes).toBe(model.reduce((sum, entry) => sum + entry.bytes, 0));
        expect(cache.bytes).toBeLessThanOrEqual(bytesMax);
      }
      cache.clear();
      expect(cache.bytes).toBe(0);
    }),
  );
});

test('work in parallel is done once each, never wider than allowed, and a failure waits for what had begun', async () => {
  let [open, widest] = [0, 0];
  const done: number[] = [];
  const step = async (index: number): Promise<void> => {
    open += 1;
    widest = Math.max(widest, open);
    await Promise.resolve();
    open -= 1;
    done.push(index);
    if (index === 6) throw new Error('six');
  };
  await inParallel(6, 4, step);
  expect([done.length, widest]).toEqual([6, 4]);
  await expect(inParallel(100, 3, step)).rejects.toThrow('six');
  expect(open).toBe(0);
  expect(done.length).toBeLessThan(6 + 12);
});

test('frames in memory are a source as well', async () => {
  const pixels = Uint8Array.from({ length: 5 * 4 }, (_, at) => at * 10);
  const shape = { width: 2, height: 2, channels: 1 };
  const load = (index: number) => ({ pixels: pixels.subarray(index * 4, index * 4 + 4), label: index % 2, objects: [{ label: 0, x: 1, y: index / 4 }] });
  const source = frameSource({ examples: 5, shape, load, encode: (truths) => ({ ...classTargets(2)(truths), ...objectTargets(1)(truths) }), input: 'x' });
  const { feeds, targets } = await source.fill(Int32Array.of(4, 1), seededRandom(1));
  expect(feeds['x']).toEqual({ type: 'uint8', dims: [2, 2, 2, 1], data: Uint8Array.of(160, 170, 180, 190, 40, 50, 60, 70) });
  expect(floatsOf(targets['targets'])).toEqual([1, 0, 0, 1]);
  expect(floatsOf(targets['objects'])).toEqual([0, 1, 1, 0, 0, 0, 1, 0, 1, 0.25, 0, 0, 0, 1]);
  expect(() => classTargets(2)([{ label: 2, objects: [] }])).toThrow(/label 2 of 2/);
});

test('arrays in memory are handed out row by row, of any type', async () => {
  const source: BatchSource = arraySource({
    feeds: { x: floats([3, 2], [1, 2, 3, 4, 5, 6]), ids: { type: 'int64', dims: [3], data: BigInt64Array.of(7n, 8n, 9n) } },
    targets: { y: { type: 'uint8', dims: [3, 1, 1], data: Uint8Array.of(10, 20, 30) } },
  });
  expect(source.examples).toBe(3);
  expect(await source.fill(Int32Array.of(2, 0, 2, 1), seededRandom(1))).toEqual({
    feeds: { x: floats([4, 2], [5, 6, 1, 2, 5, 6, 3, 4]), ids: { type: 'int64', dims: [4], data: BigInt64Array.of(9n, 7n, 9n, 8n) } },
    targets: { y: { type: 'uint8', dims: [4, 1, 1], data: Uint8Array.of(30, 10, 30, 20) } },
  });
  expect(() => source.fill(Int32Array.of(3), seededRandom(1))).toThrow(RangeError);
});

test('arrays that do not fit together or hold no numbers are refused, all at once', () => {
  const opening = (): BatchSource =>
    arraySource({
      feeds: { x: floats([3, 2], [1, Number.NaN, Infinity, 4, 5, 6]), z: { type: 'float32', dims: [3, 4], data: new Float32Array(5) } },
      targets: { y: floats([2], [1, 2]) },
    });
  expect(opening).toThrow(TrainingDataError);
  expect(opening).toThrow(
    /4 problems\n.*x \(example 0\): it holds NaN\n.*x \(example 1\): it holds Infinity\n.*z: it has 5 values, \[3, 4\] has 12\n.*y: it has 2 examples, x has 3/,
  );
  expect(() => arraySource({ feeds: {}, targets: {} })).toThrow(/no example/);
});
