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
    { ...good, counts: [...good.counts, ...Array.from({ length: 3000 }, () => 0)] },
  ]) {
    expect(() => DDSketch.fromData(bad)).toThrow(RangeError);
  }
  expect(() => new DDSketch(0.01).merge(new DDSketch(0.02))).toThrow(/do not merge/);
});
