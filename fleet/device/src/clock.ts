import type { Clock } from './ports.ts';

/** A wall clock and a monotonic one (`Date` and `performance`), with timers, as a device needs them. */
export const createClock = (wall: { now(): number }, monotonic: { now(): number }): Clock => ({
  now: () => wall.now(),
  elapsed: () => monotonic.now(),
  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, durationMs);
      signal?.addEventListener('abort', done);
    }),
});
