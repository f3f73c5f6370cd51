import { expect, test } from 'vitest';
import { createRounds } from './rounds.ts';

test('a wake during a round leads to another round, and stop waits for the present one', async () => {
  let rounds = 0;
  let release: () => void = () => {};
  const begun: (() => void)[] = [];
  const nextRound = () => new Promise<void>((resolve) => begun.push(resolve));
  const loop = createRounds({
    pollMs: 3_600_000,
    onError: () => {},
    work: async () => {
      rounds++;
      begun.shift()?.();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return false;
    },
  });
  const first = nextRound();
  loop.start();
  await first;
  const second = nextRound();
  loop.wake();
  release();
  await second;
  expect(rounds).toBe(2);
  let isStopped = false;
  const stopped = loop.stop().then(() => {
    isStopped = true;
  });
  await Promise.resolve();
  expect(isStopped).toBe(false);
  release();
  await stopped;
  expect(rounds).toBe(2);
});

test('a round that fails is reported and the next one comes', async () => {
  const errors: unknown[] = [];
  let rounds = 0;
  let succeeded: () => void = () => {};
  const success = new Promise<void>((resolve) => {
    succeeded = resolve;
  });
  const loop = createRounds({
    pollMs: 1,
    onError: (error) => errors.push(error),
    work: () => {
      if (rounds++ === 0) throw new Error('once');
      succeeded();
      return Promise.resolve(false);
    },
  });
  loop.start();
  await success;
  await loop.stop();
  expect(errors).toHaveLength(1);
});
