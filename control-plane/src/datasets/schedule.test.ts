import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jitterMaxMs, nextRead, nextTime } from './schedule.ts';

const at = (text: string) => Date.parse(text);

test('times are those of UTC, whatever clock the server has', () => {
  expect(nextTime('15 3 * * *', at('2026-03-29T00:30:00Z'))).toBe(at('2026-03-29T03:15:00Z'));
  expect(nextTime('0 0 1 1 *', at('2026-01-01T00:00:00Z'))).toBe(at('2027-01-01T00:00:00Z'));
});

test('what is no schedule of five fields is refused with its place', () => {
  for (const wrong of ['', 'hourly', '61 * * * *', '* * * *', '0 0 0 * * *', '* * 32 * *']) {
    expect(() => nextTime(wrong, 0), wrong).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  }
});

test('a read is never early, late by little, and what was missed is caught up once', () => {
  const schedules = fc.constantFrom('* * * * *', '*/5 * * * *', '0 * * * *', '30 4 * * 1', '0 0 29 2 *');
  fc.assert(
    fc.property(schedules, fc.integer({ min: at('2020-01-01'), max: at('2040-01-01') }), fc.double({ min: 0, max: 1, noNaN: true }), (schedule, now, share) => {
      const due = nextTime(schedule, now) ?? Number.NaN;
      const read = nextRead(schedule, now, share) ?? Number.NaN;
      expect(due).toBeGreaterThan(now);
      expect(read).toBeGreaterThanOrEqual(due);
      expect(read).toBeLessThanOrEqual(due + jitterMaxMs);
      // Still before the time after it.
      expect(read).toBeLessThan(nextTime(schedule, due) ?? Number.NaN);
    }),
  );
});
