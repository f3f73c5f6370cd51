import { expect, test } from 'vitest';
import { seededRandom } from '@serin/inference/random';
import { designLight } from '@serin/inference/bin-scene/parameters';
import type { Clock } from './ports.ts';
import { createRenderedCamera } from './rendered-camera.ts';

const never = new AbortController().signal;

/** A clock that stands still until somebody sleeps. */
function manualClock(): Clock & { advance(durationMs: number): void } {
  let at = 0;
  return {
    now: () => at,
    elapsed: () => at,
    sleep: async (durationMs) => {
      at += durationMs;
    },
    advance: (durationMs) => {
      at += durationMs;
    },
  };
}

const open = (clock: Clock, seed = 1) => createRenderedCamera({ fps: 10, light: () => designLight, clock, random: seededRandom(seed) });

test('frames come at the pace of the camera, with what is really on them', async () => {
  const clock = manualClock();
  const camera = open(clock);
  const times: number[] = [];
  for (let index = 0; index < 4; index++) {
    const frame = await camera.next(never);
    times.push(frame?.capturedAt ?? Number.NaN);
    expect(frame?.truth).toMatchObject({ origin: 'simulated-annotator' });
    expect(frame?.truth !== undefined && 'objects' in frame.truth && frame.truth.objects.length).toBeGreaterThan(0);
  }
  expect(times).toEqual([0, 100, 200, 300]);
  expect(camera.takeSkipped()).toBe(0);
});

test('who is late gets the newest frame, and the ones passed over are counted once', async () => {
  const clock = manualClock();
  const camera = open(clock);
  await camera.next(never);
  clock.advance(450);
  expect((await camera.next(never))?.capturedAt).toBe(400);
  expect(camera.takeSkipped()).toBe(3);
  expect(camera.takeSkipped()).toBe(0);
});

test('how many frames passed is known before the next one is asked for', async () => {
  const clock = manualClock();
  const camera = open(clock);
  clock.advance(1_000);
  expect(camera.takeSkipped()).toBe(10);
  expect((await camera.next(never))?.capturedAt).toBe(1_000);
  expect(camera.takeSkipped()).toBe(0);
});

test('a closed camera, or an ended wait, gives no frame', async () => {
  const camera = open(manualClock());
  expect(await camera.next(AbortSignal.abort())).toBeUndefined();
  await camera.close();
  expect(await camera.next(never)).toBeUndefined();
});

test('the same seed renders the same frames', async () => {
  const [first, second] = [open(manualClock(), 7), open(manualClock(), 7)];
  for (let index = 0; index < 3; index++) expect((await first.next(never))?.pixels).toEqual((await second.next(never))?.pixels);
});
