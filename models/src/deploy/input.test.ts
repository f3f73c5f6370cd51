import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';

import { seededRandom, type Random } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, ints, text, type Attribute, type Model, type Tensor } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { findInputStage } from '../quantise/input-stage.ts';
import { exactScale, imageInput, withImageInput, type ImageInputOptions, type Placement } from './input.ts';

const size = 8;

interface NetworkOptions {
  readonly channels?: 1 | 3;
  readonly pad?: number;
  readonly layout?: 'nchw' | 'nhwc';
  /** What reads the picture before the convolution does. */
  readonly before?: 'nothing' | 'sigmoid';
  readonly conv?: Record<string, Attribute>;
  readonly free?: boolean;
}

/** One convolution of a float picture, with weights by chance. */
function network(random: Random, { channels = 3, pad = 0, layout = 'nchw', before = 'nothing', conv = {}, free = false }: NetworkOptions = {}): Model {
  const builder = createGraphBuilder('network');
  const side = free ? ['H', 'W'] : [size, size];
  builder.input('x', 'float32', layout === 'nchw' ? ['N', channels, ...side] : ['N', ...side, channels]);
  let value = layout === 'nchw' ? 'x' : builder.add('Transpose', ['x'], { perm: ints([0, 3, 1, 2]) });
  if (before === 'sigmoid') value = builder.add('Sigmoid', [value]);
  const draw = (dims: number[]): string =>
    builder.constant(
      floats(
        dims,
        Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
      ),
    );
  builder.add('Conv', [value, draw([4, channels, 3, 3]), draw([4])], { pads: ints([pad, pad, pad, pad]), ...conv }, ['y']);
  builder.output('y', 'float32', ['N', 4, 'h', 'w']);
  return createModel(builder.finish());
}

const drawFrame = (random: Random, { width, height, channels }: ImageInputOptions['frame'], frames = 1): Tensor<'uint8'> => ({
  type: 'uint8',
  dims: [frames, height, width, channels],
  data: Uint8Array.from({ length: frames * width * height * channels }, () => random.integer(256)),
});

const answer = async (model: Model, name: string, input: Tensor): Promise<Float32Array> =>
  (await runModel(model, new Map([[name, input]]))).get('y')?.data as Float32Array;

function largestDifference(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  let largest = 0;
  for (let at = 0; at < found.length; at += 1) largest = Math.max(largest, Math.abs((found[at] ?? Number.NaN) - (wanted[at] ?? 0)));
  return largest;
}

/** What a program does that prepares frames in JavaScript: bilinear, half pixels, no antialiasing. */
function prepare(frame: Tensor<'uint8'>, channels: number, options: ImageInputOptions, placement: Placement): Tensor<'float32'> {
  const [frames = 1, height = 0, width = 0, own = 0] = frame.dims;
  const { scaleX, scaleY, left, top } = placement;
  const { fit = 'stretch', border = 114, scale = 1 / 255, mean = 0, deviation = 1, filter = 'bilinear', colours = 'rgb' } = options;
  const isCropped = fit === 'crop';
  const crop = {
    x: isCropped ? Math.round(-left / scaleX) : 0,
    y: isCropped ? Math.round(-top / scaleY) : 0,
    right: isCropped ? Math.round((placement.width - left) / scaleX) - 1 : width - 1,
    bottom: isCropped ? Math.round((placement.height - top) / scaleY) - 1 : height - 1,
  };
  const of = (values: number | readonly number[], channel: number): number => (typeof values === 'number' ? values : (values[channel] ?? 0));
  const data = new Float32Array(frames * channels * placement.width * placement.height);
  const grey = (image: number, channel: number, x: number, y: number): number => {
    const at = (place: number): number => frame.data[((image * height + y) * width + x) * own + place] ?? 0;
    if (own === 1) return at(0);
    if (channels === 1) return 0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2);
    return at(colours === 'rgb' ? channel : 2 - channel);
  };
  let at = 0;
  for (let image = 0; image < frames; image += 1)
    for (let channel = 0; channel < channels; channel += 1)
      for (let y = 0; y < placement.height; y += 1)
        for (let x = 0; x < placement.width; x += 1) {
          const [exactX, exactY] = [(x + 0.5 - left) / scaleX, (y + 0.5 - top) / scaleY];
          let value = border;
          if (fit !== 'letterbox' || (exactX > 0 && exactX < width && exactY > 0 && exactY < height)) {
            const clamp = (exact: number, low: number, high: number): number => Math.min(high, Math.max(low, exact));
            const [px, py] = [clamp(exactX - 0.5, crop.x, crop.right), clamp(exactY - 0.5, crop.y, crop.bottom)];
            if (filter === 'nearest') value = grey(image, channel, Math.ceil(px - 0.5), Math.ceil(py - 0.5));
            else {
              const [x0, y0] = [Math.floor(px), Math.floor(py)];
              const [x1, y1] = [Math.min(crop.right, x0 + 1), Math.min(crop.bottom, y0 + 1)];
              const row = (line: number): number => grey(image, channel, x0, line) * (1 - (px - x0)) + grey(image, channel, x1, line) * (px - x0);
              value = row(y0) * (1 - (py - y0)) + row(y1) * (py - y0);
            }
          }
          data[at++] = (value * scale - of(mean, channel)) / of(deviation, channel);
        }
  return { type: 'float32', dims: [frames, channels, placement.height, placement.width], data };
}

