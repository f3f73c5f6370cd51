import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { countDistinct, emptyRegisters, estimateDistinct, hashed, hashText, mergeRegisters } from './hashes.ts';
import { addKey, copiesOf, emptyKeys, isExact, mergeKeys } from './key-table.ts';
import {
  addValue,
  emptySketch,
  isSketchExact,
  mergeSketches,
  quantileOf,
  rankErrorMax,
  rankOf,
  weightedValues,
  type QuantileSketch,
} from './quantile-sketch.ts';

const sketchOf = (values: Iterable<number>): QuantileSketch => {
  const sketch = emptySketch();
  for (const value of values) addValue(sketch, value);
  return sketch;
};

/** The largest error of a rank, as a share of all. */
function worstRank(sketch: QuantileSketch, values: Float64Array): number {
  const sorted = Float64Array.from(values).sort();
  const weighted = weightedValues(sketch);
  let worst = 0;
  for (let at = 0; at < sorted.length; at += 97) worst = Math.max(worst, Math.abs(rankOf(weighted, sorted[at] as number) - (at + 1)) / sorted.length);
  return worst;
}

test('up to a thousand numbers quantiles are exact', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, share) => {
        const sketch = sketchOf(values);
        const sorted = values.toSorted((one, other) => one - other);
        const expected = sorted[Math.max(0, Math.ceil(share * values.length) - 1)] as number;
        expect(isSketchExact(sketch)).toBe(true);
        // Zero has two signs, which are one number.
        expect(quantileOf(weightedValues(sketch), share) === expected).toBe(true);
      },
    ),
  );
});

test('of many numbers ranks are wrong by no more than stated, in any order and after merging', () => {
  let beyond = 0;
  for (let seed = 0; seed < 30; seed += 1) {
    const random = seededRandom(`ranks/${seed}`);
    const values = Float64Array.from({ length: 60_000 }, () => Math.exp(random.normal()));
    if (seed % 3 === 1) values.sort();
    const whole = sketchOf(values);
    const merged = [0, 1, 2, 3].map((part) => sketchOf(values.subarray(part * 15_000, (part + 1) * 15_000))).reduce(mergeSketches);
    for (const sketch of [whole, merged]) {
      expect(sketch.count).toBe(60_000);
      expect(sketch.sizes.reduce((sum, size, level) => sum + size * 2 ** level, 0)).toBe(60_000);
      if (worstRank(sketch, values) > rankErrorMax) beyond += 1;
    }
  }
  expect(beyond).toBeLessThanOrEqual(1);
});

test('a sketch stays small however many numbers it has seen', () => {
  const sketch = sketchOf({
    *[Symbol.iterator]() {
      const random = seededRandom('many');
      for (let at = 0; at < 1_000_000; at += 1) yield random.uniform();
    },
  });
  expect(sketch.levels.reduce((sum, values) => sum + values.length, 0)).toBeLessThan(24 * 1024);
});

test('distinct texts are counted within five percent, and merging is that of all', () => {
  for (const count of [10, 1000, 5000, 30_000, 200_000]) {
    const parts = [emptyRegisters(), emptyRegisters()] as const;
    const whole = emptyRegisters();
    for (let at = 0; at < count; at += 1) {
      hashText(`text ${at}`);
      countDistinct(whole, hashed.high, hashed.low);
      countDistinct(parts[at % 2 === 0 ? 0 : 1], hashed.high, hashed.low);
      countDistinct(parts[0], hashed.high, hashed.low);
    }
    expect(mergeRegisters(...parts)).toEqual(whole);
    expect(Math.abs(estimateDistinct(whole) / count - 1)).toBeLessThan(0.05);
  }
});

test('copies are counted exactly while keys fit, and fairly when only a sample of them does', () => {
  const fill = (slotsMax: number, keys: number) => {
    const table = emptyKeys(slotsMax);
    const random = seededRandom('keys');
    for (let row = 0; row < keys; row += 1) {
      const [high, low] = [random.bits(), random.bits()];
      addKey(table, high, low, 0, row);
      if (row % 10 === 0) addKey(table, high, low, 0, keys + row);
    }
    return table;
  };
  const exact = fill(2 ** 18, 20_000);
  expect([isExact(exact), copiesOf(exact), exact.marks.places[0]]).toEqual([true, 2000, [0, 20_000]]);
  const sampled = fill(2 ** 12, 20_000);
  expect(isExact(sampled)).toBe(false);
  expect(sampled.seen.length).toBe(2 ** 12);
  expect(Math.abs(copiesOf(sampled) / 2000 - 1)).toBeLessThan(0.3);
});

test('merged tables have the copies of both and those between them', () => {
  const keys = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 });
  fc.assert(
    fc.property(keys, keys, (one, other) => {
      const tableOf = (values: readonly number[]) => {
        const table = emptyKeys(1024);
        values.forEach((value, row) => addKey(table, value * 7919, value, 0, row));
        return table;
      };
      const merged = mergeKeys(tableOf(one), tableOf(other), 1);
      expect(copiesOf(merged)).toBe(one.length + other.length - new Set([...one, ...other]).size);
    }),
  );
});
