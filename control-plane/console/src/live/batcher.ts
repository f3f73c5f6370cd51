export interface Batcher<Item> {
  push: (item: Item) => void;
  stop: () => void;
}

export interface BatcherOptions<Item> {
  /** At most one flush in this time; the first of a quiet spell goes at once. */
  everyMs: number;
  now: () => number;
  later: (run: () => void, ms: number) => () => void;
  flush: (items: Item[]) => void;
}

/** Gathers what comes in bursts into at most one flush per `everyMs`. */
export function createBatcher<Item>({ everyMs, now, later, flush }: BatcherOptions<Item>): Batcher<Item> {
  let waiting: Item[] = [];
  let lastAt = -Infinity;
  let cancel: (() => void) | null = null;

  const run = (): void => {
    cancel = null;
    const items = waiting;
    waiting = [];
    lastAt = now();
    flush(items);
  };

  return {
    push: (item) => {
      waiting.push(item);
      if (cancel === null) cancel = later(run, Math.max(0, lastAt + everyMs - now()));
    },
    stop: () => {
      cancel?.();
      cancel = null;
      waiting = [];
    },
  };
}
