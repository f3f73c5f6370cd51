import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { augment, type AugmentSettings } from './augmentation.ts';
import { addNoise, applyTone, blur, blurWeights, occlude } from './photometry.ts';
import type { Placed } from './placement.ts';

const shapes = fc.record({ width: fc.integer({ min: 1, max: 12 }), height: fc.integer({ min: 1, max: 12 }), channels: fc.constantFrom(1, 3) });
const everything: AugmentSettings = {
  flip: 'both',
  rotateDeg: 20,
  scale: [0.8, 1.3],
  shift: 0.2,
  brightness: 0.3,
  contrast: 0.3,
  gamma: [0.8, 1.3],
  warmth: 0.2,
  blur: [0, 1.5],
  noise: 6,
  occlusion: { count: 3, size: 0.4 },
};
const speckled = (shape: { width: number; height: number; channels: number }, seed = 1): Uint8Array => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: shape.width * shape.height * shape.channels }, () => random.integer(256));
};

test('settings that do nothing change nothing, whatever the seed', () => {
  const idle: AugmentSettings[] = [
    {},
    { flip: 'none', rotateDeg: 0, scale: [1, 1], shift: 0, brightness: 0, contrast: 0, gamma: [1, 1], warmth: 0, blur: [0, 0], noise: 0 },
    { occlusion: { count: 0, size: 1 }, gains: [1, 1, 1], quarterTurns: false },
  ];
  fc.assert(
    fc.property(shapes, fc.constantFrom(...idle), fc.nat(), (shape, settings, seed) => {
      const pixels = speckled(shape);
      const objects = [{ label: 1, x: shape.width / 2, y: shape.height / 3, angle: 0.3 }];
      const changed = augment(settings)({ pixels, objects }, shape, seededRandom(seed));
      expect(changed).toEqual({ pixels, objects });
      expect(changed.pixels).not.toBe(pixels);
    }),
  );
});

test('the same seed changes a frame the same way, another seed another way, and the frame given stays as it is', () => {
  fc.assert(
    fc.property(shapes, fc.nat(), (shape, seed) => {
      const pixels = speckled(shape);
      const change = augment(everything);
      const once = change({ pixels, objects: [{ x: 1, y: 1 }] }, shape, seededRandom(seed));
      change({ pixels: speckled({ width: 5, height: 5, channels: 1 }), objects: [] }, { width: 5, height: 5, channels: 1 }, seededRandom(0));
      expect(change({ pixels, objects: [{ x: 1, y: 1 }] }, shape, seededRandom(seed))).toEqual(once);
      expect(pixels).toEqual(speckled(shape));
    }),
  );
  const large = { width: 12, height: 12, channels: 3 };
  const drawn = [1, 2].map((seed) => augment(everything)({ pixels: speckled(large), objects: [] }, large, seededRandom(seed)));
  expect(drawn[0]).not.toEqual(drawn[1]);
});

test('mirrored twice by the same seed, a frame and its objects are as before', () => {
  fc.assert(
    fc.property(shapes, fc.constantFrom('horizontal', 'vertical', 'both'), fc.nat(), (shape, flip, seed) => {
      const picture = { pixels: speckled(shape), objects: [{ x: shape.width * 0.3, y: shape.height * 0.9, angle: 1 }] };
      const change = augment({ flip });
      const back = change(change(picture, shape, seededRandom(seed)), shape, seededRandom(seed));
      expect(back.pixels).toEqual(picture.pixels);
      expect(back.objects[0]?.x).toBeCloseTo(shape.width * 0.3, 9);
      expect(back.objects[0]?.y).toBeCloseTo(shape.height * 0.9, 9);
      expect(back.objects[0]?.angle).toBeCloseTo(1, 9);
    }),
  );
  const shape = { width: 4, height: 3, channels: 1 };
  const seen = new Set(
    Array.from({ length: 40 }, (_, seed) => augment({ flip: 'both' })({ pixels: speckled(shape), objects: [] }, shape, seededRandom(seed)).pixels.join()),
  );
  expect(seen.size).toBe(4);
});