const toLast = ({ dims: [frames = 0, channels = 0, height = 0, width = 0], data }: Tensor<'float32'>): Tensor<'float32'> => ({
  type: 'float32',
  dims: [frames, height, width, channels],
  data: Float32Array.from(data, (_, at) => {
    const [channel, pixel] = [at % channels, Math.floor(at / channels)];
    return data[(Math.floor(pixel / (width * height)) * channels + channel) * width * height + (pixel % (width * height))] ?? 0;
  }),
});

const imagenet = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] } as const;

test('bytes in the graph answer what floats from JavaScript do, whatever the frame, its place, its colours and the first layer', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.nat(),
        width: fc.integer({ min: 5, max: 19 }),
        height: fc.integer({ min: 5, max: 19 }),
        own: fc.constantFrom(1, 3),
        channels: fc.constantFrom(1, 3),
        fit: fc.constantFrom('stretch', 'letterbox', 'crop'),
        colours: fc.constantFrom('rgb', 'bgr'),
        layout: fc.constantFrom('nchw', 'nhwc'),
        pad: fc.constantFrom(0, 1),
        before: fc.constantFrom('nothing', 'sigmoid'),
        norm: fc.constantFrom('none', 'half', 'imagenet'),
        frames: fc.constantFrom(1, 3),
      }),
      async ({ seed, width, height, own, channels, fit, colours, layout, pad, before, norm, frames }) => {
        const random = seededRandom(seed);
        const model = network(random, { channels: channels as 1 | 3, pad, layout: layout as 'nchw', before: before as 'nothing' });
        const normal = norm === 'none' ? {} : norm === 'half' ? { mean: 0.5, deviation: 0.5 } : channels === 3 ? imagenet : { mean: 0.45, deviation: 0.226 };
        const options: ImageInputOptions = { frame: { width, height, channels: own as 1 | 3 }, fit: fit as 'stretch', colours: colours as 'rgb', ...normal };
        const wrapped = withImageInput(model, options);
        const frame = drawFrame(random, options.frame, frames);
        const prepared = prepare(frame, channels, options, wrapped.placement);
        const wanted = await answer(model, 'x', layout === 'nchw' ? prepared : toLast(prepared));
        expect(largestDifference(await answer(wrapped.model, imageInput, frame), wanted)).toBeLessThan(2e-4);
        expect(wrapped.model.graph.inputs).toEqual([{ name: imageInput, type: 'uint8', dims: ['N', height, width, own] }]);
      },
    ),
    { numRuns: 60 },
  );
});

test('nearest picks bytes', async () => {
  const random = seededRandom(3);
  const model = network(random);
  const options: ImageInputOptions = { frame: { width: 13, height: 17, channels: 3 }, filter: 'nearest' };
  const { model: wrapped, placement } = withImageInput(model, options);
  const frame = drawFrame(random, options.frame);
  expect(largestDifference(await answer(wrapped, imageInput, frame), await answer(model, 'x', prepare(frame, 3, options, placement)))).toBeLessThan(2e-4);
  expect(wrapped.graph.nodes.map(({ operator }) => operator)).toEqual(['Resize', 'Cast', 'Transpose', 'Conv']);
});

