import { SerinError } from '@serin/protocol/errors';

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new SerinError('CANCELLED', { cause: signal.reason });
}

/** The promise's outcome, or at once CANCELLED; what the promise does later is nobody's concern then. */
export async function orCancelled<Result>(work: Promise<Result> | Result, signal: AbortSignal | undefined): Promise<Result> {
  throwIfCancelled(signal);
  if (signal === undefined || !(work instanceof Promise)) return work;
  let stop = (): void => {};
  const cancelled = new Promise<never>((_, reject) => {
    stop = () => reject(new SerinError('CANCELLED', { cause: signal.reason }));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, cancelled]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
