import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DDSketch } from './dd-sketch.ts';

const latencyMs = fc.double({ min: 1e-3, max: 1e5, noNaN: true });
const latencies = fc.array(fc.oneof(latencyMs, fc.constant(0)), { minLength: 1, maxLength: 300 });

function sketchOf(values: number[], bucketsMax?: number): DDSketch {
  const sketch = new DDSketch(0.01, bucketsMax);
  for (const value of values) sketch.add(value);
  return sketch;
}

test('a quantile is within alpha of the value at its rank', () => {
  fc.assert(
    fc.property(latencies, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
      const exact = values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;
      const estimate = sketchOf(values).quantile(q);
      expect(Math.abs(estimate - exact)).toBeLessThanOrEqual(0.01 * exact * (1 + 1e-9));
    }),
  );
});

test('merged sketches equal the sketch of all values, also when buckets had to be folded', () => {
  fc.assert(
    fc.property(latencies, latencies, fc.constantFrom(1, 2, 16, 2048), (left, right, bucketsMax) => {
      const merged = sketchOf(left, bucketsMax);
      merged.merge(sketchOf(right, bucketsMax));
      const whole = sketchOf([...left, ...right], bucketsMax).toData();
      const { sum, ...rest } = merged.toData();
      expect({ ...rest, sum: whole.sum }).toEqual(whole);
      expect(Math.abs(sum - whole.sum)).toBeLessThanOrEqual(1e-9 * whole.sum);
      expect(whole.counts.length).toBeLessThanOrEqual(bucketsMax);
    }),
  );
});

test('sketches merge in any order and grouping to the same one, also when buckets had to be folded', () => {
  const some = fc.array(fc.oneof(latencyMs, fc.constant(0)), { maxLength: 60 });
  const together = (bucketsMax: number, ...parts: readonly DDSketch[]): DDSketch => {
    const all = new DDSketch(0.01, bucketsMax);
    for (const part of parts) all.merge(part);
    return all;
  };
  fc.assert(
    fc.property(some, some, some, fc.constantFrom(1, 2, 16, 2048), (a, b, c, bucketsMax) => {
      const [first, second, third] = [sketchOf(a, bucketsMax), sketchOf(b, bucketsMax), sketchOf(c, bucketsMax)];
      const one = together(bucketsMax, together(bucketsMax, first, second), third).toData();
      const other = together(bucketsMax, third, together(bucketsMax, second, first)).toData();
      // Sums are of floats, everything else is counted.
      expect({ ...one, sum: 0 }).toEqual({ ...other, sum: 0 });
      expect(Math.abs(one.sum - other.sum)).toBeLessThanOrEqual(1e-12 * one.sum);
    }),
  );
});

test('a quantile of merged sketches is within alpha too, whatever alpha and however wide the range', () => {
  const wide = fc.double({ min: 1e-9, max: 1e15, noNaN: true });
  fc.assert(
    fc.property(fc.array(wide, { minLength: 1, maxLength: 80 }), fc.array(wide, { maxLength: 80 }), fc.constantFrom(0.005, 0.01, 0.02, 0.1), (a, b, alpha) => {
      const merged = new DDSketch(alpha, 20_000);
      for (const part of [a, b]) {
        const sketch = new DDSketch(alpha, 20_000);
        for (const value of part) sketch.add(value);
        merged.merge(sketch);
      }
      const sorted = [...a, ...b].toSorted((x, y) => x - y);
      for (const q of [0, 0.5, 0.95, 1]) {
        const exact = sorted[Math.floor(q * (sorted.length - 1))]!;
        expect(Math.abs(merged.quantile(q) - exact)).toBeLessThanOrEqual(alpha * exact * (1 + 1e-9));
      }
    }),
  );
});

test('folding costs only the low quantiles', () => {
  const sketch = sketchOf([0.001, ...Array.from({ length: 99 }, (_, i) => 100 + i)], 128);
  expect(sketch.quantile(0.99)).toBeGreaterThan(195);
  expect(sketch.count).toBe(100);
});

test('a sketch survives the wire', () => {
  fc.assert(
    fc.property(fc.oneof(latencies, fc.constant<number[]>([])), (values) => {
      const data = sketchOf(values).toData();
      const back = DDSketch.fromData(JSON.parse(JSON.stringify(data)) as typeof data);
      expect(back.toData()).toEqual(data);
      expect(back.add(5)).toBe(true);
      expect(back.quantile(1)).toBeGreaterThanOrEqual(5 * 0.99);
    }),
  );
});

test('the bucket of a value just below one is 0, not -0, so the wire changes nothing', () => {
  expect(sketchOf([0.995]).toData().offset).toBe(0);
});

test('values that are no latency are left out and said so', () => {
  const sketch = new DDSketch();
  expect([-1, Number.NaN, Infinity, -Infinity].map((value) => sketch.add(value))).toEqual([false, false, false, false]);
  expect(sketch.count).toBe(0);
  expect(sketch.quantile(0.5)).toBeNaN();
});

test('the smallest and the largest number there are survive the wire', () => {
  for (const alpha of [1e-4, 0.01, 0.5]) {
    for (const value of [Number.MIN_VALUE, 1e-9, Number.MAX_VALUE]) {
      const sketch = new DDSketch(alpha);
      sketch.add(value);
      expect(DDSketch.fromData(sketch.toData()).quantile(0.5)).toBe(value);
    }
  }
});

test('counts above a limit feed the share of slow frames', () => {
  const sketch = sketchOf([0, 10, 20, 30, 40]);
  expect(sketch.countAbove(25)).toBe(2);
  expect(sketch.countAbove(-1)).toBe(5);
});

test('sketches that contradict themselves or differ in alpha are refused', () => {
  const good = sketchOf([1, 2, 3]).toData();
  for (const bad of [
    { ...good, count: 4 },
    { ...good, zero: -1, count: 2 },
    { ...good, counts: good.counts.map((count) => count / 2) },
    { ...good, sum: Number.NaN },
    { ...good, alpha: 0 },
    { ...good, offset: 0.5 },
    { ...good, offset: 1e15 },
    { ...good, offset: -(2 ** 53) },
    { ...good, sum: Infinity },
    { ...good, min: 3, max: 1 },
    { ...good, max: Infinity },
    { ...good, alpha: 1e-300 },
    { ...good, alpha: Number.NaN },
    { ...good, zero: 2 ** 53, count: 2 ** 53 + 3 },
    { ...good, counts: [...good.counts, ...Array.from({ length: 3000 }, () => 0)] },
  ]) {
    expect(() => DDSketch.fromData(bad)).toThrow(RangeError);
  }
  expect(() => new DDSketch(0.01).merge(new DDSketch(0.02))).toThrow(/do not merge/);
});
