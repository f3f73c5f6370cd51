import { expect, test } from 'vitest';
import type { Profile } from '@serin/protocol/bundle/profile';
import { digest, modelName } from '@serin/protocol/ids';
import { DDSketch } from '@serin/stats/dd-sketch';
import type { RawWindow } from '@serin/device/ports';
import { evidenceShare, startDriftWatch, stepDriftWatch, type DriftWatch } from './drift-watch.ts';

const profile: Profile = {
  v: 1,
  framesPerWindow: 60,
  assumption: 'none',
  statistics: [
    {
      name: 'brightness',
      edges: [0, 1, 2, 3],
      counts: [0, 100, 100, 100, 0, 0],
      mean: 1.5,
      deviation: 0.9,
      nullPsi: Array.from({ length: 400 }, (_, index) => index / 4000 - 0.03),
    },
  ],
};

const windowOf = (counts: number[]): RawWindow => {
  const frames = counts.reduce((sum, count) => sum + count, 0);
  return {
    model: modelName.parse('picker'),
    version: 1,
    manifest: digest.parse('0'.repeat(64)),
    from: 0,
    to: 1000,
    counters: { frames, run: frames, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0 },
    latencyMs: new DDSketch().toData(),
    statistics: [{ name: 'brightness', counts, sum: 0, sumSquares: 0 }],
    labels: [],
  };
};
const calm = windowOf([0, 10, 10, 10, 0, 0]);
const dark = windowOf([25, 5, 0, 0, 0, 0]);
const after = (windows: readonly RawWindow[], from: DriftWatch = startDriftWatch(profile)): DriftWatch =>
  windows.reduce((watch, window) => stepDriftWatch(watch, profile, window), from);

test('small windows are merged to the size of the reference windows before they are judged', () => {
  const half = after([calm]);
  expect(half).toMatchObject({ pendingFrames: 30, statistics: [{ psi: Number.NaN, pending: [0, 10, 10, 10, 0, 0] }] });
  const full = after([calm], half);
  expect(full).toMatchObject({ pendingFrames: 0, statistics: [{ counts: [0, 20, 20, 20, 0, 0], pending: [0, 0, 0, 0, 0, 0] }] });
  expect(full.statistics[0]?.psi).toBeLessThan(0.05);
});

test('a changed light alerts after a few windows, calm ones clear it', () => {
  const darkened = after(Array.from({ length: 12 }, () => dark));
  expect(darkened.statistics[0]?.detector.alert).toBe(true);
  expect(evidenceShare(darkened.statistics[0]!.detector)).toBe(1);
  const calmed = after(
    Array.from({ length: 6 }, () => calm),
    darkened,
  );
  expect(calmed.statistics[0]?.detector.alert).toBe(false);
});

test('a profile without a reference never judges', () => {
  const empty = { ...profile, framesPerWindow: 0 };
  const watch = stepDriftWatch(startDriftWatch(empty), empty, calm);
  expect(watch).toMatchObject({ pendingFrames: 30, statistics: [{ psi: Number.NaN }] });
});
