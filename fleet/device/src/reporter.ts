import type { Reported } from '@serin/protocol/messages/reported';
import { Latch } from './latch.ts';
import type { Clock, ControlLink, Unsent } from './ports.ts';

export interface ReporterParts {
  link: ControlLink;
  clock: Clock;
  compose: () => Unsent<Reported>;
  /** Changes closer together than this are told in one report. */
  intervalMs: number;
  /** The same for reports that tell nothing but how far a download is. */
  progressIntervalMs: number;
}

const retryMs = 1_000;

const withoutProgress = (report: Unsent<Reported>): string => JSON.stringify(report, (key, value: unknown) => (key === 'progress' ? undefined : value));

/** Tells what changed, once and not too often; the same again only when asked for. */
export class Reporter {
  readonly #parts: ReporterParts;
  readonly #wakes = new Latch();
  readonly #stopping = new AbortController();
  #isConnected = false;
  #isWanted = false;
  #told = '';
  #toldWithoutProgress = '';
  #toldAt = -Infinity;
  #running: Promise<void> | undefined;

  constructor(parts: ReporterParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakes.wake();
    await this.#running;
  }

  connected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    if (isConnected) this.want();
  }

  changed(): void {
    this.#wakes.wake();
  }

  /** A report even if nothing changed. */
  want(): void {
    this.#isWanted = true;
    this.#wakes.wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (this.#isConnected) await this.#tell(signal);
      if (!signal.aborted) await this.#wakes.wait();
    }
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { link, clock, compose, intervalMs, progressIntervalMs } = this.#parts;
    while (this.#isConnected && !signal.aborted) {
      const report = compose();
      const text = JSON.stringify(report);
      if (!this.#isWanted && text === this.#told) return;
      const isProgress = !this.#isWanted && withoutProgress(report) === this.#toldWithoutProgress;
      const waitMs = this.#toldAt + (isProgress ? progressIntervalMs : intervalMs) - clock.elapsed();
      if (waitMs > 0) {
        await clock.sleep(Math.min(waitMs, intervalMs), signal);
        continue;
      }
      const wasWanted = this.#isWanted;
      this.#isWanted = false;
      try {
        await link.report(report);
        this.#told = text;
        this.#toldWithoutProgress = withoutProgress(report);
        this.#toldAt = clock.elapsed();
      } catch {
        // Down, most likely: the next connection asks again.
        this.#isWanted ||= wasWanted;
        this.#told = '';
        if (this.#isConnected) await clock.sleep(retryMs, signal);
      }
    }
  }
}