test('a smooth frame of half the size is what sharp makes of it, to two grey levels', async () => {
  const builder = createGraphBuilder('seen');
  builder.input('x', 'float32', ['N', 3, 12, 12]);
  builder.add('Relu', ['x'], {}, ['y']);
  builder.output('y', 'float32', ['N', 3, 12, 12]);
  const side = 24;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, at) => {
    const [x, y] = [Math.floor(at / 3) % side, Math.floor(at / 3 / side)];
    return Math.round(127 + 100 * Math.sin(x / 6 + (at % 3)) * Math.cos(y / 7));
  });
  const { model } = withImageInput(createModel(builder.finish()), { frame: { width: side, height: side, channels: 3 }, scale: 1 });
  const seen = await answer(model, imageInput, { type: 'uint8', dims: [1, side, side, 3], data });
  const shrunk = await sharp(data, { raw: { width: side, height: side, channels: 3 } })
    .resize(12, 12, { kernel: 'linear' })
    .raw()
    .toBuffer();
  const wanted = Float32Array.from(seen, (_, at) => shrunk[(at % 144) * 3 + Math.floor(at / 144)] ?? 0);
  // Sharp smooths as it shrinks; on what is smooth already that shows little.
  expect(largestDifference(seen, wanted)).toBeLessThan(2.5);
});

describe('what is left before the first layer', () => {
  const frame = { width: size, height: size, channels: 3 } as const;
  const operatorsOf = (model: Model): string[] => model.graph.nodes.map(({ operator }) => operator);

  test.each([
    ['nothing but a cast where the layer pads nothing', { pad: 0 }, { ...imagenet }, ['Cast', 'Transpose', 'Conv']],
    ['nothing but a cast where zero is black', { pad: 1 }, {}, ['Cast', 'Transpose', 'Conv']],
    ['the mean where the layer pads with it', { pad: 1 }, { ...imagenet }, ['Cast', 'Transpose', 'Sub', 'Conv']],
    [
      'the mean where the layer finds its padding itself',
      { conv: { auto_pad: text('SAME_UPPER'), pads: ints([]) } },
      { mean: 0.5 },
      ['Cast', 'Transpose', 'Sub', 'Conv'],
    ],
    ['all of it where the first layer is none', { before: 'sigmoid' }, { ...imagenet }, ['Cast', 'Transpose', 'Sub', 'Mul', 'Sigmoid', 'Conv']],
    ['no move where the network wants its channels last and moves them at once', { layout: 'nhwc' }, {}, ['Cast', 'Transpose', 'Conv']],
  ] as const)('%s', (_, wanted, options, operators) => {
    const { model } = withImageInput(network(seededRandom(1), wanted as NetworkOptions), { frame, ...options });
    expect(operatorsOf(model)).toEqual(operators);
  });

  test.each([
    ['whole grey levels', { mean: 128 / 255 }, { scale: 1, zeroPoint: 128 }],
    ['no mean', {}, { scale: 1, zeroPoint: 0 }],
  ])('the quantiser knows bytes shifted by %s as bytes', (_, options, range) => {
    const { model } = withImageInput(network(seededRandom(1), { pad: 1 }), { frame, ...options });
    expect(findInputStage(model.graph)?.range).toEqual(range);
  });
});

