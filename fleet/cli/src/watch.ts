import { SerinError } from '@serin/protocol/errors';
import type { World } from './world.ts';

const pollMs = 1000;

/** A server that restarts, or is busy, is waited for; a wrong token or name is not. */
const passes = (error: unknown): error is SerinError =>
  error instanceof SerinError && ['SERVER_UNREACHABLE', 'UNAVAILABLE', 'TOO_MANY_REQUESTS', 'DATABASE_UNREACHABLE'].includes(error.code);

/**
 * Asks again until `isDone`; `onChange` sees every state that differs from the last one in `marker`.
 * Undefined when the time is up.
 */
export async function watch<Item>(
  world: World,
  {
    ask,
    isDone,
    marker,
    onChange,
    timeoutMs,
    hint = 'The work goes on in the server; watch it again any time',
  }: {
    ask: () => Promise<Item>;
    isDone: (item: Item) => boolean;
    marker: (item: Item) => string;
    onChange: (item: Item) => void;
    timeoutMs: number;
    hint?: string;
  },
): Promise<Item | undefined> {
  const deadline = world.nowMs() + timeoutMs;
  let last: string | undefined;
  let isAway = false;
  for (;;) {
    try {
      const item = await ask();
      isAway = false;
      if (marker(item) !== last) {
        last = marker(item);
        onChange(item);
      }
      if (isDone(item)) return item;
    } catch (error) {
      if (!passes(error)) throw error;
      if (!isAway) world.err(`${error.code}: ${error.message}; trying again\n`);
      isAway = true;
    }
    if (world.signal.aborted) throw new SerinError('CANCELLED', { detail: 'only the watching', hint });
    if (world.nowMs() >= deadline) return undefined;
    await world.pause(Math.min(pollMs, deadline - world.nowMs()));
  }
}
