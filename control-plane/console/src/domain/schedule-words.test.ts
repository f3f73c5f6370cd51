import { expect, test } from 'vitest';
import { scheduleWords, usualSchedules } from './schedule-words.ts';

test.each([
  [null, 'Only when asked'],
  ['* * * * *', 'Every minute'],
  ['*/15 * * * *', 'Every 15 minutes'],
  ['0 * * * *', 'Every hour'],
  ['20 * * * *', 'Every hour at 20 past'],
  ['0 */6 * * *', 'Every 6 hours'],
  ['5 3 * * *', 'Every day at 03:05 UTC'],
  ['0 6 * * 1', 'Every Monday at 06:00 UTC'],
  ['0 6 * * 1-5', 'Every weekday at 06:00 UTC'],
  ['0 6 * * 0,3,7', 'Every Sunday and Wednesday at 06:00 UTC'],
  ['30 2 1 * *', 'On day 1 of every month at 02:30 UTC'],
])('%s reads as %s', (schedule, words) => {
  expect(scheduleWords(schedule)).toBe(words);
});

test.each(['0 0 1 1 *', '0 6 * * mon', '1,2 * * * *', 'soon', '0 6 15 * 1', '0 0 * * 9'])(
  '%s says more than the usual words: it is shown as it was written',
  (schedule) => {
    expect(scheduleWords(schedule)).toContain(schedule);
  },
);

test('the schedules that are offered read as they are offered', () => {
  for (const { value, label } of usualSchedules) expect(scheduleWords(value === '' ? null : value)).toBe(label);
});
