import { asSerinError } from '@serin/protocol/errors';
import { windowsPerBatchMax } from '@serin/protocol/limits';
import type { TelemetryWindow } from '@serin/protocol/messages/telemetry';
import { Latch } from './latch.ts';
import type { Clock, ControlLink, Log, Spool } from './ports.ts';

export interface UploadParts {
  link: ControlLink;
  spool: Spool;
  clock: Clock;
  random: () => number;
  log: Log;
  /** Unacknowledged for so long, a batch is sent again. */
  resendMs: number;
}

type WindowId = readonly [boot: string, seq: number];
const keyOf = ([boot, seq]: WindowId): string => `${boot}/${seq}`;
const retryMs = 1_000;

/** Sends what waits in the spool, one batch at a time, until the server says it is committed. */
export class Upload {
  readonly #parts: UploadParts;
  readonly #wakes = new Latch();
  readonly #stopping = new AbortController();
  #isConnected = false;
  #inFlight = new Set<string>();
  #batchMax = windowsPerBatchMax;
  #running: Promise<void> | undefined;
  #timer = new AbortController();

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer.abort();
    this.#wakes.wake();
    await this.#running;
  }

  connected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    // Whether it arrived over the old connection nobody knows: it is sent again, and counted once.
    this.#inFlight.clear();
    this.#timer.abort();
    this.#wakes.wake();
  }

  /** Something was added to the spool. */
  wake(): void {
    if (this.#inFlight.size === 0) this.#wakes.wake();
  }

  async acknowledged(windows: readonly WindowId[]): Promise<void> {
    await this.#parts.spool.acknowledge(windows);
    if (this.#inFlight.size === 0) return;
    for (const window of windows) this.#inFlight.delete(keyOf(window));
    if (this.#inFlight.size > 0) return;
    this.#timer.abort();
    this.#wakes.wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const isUseful = this.#isConnected && this.#parts.spool.waiting() > 0;
      const sent = isUseful ? await this.#sendBatch() : false;
      if (signal.aborted) return;
      if (!sent) await this.#wakes.wait();
      else await this.#acknowledgement();
    }
  }

  /** Until all of the batch is acknowledged, or it is time to send it again. */
  async #acknowledgement(): Promise<void> {
    if (this.#inFlight.size === 0) return;
    const { clock, random, resendMs } = this.#parts;
    this.#timer = new AbortController();
    // One signal suffices: stopping aborts the timer too, and a combined one would be held by the longer-lived for ever.
    await clock.sleep(resendMs * (0.75 + random() / 2), this.#timer.signal);
    this.#inFlight.clear();
  }

  /** False when there was nothing to send. */
  async #sendBatch(): Promise<boolean> {
    const { link, spool, clock } = this.#parts;
    const windows = await spool.peek(this.#batchMax);
    if (windows.length === 0) return false;
    this.#inFlight = new Set(windows.map(({ boot, seq }) => keyOf([boot, seq])));
    try {
      await link.sendWindows(windows, spool.dropped());
      this.#batchMax = windowsPerBatchMax;
      return true;
    } catch (thrown) {
      this.#inFlight.clear();
      const { code } = asSerinError(thrown);
      if (code === 'MESSAGE_TOO_LARGE') await this.#shrink(windows);
      else await clock.sleep(retryMs, this.#stopping.signal);
      return true;
    }
  }

  async #shrink(windows: readonly TelemetryWindow[]): Promise<void> {
    const [only] = windows;
    if (windows.length > 1 || only === undefined) {
      this.#batchMax = Math.max(1, windows.length >> 1);
      return;
    }
    // No message can carry it: it must not hold up the others for ever.
    this.#parts.log('error', 'telemetry window too large', { model: only.model, boot: only.boot, seq: only.seq });
    await this.#parts.spool.acknowledge([[only.boot, only.seq]]);
  }
}
