import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { compose, identity, invert, place, type Affine } from './placement.ts';
import { warp, type Border } from './warp.ts';

const shapes = fc.record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }), channels: fc.constantFrom(1, 3) });
const borders = fc.constantFrom<Border>('edge', 'reflect', 0, 77);
const entry = fc.double({ min: -3, max: 3, noNaN: true });
const affines: fc.Arbitrary<Affine> = fc
  .record({ a: entry, b: entry, c: fc.double({ min: -12, max: 12, noNaN: true }), d: entry, e: entry, f: fc.double({ min: -12, max: 12, noNaN: true }) })
  .filter(({ a, b, d, e }) => Math.abs(a * e - b * d) > 0.05);
const speckled = (size: number, seed: number): Uint8Array => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: size }, () => random.integer(256));
};

/** The definition, slowly: where each pixel comes from, and the four around it weighed. */
function slowWarp(
  source: Uint8Array,
  { width, height, channels }: { width: number; height: number; channels: number },
  forward: Affine,
  border: Border,
): number[] {
  const back = invert(forward);
  const mirrored = (index: number, size: number): number => {
    let at = index;
    while (at < 0 || at >= size) at = at < 0 ? -1 - at : 2 * size - 1 - at;
    return at;
  };
  const tap = (row: number, column: number, channel: number): number => {
    const outside = row < 0 || row >= height || column < 0 || column >= width;
    if (outside && typeof border === 'number') return border;
    const clamp = (index: number, size: number): number => (border === 'reflect' ? mirrored(index, size) : Math.min(size - 1, Math.max(0, index)));
    return source[(clamp(row, height) * width + clamp(column, width)) * channels + channel] ?? Number.NaN;
  };
  const values: number[] = [];
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const from = place(back, { x: column + 0.5, y: row + 0.5 });
      const [x, y] = [from.x - 0.5, from.y - 0.5];
      const [left, top] = [Math.floor(x), Math.floor(y)];
      for (let channel = 0; channel < channels; channel += 1) {
        const above = tap(top, left, channel) * (1 - x + left) + tap(top, left + 1, channel) * (x - left);
        const below = tap(top + 1, left, channel) * (1 - x + left) + tap(top + 1, left + 1, channel) * (x - left);
        values.push(above * (1 - y + top) + below * (y - top));
      }
    }
  }
  return values;
}

test('any transform draws what its definition says, to the last bits of the weights', () => {
  fc.assert(
    fc.property(shapes, affines, borders, fc.nat(), (shape, affine, border, seed) => {
      const source = speckled(shape.width * shape.height * shape.channels, seed);
      const out = new Uint8Array(source.length);
      warp(source, shape, affine, border, out);
      slowWarp(source, shape, affine, border).forEach((value, at) => expect(Math.abs((out[at] ?? Number.NaN) - value)).toBeLessThan(2.1));
    }),
  );
});

test('nothing beyond the picture is read: what surrounds it in memory does not show', () => {
  fc.assert(
    fc.property(shapes, affines, borders, fc.nat(), fc.uint8Array({ minLength: 2, maxLength: 2 }), (shape, affine, border, seed, [one = 0, other = 0]) => {
      const size = shape.width * shape.height * shape.channels;
      const pixels = speckled(size, seed);
      const drawn = [one, other].map((around) => {
        const memory = new Uint8Array(size + 128).fill(around);
        memory.set(pixels, 64);
        const out = new Uint8Array(size + 128).fill(9);
        warp(memory.subarray(64, 64 + size), shape, affine, border, out.subarray(64, 64 + size));
        expect([...out.subarray(0, 64), ...out.subarray(64 + size)].every((value) => value === 9)).toBe(true);
        return out;
      });
      expect(drawn[0]).toEqual(drawn[1]);
    }),
  );
});

test('flips and right angles move pixels without blending them, and there and back is the same picture', () => {
  const side = 7;
  const source = speckled(side * side * 3, 1);
  const shape = { width: side, height: side, channels: 3 };
  const flip: Affine = { ...identity, a: -1, c: side };
  const turn: Affine = { a: Math.cos(Math.PI / 2), b: -1, c: side, d: 1, e: Math.cos(Math.PI / 2), f: 0 };
  for (const affine of [flip, turn]) {
    const there = new Uint8Array(source.length);
    const back = new Uint8Array(source.length);
    warp(source, shape, affine, 0, there);
    expect(there).not.toEqual(source);
    warp(there, shape, invert(affine), 0, back);
    expect(back).toEqual(source);
  }
  const turned = new Uint8Array(source.length);
  warp(source, shape, turn, 0, turned);
  // The first row of the picture is the last column of the turned one.
  for (let at = 0; at < side; at += 1) expect(turned[(at * side + side - 1) * 3]).toBe(source[at * 3]);
});

test('a transform after its inverse changes no place, and composition is one after the other', () => {
  fc.assert(
    fc.property(affines, affines, entry, entry, (first, second, x, y) => {
      const there = place(invert(first), place(first, { x, y }));
      expect(there.x).toBeCloseTo(x, 6);
      expect(there.y).toBeCloseTo(y, 6);
      const [once, twice] = [place(compose(first, second), { x, y }), place(second, place(first, { x, y }))];
      expect(once.x).toBeCloseTo(twice.x, 6);
      expect(once.y).toBeCloseTo(twice.y, 6);
    }),
  );
});

test('a box turned by a right angle swaps its sides; one with an angle turns with the picture instead', () => {
  const turn: Affine = { a: 0, b: -1, c: 10, d: 1, e: 0, f: 0 };
  const box = { label: 3, x: 4, y: 2, width: 6, height: 2 };
  expect(place(turn, box)).toEqual({ label: 3, x: 8, y: 4, width: 2, height: 6 });
  const slanted = place(turn, { ...box, angle: 0.25 });
  expect(slanted.angle).toBeCloseTo(0.25 + Math.PI / 2, 12);
  expect([slanted.width, slanted.height]).toEqual([expect.closeTo(6, 12), expect.closeTo(2, 12)]);
});

test('a flip mirrors an angle, and an uneven scale bends it', () => {
  const flipped = place({ ...identity, a: -1, c: 10 }, { x: 1, y: 2, angle: 0.5 });
  expect([flipped.x, flipped.y]).toEqual([9, 2]);
  expect(flipped.angle).toBeCloseTo(Math.PI - 0.5, 12);
  expect(place({ ...identity, a: 2 }, { x: 1, y: 2, angle: Math.PI / 4 }).angle).toBeCloseTo(Math.atan(0.5), 12);
});
