import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addFeatures, addMoments, areMoments, emptyMoments, mmd2, type Moments } from './embedding-moments.ts';
import { drawRandomFeatures, featuresOf } from './random-features.ts';
import { drawNormal, seededRandom } from './seeded-random.ts';

const width = 5;
const row = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: width, maxLength: width });
const rows = (minLength = 0) => fc.array(row, { minLength, maxLength: 30 });

function momentsOf(all: readonly ArrayLike<number>[], features = width): Moments {
  const moments = emptyMoments(features);
  for (const z of all) expect(addFeatures(moments, z)).toBe(true);
  return moments;
}

function merged(...parts: readonly Moments[]): Moments {
  const all = emptyMoments(width);
  for (const part of parts) addMoments(all, part);
  return all;
}

/** As the file promises: 2 n 2^-53 times the sum of sizes. */
function expectSame(left: Moments, right: Moments, all: readonly number[][]): void {
  const bound = (sizes: number): number => 2 * all.length * 2 ** -53 * sizes;
  expect(left.count).toBe(right.count);
  left.sum.forEach((value, i) => expect(Math.abs(value - right.sum[i]!)).toBeLessThanOrEqual(bound(all.reduce((sum, z) => sum + Math.abs(z[i]!), 0))));
  expect(Math.abs(left.squares - right.squares)).toBeLessThanOrEqual(bound(right.squares));
}

test('merged windows are the window of all embeddings within the stated bound, in any order and grouping', () => {
  fc.assert(
    fc.property(rows(), rows(), rows(), (a, b, c) => {
      const all = [...a, ...b, ...c];
      const [first, second, third] = [momentsOf(a), momentsOf(b), momentsOf(c)];
      const whole = momentsOf(all);
      expectSame(merged(merged(first, second), third), whole, all);
      expectSame(merged(third, merged(second, first)), whole, all);
    }),
  );
});

test('the distance from moments is the one over all pairs', () => {
  const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  const within = (all: readonly number[][]): number => {
    let sum = 0;
    all.forEach((x, i) => all.forEach((y, j) => (sum += i === j ? 0 : dot(x, y))));
    return sum / (all.length * (all.length - 1));
  };
  fc.assert(
    fc.property(rows(2), rows(2), (reference, window) => {
      let across = 0;
      for (const x of reference) for (const y of window) across += dot(x, y);
      const expected = within(reference) + within(window) - (2 * across) / (reference.length * window.length);
      expect(mmd2(momentsOf(reference), momentsOf(window))).toBeCloseTo(expected, 9);
    }),
  );
});

test('without a shift the distance is around zero, with one it is far above', () => {
  const features = drawRandomFeatures({ inputs: 4, bandwidth: 2.5, random: seededRandom(1), features: 64 });
  const draw = (seed: number, count: number, shift: number): Moments => {
    const random = seededRandom(seed);
    return momentsOf(
      Array.from({ length: count }, () =>
        featuresOf(
          Array.from({ length: 4 }, () => drawNormal(random) + shift),
          features,
        ),
      ),
      64,
    );
  };
  const reference = draw(1, 2000, 0);
  const calm = Array.from({ length: 60 }, (_, window) => mmd2(reference, draw(window + 2, 50, 0)));
  expect(Math.abs(calm.reduce((sum, distance) => sum + distance, 0) / calm.length)).toBeLessThan(0.003);
  expect(Math.min(...calm)).toBeLessThan(0);
  expect(mmd2(reference, draw(99, 50, 1))).toBeGreaterThan(3 * Math.max(...calm));
});

test('an embedding that is not finite or too short changes nothing', () => {
  const moments = momentsOf([[1, 2, 3, 4, 5]]);
  const before = structuredClone(moments);
  for (const odd of [[1, 2, 3, 4], [1, 2, Number.NaN, 4, 5], [1, 2, 3, 4, Infinity], []]) expect(addFeatures(moments, odd)).toBe(false);
  expect(moments).toEqual(before);
  expect(addFeatures(moments, Float32Array.of(9, 1, 1, 1, 1, 1), 1)).toBe(true);
  expect(moments).toEqual({ count: 2, sum: [2, 3, 4, 5, 6], squares: 60 });
});

test('moments survive the wire, and those that no embeddings can have are told', () => {
  fc.assert(
    fc.property(rows(), (all) => {
      const moments = momentsOf(all);
      expect(JSON.parse(JSON.stringify(moments))).toEqual(moments);
      expect(areMoments(moments)).toBe(true);
    }),
  );
  const good = momentsOf([
    [1, 0, 0, 0, 0],
    [0, 1, 0, 0, 0],
  ]);
  for (const bad of [{ count: -1 }, { count: 0.5 }, { count: 0 }, { squares: -1 }, { squares: 0 }, { squares: Number.NaN }, { squares: Infinity }]) {
    expect(areMoments({ ...good, ...bad })).toBe(false);
  }
  for (const sum of [
    [9, 9, 9, 9, 9],
    [Number.NaN, 0, 0, 0, 0],
    [1e200, 0, 0, 0, 0],
  ])
    expect(areMoments({ ...good, sum })).toBe(false);
});

test('too few embeddings have no distance, other features are refused', () => {
  const [one, two] = [
    momentsOf([[1, 0, 0, 0, 0]]),
    momentsOf([
      [1, 0, 0, 0, 0],
      [0, 1, 0, 0, 0],
    ]),
  ];
  expect(mmd2(one, two)).toBeNaN();
  expect(mmd2(two, emptyMoments(width))).toBeNaN();
  expect(() => mmd2(two, emptyMoments(4))).toThrow(/5 features do not fit moments of 4/);
  expect(() => addMoments(emptyMoments(4), two)).toThrow(RangeError);
});