test('quarter turns show a square frame in its four ways, blending nothing, and turn its objects', () => {
  const shape = { width: 6, height: 6, channels: 3 };
  const pixels = speckled(shape);
  const ways = new Map<string, number>();
  for (let seed = 0; seed < 40; seed += 1) {
    const turned = augment({ quarterTurns: true })({ pixels, objects: [{ x: 5, y: 3, angle: 0 }] }, shape, seededRandom(seed));
    expect(turned.pixels.toSorted()).toEqual(pixels.toSorted());
    ways.set(turned.pixels.join(), turned.objects[0]?.angle ?? Number.NaN);
  }
  expect(Int32Array.from(ways.values(), (angle) => Math.round(Math.abs(angle) / (Math.PI / 2))).sort()).toEqual(Int32Array.of(0, 1, 1, 2));
  expect(() => augment({ quarterTurns: true })({ pixels: new Uint8Array(6), objects: [] }, { width: 3, height: 2, channels: 1 }, seededRandom(1))).toThrow(
    /square/,
  );
});

test('the centre of an object goes where the pixel it marks goes', () => {
  const shape = { width: 41, height: 33, channels: 1 };
  const settings: AugmentSettings = { flip: 'both', rotateDeg: 180, scale: [0.8, 1.2], shift: 0.3, border: 0 };
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 38 }), fc.integer({ min: 2, max: 30 }), fc.nat(), (column, row, seed) => {
      const pixels = new Uint8Array(41 * 33);
      // A blob of 3x3, so that its centroid survives being resampled.
      for (let at = 0; at < 9; at += 1) pixels[(row - 1 + Math.floor(at / 3)) * 41 + column - 1 + (at % 3)] = 240;
      const changed = augment(settings)({ pixels, objects: [{ x: column + 0.5, y: row + 0.5 }] }, shape, seededRandom(seed));
      const [object] = changed.objects;
      if (object === undefined || object.x < 4 || object.y < 4 || object.x > 37 || object.y > 29) return;
      let [sum, sumX, sumY] = [0, 0, 0];
      changed.pixels.forEach((value, at) => {
        sum += value;
        sumX += value * ((at % 41) + 0.5);
        sumY += value * (Math.floor(at / 41) + 0.5);
      });
      expect(Math.abs(sumX / sum - object.x)).toBeLessThan(0.12);
      expect(Math.abs(sumY / sum - object.y)).toBeLessThan(0.12);
    }),
  );
});

test('objects whose centre leaves the frame are gone, and what an object carries beside its place is kept', () => {
  const shape = { width: 10, height: 10, channels: 1 };
  const objects = Array.from({ length: 30 }, (_, at) => ({ name: `part ${at}`, x: at / 3, y: 5 }));
  const moved = augment({ shift: 1 })({ pixels: speckled(shape), objects }, shape, seededRandom(3)).objects;
  expect(moved.length).toBeGreaterThan(0);
  expect(moved.length).toBeLessThan(30);
  expect(moved.every(({ x, y, name }) => x >= 0 && x < 10 && y >= 0 && y < 10 && name.startsWith('part'))).toBe(true);
});

test('turning one setting on leaves what the others drew', () => {
  const shape = { width: 9, height: 9, channels: 1 };
  const where = (settings: AugmentSettings): readonly Placed[] =>
    augment(settings)({ pixels: speckled(shape), objects: [{ x: 5, y: 5 }] }, shape, seededRandom(8)).objects;
  expect(where({ shift: 0.1, rotateDeg: 5, noise: 5, brightness: 0.5 })).toEqual(where({ shift: 0.1, rotateDeg: 5 }));
});

test('wrong settings are refused at once, all of them by name', () => {
  const wrong = {
    rotateDeg: 400,
    scale: [2, 1],
    flip: 'sideways',
    border: 300,
    gains: ['red'],
    occlusion: { count: 1.5, size: 0.1, colour: 1 },
    zoom: 2,
  } as unknown as AugmentSettings;
  const refusal = (): unknown => {
    try {
      return augment(wrong);
    } catch (error) {
      return error;
    }
  };
  const error = refusal() as Error;
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
  for (const named of [
    'rotateDeg is 400; it must be a number from 0 to 180',
    'scale is [2,1]',
    'flip',
    'border',
    'gains',
    'occlusion.count is 1.5; it must be a whole',
    'occlusion.colour',
    'zoom is not a setting',
  ]) {
    expect(error.message).toContain(named);
  }
  for (const one of [{ brightness: Number.NaN }, { scale: [1] }, { occlusion: 3 }, { blur: [0, 1, 2] }, { shift: '0.1' }] as unknown as AugmentSettings[]) {
    expect(() => augment(one)).toThrow(/augmentation/);
  }
  expect(() => augment({})({ pixels: new Uint8Array(5), objects: [] }, { width: 2, height: 2, channels: 1 }, seededRandom(1))).toThrow(RangeError);
});

