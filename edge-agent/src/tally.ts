import type { RawWindow, Runner } from '@serin/device/ports';
import type { WindowCounters } from '@serin/protocol/messages/telemetry';

export interface Tally {
  /** Since the start of this process. */
  counters: WindowCounters;
  latencySumMs: number;
  latencyCount: number;
}

export const createTally = (): Tally => ({
  counters: { frames: 0, run: 0, skipped: 0, failed: 0, deadlineMissed: 0, nonFinite: 0, judged: 0, wrong: 0 },
  latencySumMs: 0,
  latencyCount: 0,
});

function add(tally: Tally, { counters, latencyMs }: RawWindow): void {
  for (const key of Object.keys(tally.counters) as (keyof WindowCounters)[]) tally.counters[key] += counters[key];
  tally.latencySumMs += latencyMs.sum;
  tally.latencyCount += latencyMs.count;
}

/** The runner, with its windows counted as they pass. */
export const tallied = (runner: Runner, tally: Tally): Runner => ({
  ...runner,
  start: (handlers) =>
    runner.start({
      ...handlers,
      window(window) {
        add(tally, window);
        handlers.window(window);
      },
    }),
});
