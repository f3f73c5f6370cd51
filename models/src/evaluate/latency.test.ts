import fc from 'fast-check';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats } from '../onnx/graph.ts';
import { writeModel } from '../onnx/model-file.ts';
import { measureLatency, type LatencyCandidate, type LatencyOptions } from './latency.ts';
import { knownQuantile, medianEstimate } from './latency-figures.ts';
import { measureMemory } from './memory.ts';

/** A product with so many weights, of 4 bytes each. */
function candidate(name: string, side: number): LatencyCandidate {
  const builder = createGraphBuilder(name);
  const weights = builder.constant(
    floats(
      [side, side],
      Array.from({ length: side * side }, (_, index) => index % 7),
    ),
  );
  builder.output(builder.add('MatMul', [builder.input('x', 'float32', [1, side]), weights]), 'float32', [1, side]);
  const queries = [1, 2, 3].map((value) => ({ x: floats([1, side], new Float32Array(side).fill(value)) }));
  return { name, model: writeModel(createModel(builder.finish())), queries };
}

const [small, other] = [candidate('small', 8), candidate('other', 16)];

/** A clock that goes on by so much whenever it is looked at. */
const clock = (stepMs: number): (() => number) => {
  let at = 0;
  return () => (at += stepMs);
};
const measured = (options: LatencyOptions) => measureLatency([small, other], { memory: false, ...options });

test('it asks until there were queries and time enough', async () => {
  const byCount = await measured({ now: clock(1), queriesMin: 320, timeMsMin: 5 });
  expect(byCount.models.map(({ name, queries }) => [name, queries])).toEqual([
    ['small', 320],
    ['other', 320],
  ]);
  // A round is five looks at the clock: two a query, one whether it is time.
  const byTime = await measured({ now: clock(1), queriesMin: 10, timeMsMin: 100 });
  expect(byTime.models[0]?.queries).toBe(40);
});

test('neither slow nor fast models take longer than there is time for', async () => {
  const slow = await measured({ now: clock(1000), timeMsMax: 5000 });
  expect(slow.models[0]?.queries).toBe(2);
  const fast = await measured({ now: clock(0.001), queriesMin: 10, queriesMax: 50 });
  expect(fast.models[0]?.queries).toBe(50);
});

test('figures are of the queries, those that are not known are not told, and the machine is named', async () => {
  const { models, ratios, machine, notes } = await measured({ now: clock(2), queriesMin: 40, timeMsMin: 1, threads: 1 });
  expect(models[0]).toMatchObject({ p50Ms: 2, p90Ms: 2, p99Ms: null, loadMs: 2, queries: 40, threads: 1, memoryBytes: null, modelBytes: small.model.length });
  expect(ratios).toEqual([{ name: 'other', over: 'small', time: { value: 1, low: 1, high: 1 } }]);
  expect(machine.cpu).not.toBe('');
  expect(machine).toMatchObject({ threads: 1, runtime: expect.stringMatching(/^onnxruntime-node \d/) as string });
  expect(notes).toEqual(['too few queries for the 99th percentile: small 40, other 40']);
});

test('it can be cancelled, and a model without input or that does not load is told', async () => {
  const cancel = new AbortController();
  await expect(measured({ signal: cancel.signal, onProgress: (fraction) => fraction > 0 && cancel.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(measureLatency([{ ...small, queries: [] }])).rejects.toMatchObject({ code: 'TRAINING_DATA_INSUFFICIENT' });
  await expect(measureLatency([{ ...small, model: Uint8Array.of(1, 2, 3) }])).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' });
});

test('a process that reads a model grows at least by its weights, and one that fails says why', async () => {
  const large = candidate('large', 2048);
  const [bytes, failed] = await Promise.all([
    measureMemory(large.model, large.queries, { threads: 1 }),
    measureMemory(Uint8Array.of(1, 2, 3), [], { threads: 1 }),
  ]);
  expect(bytes).toBeGreaterThan(2048 * 2048 * 4);
  expect(bytes).toBeLessThan(20 * 2048 * 2048 * 4);
  expect(failed).toEqual(expect.any(String));
  await expect(measureMemory(small.model, [], { threads: 1, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(await measureMemory(small.model, small.queries, { threads: 1, timeMsMax: 1 })).toBe('it had not answered in time');
});

test('a quantile is one of the values, with enough on both sides, and unknown where none can be expected beyond it', () => {
  const values = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(values, fc.constantFrom(0.5, 0.9, 0.99), (list, share) => {
      const sorted = list.toSorted((a, b) => a - b);
      const found = knownQuantile(sorted, share);
      const needed = Math.ceil(Math.log(0.05) / Math.log(share));
      if (sorted.length < needed) expect(found).toBeNull();
      else {
        expect(sorted.filter((value) => value <= (found ?? -1)).length).toBeGreaterThanOrEqual(share * sorted.length);
        expect(sorted.filter((value) => value < (found ?? -1)).length).toBeLessThanOrEqual(share * sorted.length);
      }
    }),
  );
  expect([298, 299].map((count) => knownQuantile(new Float64Array(count).fill(3), 0.99))).toEqual([null, 3]);
});

test('the interval of a median holds the true one at least as often as it says', () => {
  const random = seededRandom(1);
  expect(medianEstimate([1, 2, 3, 4, 5])).toBeNull();
  expect(medianEstimate([1, 2, 3, 4, 5, 9])).toEqual({ value: 3.5, low: 1, high: 9 });
  for (const count of [6, 25, 80]) {
    let holds = 0;
    for (let run = 0; run < 1000; run += 1) {
      const found = medianEstimate(Array.from({ length: count }, () => random.uniform() ** 3));
      if (found !== null && found.low <= 0.125 && found.high >= 0.125) holds += 1;
    }
    expect(holds).toBeGreaterThan(935);
  }
});
