import { expect, test } from 'vitest';
import { createClock } from './clock.ts';

const clock = createClock({ now: () => 1_700_000_000_000 }, { now: () => 42 });
const hourMs = 3_600_000;

test('tells the time of the clocks it was given', () => {
  expect([clock.now(), clock.elapsed()]).toEqual([1_700_000_000_000, 42]);
});

test('sleep ends when its time is over, and early when the signal fires or has fired', async () => {
  await clock.sleep(1);
  const stopping = new AbortController();
  const sleeping = clock.sleep(hourMs, stopping.signal);
  stopping.abort();
  await sleeping;
  await clock.sleep(hourMs, stopping.signal);
});
