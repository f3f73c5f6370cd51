import type { Clock } from '../ports.ts';

interface Sleeper {
  dueAt: number;
  wake: () => void;
}

/** Lets everything that is ready run, other tasks of the event loop included. */
export const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Time that passes when a test says so: sleepers wake in order, each with the clock at exactly its time. */
export class VirtualClock implements Clock {
  readonly #startedAt: number;
  #elapsedMs = 0;
  #sleepers: Sleeper[] = [];

  constructor(startedAt = 1_700_000_000_000) {
    this.#startedAt = startedAt;
  }

  now(): number {
    return this.#startedAt + this.#elapsedMs;
  }

  elapsed(): number {
    return this.#elapsedMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper: Sleeper = { dueAt: this.#elapsedMs + Math.max(0, durationMs), wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', wake);
    });
  }

  async advance(durationMs: number): Promise<void> {
    const until = this.#elapsedMs + durationMs;
    await settle();
    for (let next = this.#next(); next !== undefined && next.dueAt <= until; next = this.#next()) {
      this.#elapsedMs = next.dueAt;
      next.wake();
      await settle();
    }
    this.#elapsedMs = until;
  }

  #next(): Sleeper | undefined {
    let earliest: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (earliest === undefined || sleeper.dueAt < earliest.dueAt) earliest = sleeper;
    return earliest;
  }
}
