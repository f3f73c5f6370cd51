import { expect, test } from 'vitest';
import { createBatcher } from './batcher.ts';

function makeClock() {
  let nowMs = 0;
  let due: { at: number; run: () => void }[] = [];
  return {
    now: () => nowMs,
    later: (run: () => void, ms: number) => {
      const entry = { at: nowMs + ms, run };
      due.push(entry);
      return () => {
        due = due.filter((each) => each !== entry);
      };
    },
    advance: (ms: number) => {
      nowMs += ms;
      const ready = due.filter(({ at }) => at <= nowMs);
      due = due.filter(({ at }) => at > nowMs);
      for (const { run } of ready) run();
    },
  };
}

test('a thousand events in a second are four flushes that lose none', () => {
  const clock = makeClock();
  const flushes: number[][] = [];
  const batcher = createBatcher<number>({ everyMs: 250, now: clock.now, later: clock.later, flush: (items) => flushes.push(items) });
  for (let index = 0; index < 1000; index += 1) {
    batcher.push(index);
    clock.advance(1);
  }
  expect(flushes.length).toBeLessThanOrEqual(4);
  clock.advance(250);
  expect(flushes.flat()).toEqual(Array.from({ length: 1000 }, (_, index) => index));
});

test('the first event after a quiet time does not wait', () => {
  const clock = makeClock();
  const flushes: string[][] = [];
  const batcher = createBatcher<string>({ everyMs: 250, now: clock.now, later: clock.later, flush: (items) => flushes.push(items) });
  clock.advance(5000);
  batcher.push('a');
  clock.advance(0);
  expect(flushes).toEqual([['a']]);
});

test('stopped, it flushes nothing any more', () => {
  const clock = makeClock();
  const flushes: string[][] = [];
  const batcher = createBatcher<string>({ everyMs: 250, now: clock.now, later: clock.later, flush: (items) => flushes.push(items) });
  batcher.push('a');
  batcher.stop();
  clock.advance(1000);
  expect(flushes).toEqual([]);
});
