import { Cron } from 'croner';
import { SerinError } from '@serin/protocol/errors';

/** Five fields as cron has them, in UTC: clocks that are put back must not read a source twice. */
function parse(schedule: string): Cron {
  try {
    return new Cron(schedule, { timezone: 'UTC', mode: '5-part', paused: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replace(/^CronPattern: /, '') : String(cause);
    throw new SerinError('BAD_REQUEST', {
      detail: `the schedule "${schedule}": ${reason}`,
      hint: 'Five fields as cron has them: minute hour day month weekday, as in "15 3 * * *"',
      cause,
    });
  }
}

/** The first time after a moment; null where there is none. Throws for what is no schedule. */
export const nextTime = (schedule: string, afterMs: number): number | null => parse(schedule).nextRun(new Date(afterMs))?.getTime() ?? null;

/** Many sources are due at midnight: each is late by a time of its own, a twentieth of its period at most, so that they do not all come at once. */
export const jitterMaxMs = 60_000;

/**
 * When a source is read next. A read that was missed, however often, is caught up once: the next time follows from now.
 * `share` is 0 to 1, drawn anew each time.
 */
export function nextRead(schedule: string, nowMs: number, share: number): number | null {
  const next = nextTime(schedule, nowMs);
  if (next === null) return null;
  const after = nextTime(schedule, next);
  const period = after === null ? 0 : after - next;
  return next + Math.floor(share * Math.min(jitterMaxMs, period / 20));
}