test('a near padding is exact inside, off by part of a deviation at the border, and bytes to the quantiser', async () => {
  const random = seededRandom(5);
  const model = network(random, { pad: 1 });
  const frame = { width: size, height: size, channels: 3 } as const;
  const near = withImageInput(model, { frame, ...imagenet, padding: 'near' }).model;
  expect(findInputStage(near.graph)?.range).toEqual({ scale: 1, zeroPoint: 114 });
  const image = drawFrame(random, frame);
  const [found, wanted] = [await answer(near, imageInput, image), await answer(withImageInput(model, { frame, ...imagenet }).model, imageInput, image)];
  const isInside = (at: number): boolean => [at % size, Math.floor(at / size) % size].every((place) => place > 0 && place < size - 1);
  const [inside, border] = [true, false].map((kept) => Array.from(found.keys()).filter((at) => isInside(at) === kept)) as [number[], number[]];
  expect(
    largestDifference(
      inside.map((at) => found[at] ?? 0),
      inside.map((at) => wanted[at] ?? 0),
    ),
  ).toBeLessThan(2e-4);
  // Five taps at a corner, three channels, weights of a standard normal, and at most 11 of 57 grey levels.
  const off = largestDifference(
    border.map((at) => found[at] ?? 0),
    border.map((at) => wanted[at] ?? 0),
  );
  expect(off).toBeGreaterThan(1e-3);
  expect(off).toBeLessThan(5);
});

test('letterbox coordinates lead back to the pixel of the frame', async () => {
  const builder = createGraphBuilder('seen');
  builder.input('x', 'float32', ['N', 1, 32, 32]);
  builder.add('Relu', ['x'], {}, ['y']);
  builder.output('y', 'float32', ['N', 1, 32, 32]);
  const frame = { width: 64, height: 40, channels: 1 } as const;
  const { model, placement } = withImageInput(createModel(builder.finish()), { frame, fit: 'letterbox', border: 0, scale: 1 });
  const data = new Uint8Array(64 * 40);
  // A spot of four pixels around (41, 13).
  for (const at of [12 * 64 + 40, 12 * 64 + 41, 13 * 64 + 40, 13 * 64 + 41]) data[at] = 255;
  const seen = await answer(model, imageInput, { type: 'uint8', dims: [1, 40, 64, 1], data });
  let [sum, x, y] = [0, 0, 0];
  seen.forEach((value, at) => {
    sum += value;
    x += value * ((at % 32) + 0.5);
    y += value * (Math.floor(at / 32) + 0.5);
  });
  expect((x / sum - placement.left) / placement.scaleX).toBeCloseTo(41, 3);
  expect((y / sum - placement.top) / placement.scaleY).toBeCloseTo(13, 3);
});

test('a scale gives the size that is wanted, although the runtime rounds down', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 4096 }), (from, to) => {
      const scale = exactScale(from, to);
      expect(Math.floor(Math.fround(Math.fround(scale) * from))).toBe(to);
      expect(scale / (to / from)).toBeCloseTo(1, 5);
    }),
  );
});

test.each([
  ['a picture of two channels', { x: ['N', 2, 8, 8] }, {}, 'channels'],
  ['two pictures', { x: ['N', 3, 8, 8], other: ['N', 3, 8, 8] }, {}, 'Name the'],
  ['no picture', { x: ['N', 8] }, {}, 'Name the'],
  ['another size than the network has', { x: ['N', 3, 8, 8] }, { size: { width: 9, height: 8 } }, 'Leave the size'],
  ['means that are no colours', { x: ['N', 3, 8, 8] }, { mean: [1, 2] }, 'One number, or 3'],
])('refused: %s', (_, inputs, options, hint) => {
  const builder = createGraphBuilder('refused');
  for (const [name, dims] of Object.entries(inputs)) builder.input(name, 'float32', dims as (string | number)[]);
  builder.add('Relu', ['x'], {}, ['y']);
  builder.output('y', 'float32', []);
  let hinted = '';
  try {
    withImageInput(createModel(builder.finish()), { frame: { width: 8, height: 8, channels: 3 }, ...options });
  } catch (thrown) {
    hinted = (thrown as { hint?: string }).hint ?? '';
  }
  expect(hinted).toContain(hint);
});

test('a network of any size takes the size of the frame', async () => {
  const random = seededRandom(4);
  const model = network(random, { free: true });
  const options = { frame: { width: 11, height: 9, channels: 3 } } as const;
  const { model: wrapped, placement } = withImageInput(model, options);
  const frame = drawFrame(random, options.frame);
  expect(largestDifference(await answer(wrapped, imageInput, frame), await answer(model, 'x', prepare(frame, 3, options, placement)))).toBeLessThan(2e-4);
});
