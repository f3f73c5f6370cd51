import type { Clock } from '@serin/device/ports';
import { asSerinError } from '@serin/protocol/errors';
import { renewAt, validityOf, type Identity } from './identity.ts';
import type { Log } from './log.ts';

export interface RenewalOptions {
  identity(): Identity;
  /** Over mTLS, with the present one. */
  renew(identity: Identity): Promise<Identity>;
  /** Kept durably, then used from the next connection on. */
  adopt(identity: Identity): Promise<void>;
  clock: Clock;
  random(): number;
  log: Log;
}

export interface Renewal {
  start(): void;
  stop(): Promise<void>;
}

/** Clocks jump and machines sleep: the time that is left is looked at anew at least this often. */
const lookMs = 3_600_000;
const retryMs = 60_000;

/** Renews the certificate when two thirds of its life are over, and tries on until that succeeds. */
export function createRenewal({ identity, renew, adopt, clock, random, log }: RenewalOptions): Renewal {
  let stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const dueInMs = renewAt(validityOf(identity().certificatePem)) - clock.now();
      const waitMs = failures === 0 ? dueInMs : Math.min(lookMs, retryMs * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2);
      if (waitMs > 0) await clock.sleep(Math.min(waitMs, lookMs), signal);
      if (signal.aborted || (failures === 0 && waitMs > lookMs)) continue;
      try {
        await adopt(await renew(identity()));
        failures = 0;
        log.info({ until: new Date(validityOf(identity().certificatePem).until).toISOString() }, 'certificate renewed');
      } catch (thrown) {
        failures++;
        const { code, message, hint } = asSerinError(thrown);
        log.warn({ code, detail: message, hint }, 'certificate not renewed');
      }
    }
  }

  return {
    start() {
      stopping = new AbortController();
      running ??= run(stopping.signal);
    },
    async stop() {
      stopping.abort();
      await running;
      running = undefined;
    },
  };
}
