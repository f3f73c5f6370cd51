import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digest, modelName } from '@serin/protocol/ids';
import { telemetryWindow } from '@serin/protocol/messages/telemetry';
import { totalCount } from '@serin/stats/histogram';
import { WindowAccumulator, type RunFrame } from './telemetry.ts';
import { testProfile } from './testing/models.ts';

const subject = { model: modelName.parse('picker'), version: 3, manifest: digest.parse('b'.repeat(64)), labels: 3, profile: testProfile };
const start = 1_000_000;

const value = fc.oneof(fc.double({ min: -10, max: 300, noNaN: true }), fc.constantFrom(Number.NaN, Infinity, 0, 50, 200));
const answer = fc.oneof(
  fc.record({
    finite: fc.constant(true),
    confidence: fc.double({ min: 0, max: 1, noNaN: true }),
    labels: fc.array(fc.nat(2), { maxLength: 6 }),
    isRight: fc.option(fc.boolean(), { nil: undefined }),
  }),
  fc.constant({ finite: false, confidence: 0, labels: [], isRight: undefined }),
);
const frame: fc.Arbitrary<RunFrame> = fc
  .record({
    latencyMs: fc.double({ min: 0, max: 1e5, noNaN: true }),
    isLate: fc.boolean(),
    image: fc.record({ brightness: value, contrast: value, sharpness: value }),
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
      expect(totalCount(window.labels)).toBe(runs.reduce((sum, { labels }) => sum + labels.length, 0));
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
      labels: [1, 1],
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
});

test('an answer that is not finite is no label, counts as not a number and is not judged', () => {
  const accumulator = new WindowAccumulator(subject, start);
  const image = { brightness: 60, contrast: 0, sharpness: 0 };
  accumulator.countRun({ latencyMs: 1, isLate: true, image, finite: false, confidence: 0, labels: [], isRight: undefined });
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
