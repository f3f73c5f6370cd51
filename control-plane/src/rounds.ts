export interface Rounds {
  start(): void;
  /** Begins the next round now, or right after the present one. */
  wake(): void;
  /** Resolves when the present round is over. */
  stop(): Promise<void>;
}

export interface RoundsOptions {
  /** One round; true when there is more to do at once. */
  work(): Promise<boolean>;
  onError(error: unknown): void;
  /** Longest wait between rounds: a wake that got lost costs no more than this. */
  pollMs: number;
}

/** Work done again and again, one round after the other, woken by hints and by time. A round that fails is only one round. */
export function createRounds({ work, onError, pollMs }: RoundsOptions): Rounds {
  let stopping = false;
  let isAwake = false;
  let endPause: () => void = () => {};
  let running: Promise<void> = Promise.resolve();

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      if (isAwake || stopping) {
        resolve();
        return;
      }
      const timer = setTimeout(resolve, pollMs);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function run(): Promise<void> {
    while (!stopping) {
      isAwake = false;
      try {
        if (await work()) continue;
      } catch (error) {
        onError(error);
        // A wake must not turn a lasting fault into a busy loop.
        isAwake = false;
      }
      await pause();
    }
  }

  return {
    start() {
      stopping = false;
      running = run();
    },
    wake() {
      isAwake = true;
      endPause();
    },
    async stop() {
      stopping = true;
      endPause();
      await running;
    },
  };
}
