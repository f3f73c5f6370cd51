import fc from 'fast-check';
import { expect, test } from 'vitest';
import { confidenceBins, type Profile } from '@serin/protocol/bundle/profile';
import { encode } from '@serin/protocol/codec';
import { bootId, digest, modelName } from '@serin/protocol/ids';
import { embeddingFeaturesMax, statisticsPerWindowMax, telemetryBytesMax } from '@serin/protocol/limits';
import { telemetryWindow } from '@serin/protocol/messages/telemetry';
import { classTotals, CONFIDENCE_BINS, emptyClassConfidence } from '@serin/stats/class-confidence';
import { areMoments } from '@serin/stats/embedding-moments';
import { emptyCounts, totalCount } from '@serin/stats/histogram';
import { WindowAccumulator, type RunFrame } from './telemetry.ts';
import { testProfile } from './testing/models.ts';

const subject = {
  model: modelName.parse('picker'),
  version: 3,
  manifest: digest.parse('b'.repeat(64)),
  labels: 3,
  profile: { ...testProfile, classConfidence: emptyClassConfidence(3) },
  embeddingWidth: 2,
};
const start = 1_000_000;

const value = fc.oneof(fc.double({ min: -10, max: 300, noNaN: true }), fc.constantFrom(Number.NaN, Infinity, 0, 50, 200));
const answer = fc.oneof(
  fc.record({
    finite: fc.constant(true),
    confidence: fc.double({ min: 0, max: 1, noNaN: true }),
    seen: fc.array(fc.record({ label: fc.nat(2), score: fc.double({ min: 0, max: 1, noNaN: true }) }), { maxLength: 6 }),
    isRight: fc.option(fc.boolean(), { nil: undefined }),
  }),
  fc.constant({ finite: false, confidence: 0, seen: [], isRight: undefined }),
);
const frame: fc.Arbitrary<RunFrame> = fc
  .record({
    latencyMs: fc.double({ min: 0, max: 1e5, noNaN: true }),
    isLate: fc.boolean(),
    image: fc.record({ brightness: value, contrast: value, sharpness: value }),
    embedding: fc.oneof(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 2 }), fc.constant([Number.NaN, 0])),
    answer,
  })
  .map(({ answer: said, ...rest }) => ({ ...rest, ...said }));

test('whatever is seen, the window follows the wire schema and its parts add up', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(frame, fc.constant('failure' as const), fc.nat(5))), (events) => {
      const accumulator = new WindowAccumulator(subject, start);
      for (const event of events) {
        if (event === 'failure') accumulator.countFailure();
        else if (typeof event === 'number') accumulator.countSkipped(event);
        else accumulator.countRun(event);
      }
      const runs = events.filter((event): event is RunFrame => typeof event === 'object');
      const window = accumulator.take(start + 500);
      if (window === undefined) {
        expect(events.every((event) => event === 0)).toBe(true);
        return;
      }
      expect(telemetryWindow.safeParse({ ...window, boot: 'b', seq: 0 }).error).toBeUndefined();
      const { counters } = window;
      expect(counters.run).toBe(runs.length);
      expect(counters.frames).toBe(counters.run + counters.failed);
      expect(window.latencyMs.count).toBe(counters.run);
      expect(totalCount(window.labels)).toBe(runs.reduce((sum, { seen }) => sum + seen.length, 0));
      expect(classTotals(window.classConfidence ?? [])).toEqual(window.labels);
      expect(window.embedding !== undefined && areMoments(window.embedding)).toBe(true);
      expect(counters.nonFinite).toBeGreaterThanOrEqual(counters.run - (window.embedding?.count ?? 0));
      expect(counters.wrong).toBeLessThanOrEqual(counters.judged);
      for (const statistic of window.statistics) expect(totalCount(statistic.counts)).toBe(counters.run);
    }),
    { numRuns: 300 },
  );
});

test('statistics are counted in the frozen bins, their sums beside', () => {
  const accumulator = new WindowAccumulator(subject, start);
  const seen = [10, 60, 60, 199, 250];
  for (const brightness of seen) {
    accumulator.countRun({
      latencyMs: 1,
      isLate: false,
      image: { brightness, contrast: 0, sharpness: 0 },
      finite: true,
      confidence: 0.75,
      seen: [
        { label: 1, score: 0.75 },
        { label: 1, score: 0.62 },
      ],
      embedding: [1, 0],
      isRight: undefined,
    });
  }
  const window = accumulator.take(start + 1);
  expect(window?.statistics.map(({ name }) => name)).toEqual(['brightness', 'confidence', 'sharpness']);
  expect(window?.statistics[0]).toEqual({
    name: 'brightness',
    counts: [0, 1, 2, 1, 1, 0],
    sum: 579,
    sumSquares: seen.reduce((sum, one) => sum + one * one, 0),
  });
  expect(window?.statistics[1]?.counts).toEqual([0, 0, 5, 0, 0]);
  expect(window?.labels).toEqual([0, 10, 0]);
  expect(window?.classConfidence?.slice(CONFIDENCE_BINS, 2 * CONFIDENCE_BINS)).toEqual([0, 0, 0, 0, 0, 0, 5, 5, 0, 0]);
  expect(window?.embedding).toEqual({ count: 5, sum: [5, 0], squares: 5 });
});

