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

  /** Jumps from sleeper to sleeper until the condition holds; fails when `limitMs` of this clock have passed. */
  async runUntil(isDone: () => boolean, limitMs = 3_600_000): Promise<void> {
    const until = this.#elapsedMs + limitMs;
    while (!isDone()) {
      // Work that waits for nothing of this clock (digests, signatures) gets its turns first.
      for (let turn = 0; turn < 3 && !isDone(); turn++) await settle();
      if (isDone()) return;
      const next = this.#next();
      if (next === undefined) continue;
      if (next.dueAt > until) throw new Error(`not reached within ${limitMs} ms of virtual time`);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueAt);
      next.wake();
    }
  }

  #next(): Sleeper | undefined {
    let earliest: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (earliest === undefined || sleeper.dueAt < earliest.dueAt) earliest = sleeper;
    return earliest;
  }
}