test('a table of tones is what brightness, contrast, gamma and gains say, held within a byte', () => {
  const tone = fc.record({
    brightness: fc.double({ min: 0, max: 2, noNaN: true }),
    contrast: fc.double({ min: 0, max: 2, noNaN: true }),
    gamma: fc.double({ min: 0.3, max: 3, noNaN: true }),
    gains: fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(tone, fc.nat(), (settings, seed) => {
      const pixels = speckled({ width: 4, height: 4, channels: 3 }, seed);
      const before = [...pixels];
      applyTone(pixels, 3, settings);
      before.forEach((value, at) => {
        const lit = (value * settings.brightness * (settings.gains[at % 3] ?? 1) - 127.5) * settings.contrast + 127.5;
        const wanted = 255 * Math.min(1, Math.max(0, lit / 255)) ** settings.gamma;
        expect(Math.abs((pixels[at] ?? Number.NaN) - wanted)).toBeLessThanOrEqual(0.5 + 1e-9);
      });
    }),
  );
});

test('blur spreads a point as a Gaussian does, keeps an even picture even, and changes no mean inside', () => {
  const shape = { width: 21, height: 21, channels: 1 };
  const pixels = new Uint8Array(441);
  pixels[10 * 21 + 10] = 255;
  blur(pixels, shape, 1, new Uint16Array(441));
  expect(pixels[10 * 21 + 10]).toBeCloseTo((255 * 1) / (2 * Math.PI), -0.5);
  expect(pixels[10 * 21 + 11]).toBe(pixels[11 * 21 + 10]);
  expect(pixels[9 * 21 + 9]).toBe(pixels[11 * 21 + 11]);
  expect(Math.abs(pixels.reduce((sum, value) => sum + value, 0) - 255)).toBeLessThan(12);
  fc.assert(
    fc.property(shapes, fc.double({ min: 0, max: 10, noNaN: true }), fc.nat(255), (any, sigma, level) => {
      const even = new Uint8Array(any.width * any.height * any.channels).fill(level);
      blur(even, any, sigma, new Uint16Array(even.length));
      expect(even.every((value) => value === level)).toBe(true);
    }),
  );
  for (const sigma of [0.29, 0.5, 1, 3, 10]) {
    const [centre = 0, ...sides] = blurWeights(sigma);
    expect(centre + 2 * sides.reduce((sum, weight) => sum + weight, 0)).toBe(256);
    expect(centre).toBeGreaterThanOrEqual(sides[0] ?? 0);
  }
});

test('noise has the deviation asked for and no bias', () => {
  const pixels = new Uint8Array(40_000).fill(128);
  addNoise(pixels, 8, seededRandom(1));
  const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
  const deviation = Math.sqrt(pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0) / pixels.length);
  expect(Math.abs(mean - 128)).toBeLessThan(0.2);
  expect(Math.abs(deviation - 8)).toBeLessThan(0.2);
  const black = new Uint8Array(400);
  addNoise(black, 60, seededRandom(1));
  expect(black.filter((value) => value === 0).length).toBeGreaterThan(100);
  expect(Math.max(...black)).toBeLessThan(200);
});

test('rectangles cover no more than they may and nothing outside the frame', () => {
  fc.assert(
    fc.property(shapes, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), (shape, size, seed) => {
      const pixels = speckled(shape);
      const before = [...pixels];
      occlude(pixels, shape, 1, size, seededRandom(seed));
      expect(pixels.length).toBe(before.length);
      const changed = before.filter((value, at) => value !== pixels[at]).length / shape.channels;
      expect(changed).toBeLessThanOrEqual(Math.round(size * shape.width) * Math.round(size * shape.height) + 1e-9);
    }),
  );
  const shape = { width: 10, height: 10, channels: 1 };
  const covered = Array.from({ length: 20 }, (_, seed) => {
    const pixels = new Uint8Array(100);
    occlude(pixels, shape, 2, 0.9, seededRandom(seed));
    return pixels.filter((value) => value > 0).length;
  });
  expect(Math.max(...covered)).toBeGreaterThan(20);
});
