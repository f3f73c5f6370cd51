import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ProfileStatistic } from '@serin/protocol/bundle/profile';
import { correctedPsi } from '@serin/stats/distances';
import { driftRule } from '@serin/stats/drift-detector';
import { countInto, emptyCounts, equalMassEdges, totalCount } from '@serin/stats/histogram';
import { drawNormal, seededRandom } from '@serin/stats/seeded-random';
import { describeMove, feedWatch, newWatch, type Watch } from './judge.ts';

const framesPerWindow = 100;

/** A reference of normal values, with the null windows a packager would make. */
function makeReference(): ProfileStatistic {
  const random = seededRandom(5);
  const values = Array.from({ length: 4000 }, () => drawNormal(random));
  const edges = equalMassEdges(values, 8);
  const countsOf = (draw: () => number, frames: number): number[] => {
    const counts = emptyCounts(edges);
    for (let frame = 0; frame < frames; frame++) countInto(counts, edges, draw());
    return counts;
  };
  const counts = emptyCounts(edges);
  for (const value of values) countInto(counts, edges, value);
  const nullPsi = Array.from({ length: 400 }, () =>
    correctedPsi(
      counts,
      countsOf(() => drawNormal(random), framesPerWindow),
    ),
  ).sort((a, b) => a - b);
  return { name: 'brightness', edges, counts, mean: 0, deviation: 1, nullPsi };
}

const reference = makeReference();
const rule = { ...driftRule, threshold: 1000 };

function feedFrames(watch: Watch, shift: number, random: () => number, frames: number, at: number): Watch {
  const counts = emptyCounts(reference.edges);
  let sum = 0;
  for (let frame = 0; frame < frames; frame++) {
    const value = drawNormal(random) + shift;
    countInto(counts, reference.edges, value);
    sum += value;
  }
  return feedWatch(watch, reference, framesPerWindow, { name: 'brightness', counts, sum, sumSquares: 0 }, at, rule);
}

test('a change of one deviation alarms within a few reference windows and clears when it is over', () => {
  const random = seededRandom(9);
  let watch = newWatch();
  for (let at = 0; at < 40; at++) watch = feedFrames(watch, 0, random, 50, at);
  expect(watch.drift.alert).toBe(false);
  let windows = 0;
  for (; !watch.drift.alert && windows < 40; windows++) watch = feedFrames(watch, 1, random, 50, 40 + windows);
  expect(watch.drift.alert).toBe(true);
  expect(windows).toBeLessThanOrEqual(20);
  // An estimate: chance may put the start of the run a few windows early.
  expect(watch.drift.since).toBeGreaterThanOrEqual(20);
  expect(watch.judged?.mean).toBeGreaterThan(0.5);
  for (let at = 0; at < 40 && watch.drift.alert; at++) watch = feedFrames(watch, 0, random, 50, 100 + at);
  expect(watch.drift.alert).toBe(false);
});

test('how frames are cut into device windows changes when they are judged, never which frames are counted', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 30 }), fc.integer(), (sizes, seed) => {
      const random = seededRandom(seed);
      let watch = newWatch();
      let waiting = 0;
      for (const [at, frames] of sizes.entries()) {
        watch = feedFrames(watch, 0, random, frames, at);
        waiting += frames;
        const pending = totalCount(watch.pending?.counts ?? []);
        if (waiting >= framesPerWindow) {
          expect(pending).toBe(0);
          expect(totalCount(watch.judged?.counts ?? [])).toBe(waiting);
          waiting = 0;
        } else expect(pending).toBe(waiting);
      }
    }),
  );
});

test('feeding leaves the watch before it as it was', () => {
  const random = seededRandom(2);
  const before = feedFrames(newWatch(), 0, random, 30, 0);
  const kept = structuredClone(before);
  feedFrames(before, 0, random, 30, 1);
  expect(before).toEqual(kept);
});

test('what has no value does not move the mean, and is told where its share changed', () => {
  const counts = emptyCounts(reference.edges);
  for (let frame = 0; frame < framesPerWindow; frame++) countInto(counts, reference.edges, frame < 40 ? Number.NaN : 0.5);
  const { judged } = feedWatch(newWatch(), reference, framesPerWindow, { name: 'brightness', counts, sum: 30, sumSquares: 0 }, 0, rule);
  expect(judged?.mean).toBe(0.5);
  expect(describeMove(reference, judged!)).toBe('from 0 % to 40 % without a known value');
  const empty = emptyCounts(reference.edges).with(-1, framesPerWindow);
  const gone = feedWatch(newWatch(), reference, framesPerWindow, { name: 'brightness', counts: empty, sum: 0, sumSquares: 0 }, 0, rule);
  expect(JSON.parse(JSON.stringify(gone))).toEqual(gone);
  expect(describeMove(reference, { counts: reference.counts, mean: 2 })).toBe('from 0.000 to 2.0');
});