const plainFrame: RunFrame = { latencyMs: 1, isLate: false, finite: true, confidence: 0.9, seen: [{ label: 2, score: 0.9 }], isRight: undefined };

test('an embedding that is promised and does not come, or is not finite, is left out and counts as not a number', () => {
  const accumulator = new WindowAccumulator(subject, start);
  for (const embedding of [undefined, Float32Array.of(1), Float32Array.of(Infinity, 0), Float32Array.of(0.5, 0.5)]) {
    accumulator.countRun({ ...plainFrame, embedding });
  }
  const window = accumulator.take(start + 1);
  expect(window?.counters).toMatchObject({ run: 4, nonFinite: 3 });
  expect(window?.embedding).toEqual({ count: 1, sum: [0.5, 0.5], squares: 0.5 });
  expect(window?.labels).toEqual([0, 0, 4]);
});

test('each window counts from nothing, and keeps what it had when it was taken', () => {
  const accumulator = new WindowAccumulator(subject, start);
  accumulator.countRun({ ...plainFrame, embedding: [1, 0] });
  const first = accumulator.take(start + 1);
  accumulator.countRun({ ...plainFrame, embedding: [0, 1] });
  const second = accumulator.take(start + 2);
  for (const window of [first, second]) expect(totalCount(window?.classConfidence ?? [])).toBe(1);
  expect([first?.embedding?.sum, second?.embedding?.sum]).toEqual([
    [1, 0],
    [0, 1],
  ]);
});

test('class by confidence is counted where the profile has it for as many classes, an embedding where the model puts one out', () => {
  const without: (Profile | undefined)[] = [undefined, testProfile, { ...testProfile, classConfidence: emptyClassConfidence(2) }];
  for (const profile of without) {
    const accumulator = new WindowAccumulator({ ...subject, profile, embeddingWidth: undefined }, start);
    accumulator.countRun(plainFrame);
    const window = accumulator.take(start + 1);
    expect(window?.counters).toMatchObject({ run: 1, nonFinite: 0 });
    expect([window?.classConfidence, window?.embedding]).toEqual([undefined, undefined]);
  }
});

test('the largest window that a model can have fits into one message', () => {
  expect(CONFIDENCE_BINS).toBe(confidenceBins);
  const labels = 100;
  const edges = Array.from({ length: 33 }, (_, edge) => edge / 32);
  const statistics = Array.from({ length: statisticsPerWindowMax }, (_, index) => ({
    name: `column/${String(index).padStart(80, 'a')}`,
    edges,
    counts: emptyCounts(edges),
    mean: 0,
    deviation: 0,
    nullPsi: [],
  }));
  const profile = { ...testProfile, statistics, classConfidence: emptyClassConfidence(labels) };
  const accumulator = new WindowAccumulator({ ...subject, labels, profile, embeddingWidth: embeddingFeaturesMax }, start);
  const embedding = Float32Array.from({ length: embeddingFeaturesMax }, (_, feature) => Math.cos(feature) / 16);
  for (let frame = 0; frame < 20_000; frame++) {
    const record = new Map(statistics.map(({ name }) => [name, (frame % 101) / 100]));
    const seen = [{ label: frame % labels, score: (frame % 77) / 77 }];
    accumulator.countRun({ ...plainFrame, latencyMs: 1 + (frame % 997), record, seen, embedding });
  }
  const window = accumulator.take(start + 300_000);
  if (window === undefined) throw new Error('a window was counted');
  const bytes = encode('tel', { v: 1, boot: bootId.parse('b'), seq: 1, ts: start, dropped: 0, windows: [{ ...window, boot: bootId.parse('b'), seq: 0 }] });
  expect(bytes.length).toBeLessThan(telemetryBytesMax / 2);
});

test('an answer that is not finite is no label, counts as not a number and is not judged', () => {
  const accumulator = new WindowAccumulator(subject, start);
  const image = { brightness: 60, contrast: 0, sharpness: 0 };
  accumulator.countRun({ latencyMs: 1, isLate: true, image, finite: false, confidence: 0, seen: [], isRight: undefined, embedding: [1, 0] });
  const window = accumulator.take(start + 1);
  expect(window?.counters).toMatchObject({ run: 1, nonFinite: 1, deadlineMissed: 1, judged: 0, wrong: 0 });
  expect(window?.statistics[1]).toEqual({ name: 'confidence', counts: [0, 0, 0, 0, 1], sum: 0, sumSquares: 0 });
});

test('the next window begins where the last one ended, from nothing; one without frames is none', () => {
  const accumulator = new WindowAccumulator(subject, start + 0.7);
  accumulator.countSkipped(2);
  expect(accumulator.take(start + 10.9)).toMatchObject({ from: start, to: start + 10, counters: { frames: 0, skipped: 2 } });
  expect(accumulator.take(start + 20)).toBeUndefined();
  accumulator.countFailure();
  expect(accumulator.take(start + 5)).toMatchObject({ from: start + 20, to: start + 20, counters: { frames: 1, failed: 1, skipped: 0 } });
});
