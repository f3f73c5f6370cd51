const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const isWhole = (field: string): boolean => /^\d{1,2}$/.test(field);
const two = (field: string): string => field.padStart(2, '0');

function list(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}

/** `1-5` and `0,6` as days; null where a field says more than that. */
function dayWords(field: string): string | null {
  if (field === '1-5') return 'every weekday';
  const numbers = field.split(',');
  if (!numbers.every((number) => /^[0-7]$/.test(number))) return null;
  // 0 and 7 are both Sunday.
  return `every ${list([...new Set(numbers.map((number) => days[Number(number) % 7] ?? ''))])}`;
}

/** A schedule of five fields in words; one that is not among the usual is shown as it was written. */
export function scheduleWords(schedule: string | null): string {
  if (schedule === null) return 'Only when asked';
  const fields = schedule.trim().split(/\s+/);
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fields;
  const written = `At ${schedule} (UTC)`;
  if (fields.length !== 5 || month !== '*') return written;
  const anyDay = day === '*' && weekday === '*';
  const step = /^\*\/(\d{1,2})$/.exec(minute)?.[1];
  if (hour === '*' && anyDay) {
    if (minute === '*' || step === '1') return 'Every minute';
    if (step !== undefined) return `Every ${step} minutes`;
    return isWhole(minute) ? (Number(minute) === 0 ? 'Every hour' : `Every hour at ${minute} past`) : written;
  }
  const hours = /^\*\/(\d{1,2})$/.exec(hour)?.[1];
  if (hours !== undefined && anyDay && isWhole(minute)) return `Every ${hours} hours${Number(minute) === 0 ? '' : ` at ${minute} past`}`;
  if (!isWhole(minute) || !isWhole(hour)) return written;
  const clock = `at ${two(hour)}:${two(minute)} UTC`;
  if (anyDay) return `Every day ${clock}`;
  if (day === '*') {
    const words = dayWords(weekday);
    return words === null ? written : `${words.charAt(0).toUpperCase()}${words.slice(1)} ${clock}`;
  }
  return isWhole(day) && weekday === '*' ? `On day ${day} of every month ${clock}` : written;
}

export const usualSchedules = [
  { value: '', label: 'Only when asked' },
  { value: '*/15 * * * *', label: 'Every 15 minutes' },
  { value: '0 * * * *', label: 'Every hour' },
  { value: '0 3 * * *', label: 'Every day at 03:00 UTC' },
  { value: '0 6 * * 1', label: 'Every Monday at 06:00 UTC' },
] as const;
