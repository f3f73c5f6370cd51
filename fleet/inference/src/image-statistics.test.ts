import fc from 'fast-check';
import { expect, test } from 'vitest';

import { measureImage } from './image-statistics.ts';

const fresh = () => ({ brightness: 0, contrast: 0, sharpness: 0 });

test('an even picture has its own brightness and neither contrast nor sharpness', () => {
  const statistics = measureImage(new Uint8Array(5 * 4 * 3).fill(90), { width: 5, height: 4, channels: 3 }, fresh());
  expect(statistics.brightness).toBeCloseTo(90, 9);
  expect(statistics.contrast).toBeCloseTo(0, 5);
  expect(statistics.sharpness).toBeCloseTo(0, 9);
});

test('the three numbers agree with their definitions, at any offset', () => {
  const picture = fc
    .record({ width: fc.integer({ min: 3, max: 7 }), height: fc.integer({ min: 3, max: 7 }), channels: fc.constantFrom(1, 3, 4), offset: fc.nat(9) })
    .chain((shape) => {
      const size = shape.offset + shape.width * shape.height * shape.channels;
      return fc.tuple(fc.constant(shape), fc.uint8Array({ minLength: size, maxLength: size }));
    });
  fc.assert(
    fc.property(picture, ([{ offset, ...shape }, pixels]) => {
      const luma = Array.from({ length: shape.height }, (_, row) =>
        Array.from({ length: shape.width }, (__, column) => {
          const at = offset + (row * shape.width + column) * shape.channels;
          return shape.channels === 1 ? (pixels[at] ?? 0) : 0.299 * (pixels[at] ?? 0) + 0.587 * (pixels[at + 1] ?? 0) + 0.114 * (pixels[at + 2] ?? 0);
        }),
      );
      const value = (row: number, column: number): number => luma[row]?.[column] ?? Number.NaN;
      const edges: number[] = [];
      for (let row = 1; row < shape.height - 1; row += 1) {
        for (let column = 1; column < shape.width - 1; column += 1) {
          edges.push(value(row - 1, column) + value(row + 1, column) + value(row, column - 1) + value(row, column + 1) - 4 * value(row, column));
        }
      }
      const mean = (values: number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
      const variance = (values: number[]): number => mean(values.map((one) => (one - mean(values)) ** 2));

      const statistics = measureImage(pixels, shape, fresh(), offset);
      expect(statistics.brightness).toBeCloseTo(mean(luma.flat()), 6);
      expect(statistics.contrast).toBeCloseTo(Math.sqrt(variance(luma.flat())), 4);
      expect(statistics.sharpness).toBeCloseTo(variance(edges), 4);
    }),
  );
});

test('a picture too small for the Laplacian has no sharpness', () => {
  expect(measureImage(Uint8Array.of(0, 255), { width: 2, height: 1, channels: 1 }, fresh())).toEqual({ brightness: 127.5, contrast: 127.5, sharpness: 0 });
});
